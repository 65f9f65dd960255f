"""ModelAdmin of people and mails: seen, disabled and given permissions; never signed in for. Mails without words."""

from datetime import datetime
from typing import Any, cast

import allauth.account.admin
import allauth.mfa.admin
import allauth.socialaccount.admin
import allauth.usersessions.admin  # noqa: F401, these register what is taken back below
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.apps import apps
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_safe

from keys.access import PERMISSIONS, Right
from keys.staff.fields import KEYLESS
from portal.accounts import mfa
from portal.models import OutgoingMail, User
from portal.support import impersonation, views

# A proved address is access to keys, and so is a passkey, a provider's account or a session. Its holder proves it;
# nobody ticks a box for him. Providers are named by the environment alone.
for _model in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession, Group):
    admin.site.unregister(_model)

admin.site.site_header = admin.site.site_title = settings.PORTAL_NAME
admin.site.index_title = _("Administration")
admin.site.enable_nav_sidebar = False  # its script moves every page aside once it is there; the header has the links


class ReadOnlyInline(admin.TabularInline):
    """Read-only inline: for whoever may see the person; changed by nobody."""

    extra = 0
    template = "admin/portal/user/inline.html"

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False


class AddressInline(ReadOnlyInline):
    model = EmailAddress
    readonly_fields = ("email", "verified", "primary", "consumers")
    verbose_name_plural = _("email addresses (verified by their owner)")

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        may_view = request.user.has_perm(PERMISSIONS[Right.VIEW])
        return self.readonly_fields if may_view else self.readonly_fields[:-1]

    @admin.display(description=_("Consumers"))
    def consumers(self, address: EmailAddress) -> SafeString:
        """Links to the consumers that list the address, in each environment."""
        links = ((reverse("service:environment", args=[name]), address.email, name) for name in settings.ZUPLO_BUCKETS)
        parts = ((f"{url}?{urlencode({'manager': email})}", name) for url, email, name in links)
        return format_html_join(" ", '<a href="{}">{}</a>', parts)


class SecondFactorInline(ReadOnlyInline):
    """Second factors of the person; a superuser takes off the one that was lost."""

    model = Authenticator
    fields = readonly_fields = ("name", "made_at", "used_at")
    verbose_name_plural = _("passkeys and authenticator apps")

    @admin.display(description=_("name"))
    def name(self, factor: Authenticator) -> str:
        return str(factor)

    @admin.display(description=_("created at"))
    def made_at(self, factor: Authenticator) -> datetime:
        return cast(datetime, factor.created_at)

    @admin.display(description=_("last used at"))
    def used_at(self, factor: Authenticator) -> datetime | None:
        return cast(datetime | None, factor.last_used_at)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return bool(request.user.is_superuser)


class CheckboxesAdmin(admin.ModelAdmin):
    """Groups and permissions as checkboxes: those on what is in Django admin, and those that somebody has."""

    filter_horizontal = ()

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["widget"] = forms.CheckboxSelectMultiple({"class": "radiolist"})
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field and field.queryset is not None and db_field.remote_field.model is Permission:
            types = ContentType.objects.get_for_models(*filter(admin.site.is_registered, apps.get_models())).values()
            owner = request.resolver_match.kwargs.get("object_id") if request.resolver_match else None
            held = Q(**{db_field.related_query_name(): owner}) if owner else Q()
            field.queryset = field.queryset.filter(Q(content_type__in=types) | held).distinct()
        return field


