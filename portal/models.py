"""Models: people who sign in, of whom an email address is all that is known, and the mails that go to them."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from keys.prepared import Blank, Prepared


class UserManager(BaseUserManager["User"]):
    """Makes users from an email address; without a password they sign in by code."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        if not email:
            raise ValueError("A user needs an email address.")
        user = self.model(email=email.lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get(self, *args: Any, **wanted: Any) -> "User":
        """By the primary key alone, as Django asks with each request, by one prepared query, addresses included."""
        if args or wanted.keys() != {"pk"}:
            return super().get(*args, **wanted)
        rows = _BY_PK.rows(**wanted)
        if not rows:
            raise self.model.DoesNotExist
        user = self.model.from_db(self.db, _FIELDS, rows[0][:-1])
        user.proved_addresses = tuple(row[-1] for row in rows if row[-1])
        return user


class User(AbstractUser):
    username = None  # type: ignore[assignment]
    email = models.EmailField(_("email address"), unique=True)
    sessions_ended = models.PositiveIntegerField(default=0, editable=False)
    """Session generation: each session carries the number that was true when it began; raising it ends them all."""
    language = models.CharField(max_length=8, blank=True, editable=False)
    """Language that the person was last seen to read: for mails that somebody else brings about."""
    time_zone = models.CharField(max_length=64, blank=True, editable=False)
    """Time zone in which the person last signed in, by its IANA name: for the times in mails."""
    is_hijacked = False
    """True for the customer on a visit of support, under the name that django-hijack gives it."""
    proved_addresses: tuple[str, ...] | None = None
    """Verified addresses, the primary one first, as of the moment at which the user was asked for by `get(pk=...)`."""

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_once")]
        permissions = [
            ("support_user", "Can look at the portal as a customer (support)"),
            ("change_as_user", "Can change keys in a customer's name (support)"),
        ]

    def __str__(self) -> str:
        return self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, and sign out for good whoever is disabled: enabling the account again brings no session back."""
        super().save(*args, **kwargs)
        if not self.is_active:
            self.end_sessions()

    def end_sessions(self) -> None:
        """Sign the person out everywhere, on whatever server, with the next request."""
        User.objects.filter(pk=self.pk).update(sessions_ended=models.F("sessions_ended") + 1)
        self.refresh_from_db(fields=["sessions_ended"])

    # Django compares these with what the session holds, on each request.

    def get_session_auth_hash(self) -> str:
        return self._hash_of_sessions(None)

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        for secret in settings.SECRET_KEY_FALLBACKS:
            yield self._hash_of_sessions(secret)

    def _hash_of_sessions(self, secret: str | bytes | None) -> str:
        value = f"{self.password} {self.sessions_ended}"
        return salted_hmac("portal.models.User", value, secret=secret, algorithm="sha256").hexdigest()


_FIELDS = [field.attname for field in User._meta.concrete_fields]
_BY_PK = Prepared(
    lambda _names: (
        User.objects.filter(pk=Blank("pk", models.BigAutoField()))
        .annotate(proved=models.FilteredRelation("emailaddress", condition=models.Q(emailaddress__verified=True)))
        .order_by("-proved__primary", "proved__email")
        .values_list(*_FIELDS, "proved__email")
    )
)


class OutgoingMails(models.QuerySet["OutgoingMail"]):
    def waiting(self) -> "OutgoingMails":
        return self.filter(sent_at=None, failed_at=None)


class OutgoingMail(models.Model):
    """Outbox row: a mail on its way, see `portal.mail.outbox`. Its words are wiped once it is sent or given up."""

    recipients = models.JSONField(_("recipients"))
    subject = models.CharField(_("subject"), max_length=998)
    body = models.TextField(blank=True)
    sender = models.CharField(max_length=998)
    headers = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    due_at = models.DateTimeField(_("due at"))
    useless_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    trouble = models.CharField(_("last error"), max_length=200, blank=True)
    handed_over_at = models.DateTimeField(null=True, editable=False)
    """Since when the mail server may have it, without having said what became of it."""
    sent_at = models.DateTimeField(_("sent at"), null=True)
    failed_at = models.DateTimeField(_("failed at"), null=True)

    objects = OutgoingMails.as_manager()

    class Meta:
        verbose_name = _("outgoing email")
        verbose_name_plural = _("outgoing emails")
        ordering = ("-created_at", "-pk")
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(sent_at=None, failed_at=None), name="outgoing_mail_due")
        ]

    def __str__(self) -> str:
        return f"{self.subject} to {', '.join(self.recipients)}"