@admin.register(User)
class UserAdmin(CheckboxesAdmin):
    """Users, without a password field: a colleague who sets one could sign in as the customer, unseen."""

    formfield_overrides = KEYLESS
    show_facets = admin.ShowFacets.NEVER
    list_display = ("email", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups", "date_joined")
    search_fields = ("email", "emailaddress__email")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined", "second_factor")
    fieldsets = (
        (None, {"fields": ("email", "is_active", "last_login", "second_factor", "date_joined")}),
        (
            _("Permissions"),
            {"fields": ("is_staff", "is_superuser", "groups", "user_permissions"), "classes": ["collapse"]},
        ),
    )
    add_fieldsets = ((None, {"fields": ("email",), "description": _("They sign in with a code sent by email.")}),)
    inlines = (AddressInline, SecondFactorInline)

    @admin.display(description=_("second factor"), boolean=True)
    def second_factor(self, person: User) -> bool:
        return mfa.has_second_factor(person)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_http_methods(["GET", "HEAD", "POST"])(views.page))
        of_address = self.admin_site.admin_view(require_safe(self.of_address))
        return [
            path("<int:pk>/support/", view, name="portal_user_support"),
            path("of-address/", of_address, name="portal_user_of_address"),
            *super().get_urls(),
        ]

    def of_address(self, request: HttpRequest) -> HttpResponse:
        """Redirect to the person who has proved an address, or to the visit of support; to a search if nobody has."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        email = request.GET.get("email", "").lower()
        person = User.objects.filter(emailaddress__email=email, emailaddress__verified=True).first()
        if person is None:
            messages.warning(request, _("No account has verified %(email)s.") % {"email": email})
            return redirect(f"{reverse('admin:portal_user_changelist')}?{urlencode({'q': email})}")
        place = "support" if "support" in request.GET else "change"
        return redirect(f"admin:portal_user_{place}", person.pk)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """User page with links to support and to the audit log, for whoever may go there."""
        person = self.get_object(request, object_id)
        ways = {
            "may_support": person is not None and not impersonation.why_not(request.user, person),
            "may_see_audit_log": request.user.has_perm("keys.view_auditevent"),
        }
        kwargs["extra_context"] = (kwargs.get("extra_context") or {}) | ways
        return super().change_view(request, object_id, *args, **kwargs)

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any):  # type: ignore[no-untyped-def]
        said = {"is_active": _("Unticking this blocks sign-in without deleting the account. The keys keep working.")}
        return super().get_form(request, obj, change, **kwargs | {"help_texts": said})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The form with one way to save: people are looked at one by one."""
        ways = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().render_change_form(request, context | ways, *args, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None):  # type: ignore[no-untyped-def]
        return self.fieldsets if obj else self.add_fieldsets

    def get_inlines(self, request: HttpRequest, obj: User | None):  # type: ignore[no-untyped-def]
        return self.inlines if obj else ()

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Read-only fields: an address is changed by its holder, rights by superusers."""
        fixed = (*self.readonly_fields, "email") if obj else self.readonly_fields
        rights = () if request.user.is_superuser else ("is_staff", "is_superuser", "groups", "user_permissions")
        return (*fixed, *rights)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        if any(isinstance(gone, Authenticator) for gone in formset.deleted_objects):
            mfa.after_factor_removed(request, form.instance)

    def save_model(self, request: HttpRequest, obj: User, form: object, change: bool) -> None:
        if not change:
            obj.email = obj.email.lower()
            obj.set_unusable_password()
        super().save_model(request, obj, form, change)
        if not change:  # unproved: the first code proves it and signs in
            EmailAddress.objects.create(user=obj, email=obj.email, primary=True)


def _may_touch(request: HttpRequest, person: User | None) -> bool:
    return bool(request.user.is_superuser) or person is None or not (person.is_staff or person.is_superuser)


@admin.register(Group)
class SuperuserGroupAdmin(CheckboxesAdmin, GroupAdmin):  # type: ignore[misc]
    """Groups, changed by superusers alone: who may change a group could raise the own rights by it."""

    formfield_overrides = KEYLESS

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return bool(request.user.is_superuser)


@admin.register(OutgoingMail)
class OutgoingMailAdmin(admin.ModelAdmin):
    """Mails and their state. Never a body: it may hold the code that signs a customer in."""

    show_facets = admin.ShowFacets.NEVER
    list_display = ("subject", "to", "created_at", "state", "trouble")
    list_filter = ("sent_at", "failed_at")
    fields = readonly_fields = (
        "subject",
        "to",
        "created_at",
        "due_at",
        "state",
        "sent_at",
        "failed_at",
        "attempts",
        "trouble",
    )

    @admin.display(description=_("recipients"))
    def to(self, mail: OutgoingMail) -> str:
        return ", ".join(mail.recipients)

    @admin.display(description=_("state"))
    def state(self, mail: OutgoingMail) -> str:
        if mail.sent_at:
            return str(_("sent"))
        if mail.failed_at:
            return str(_("possibly delivered") if mail.handed_over_at else _("failed"))
        return str(_("waiting"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: OutgoingMail | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: OutgoingMail | None = None) -> bool:
        return False
