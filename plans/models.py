"""Models of plans: the portal's own plans, invitations to private ones, requests, and what belongs to payment."""

from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from keys.types import Consumer

KEY = RegexValidator(r"^[a-z0-9_-]+\Z", _("Use a-z, 0-9, hyphens and underscores: your gateway reads it."))


class Cadence(models.TextChoices):
    MONTH = "P1M", _("Month")
    QUARTER = "P3M", _("Quarter")
    YEAR = "P1Y", _("Year")


class Plan(models.Model):
    """A plan of the portal's own; its key is what stands in a consumer's metadata."""

    key = models.CharField(_("key"), max_length=64, unique=True, validators=[KEY])
    name = models.CharField(_("name"), max_length=80)
    description = models.CharField(_("description"), max_length=300, blank=True)
    price_text = models.CharField(
        _("price in words"),
        max_length=80,
        blank=True,
        help_text=_("Such as “On request”, instead of an amount. With neither, the plan is free."),
    )
    amount = models.DecimalField(
        _("amount"), max_digits=12, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(Decimal(0))]
    )
    currency = models.CharField(
        _("currency"),
        max_length=3,
        default="USD",
        validators=[RegexValidator(r"^[A-Z]{3}\Z", _("Three letters, such as USD."))],
    )
    cadence = models.CharField(_("paid every"), max_length=4, choices=Cadence, default=Cadence.MONTH)
    trial_days = models.PositiveSmallIntegerField(_("trial days"), default=0)
    order = models.PositiveSmallIntegerField(
        _("order"), default=0, help_text=_("From left to right. Moving to the right is an upgrade.")
    )
    is_active = models.BooleanField(_("can be chosen"), default=True)
    is_private = models.BooleanField(_("by invitation only"), default=False)
    needs_approval = models.BooleanField(
        _("on request"), default=False, help_text=_("Staff approve it in Django admin before it starts.")
    )
    is_popular = models.BooleanField(_("most popular"), default=False)
    contact_url = models.CharField(
        _("contact address"),
        max_length=300,
        blank=True,
        validators=[RegexValidator(r"^(https://|mailto:)[^\s<>\"']+\Z", _("Start it with https:// or mailto:."))],
        help_text=_("If set, the plan can't be chosen here: its button leads to your sales team."),
    )
    contact_label = models.CharField(_("button text"), max_length=60, blank=True)
    stripe_price = models.CharField(
        _("Stripe price"),
        max_length=64,
        blank=True,
        validators=[RegexValidator(r"^price_[A-Za-z0-9]+\Z", _("It starts with price_."))],
        help_text=_("If set, Stripe takes the payment. Needs STRIPE_API_KEY."),
    )

    class Meta:
        ordering: ClassVar = ["order", "name"]
        verbose_name = _("plan")
        verbose_name_plural = _("plans")

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.price_text and self.amount is not None:
            raise ValidationError(_("Enter an amount or a price in words, not both."))


class PlanFeature(models.Model):
    """Entitlement: what a plan gives of a feature, a number in each period, or the feature as such, or a few words."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="features", verbose_name=_("plan"))
    key = models.CharField(_("key"), max_length=64, validators=[KEY])
    name = models.CharField(_("name"), max_length=80)
    limit = models.DecimalField(
        _("limit"),
        max_digits=18,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0))],
        help_text=_("Per period. Leave empty for a feature that isn't counted."),
    )
    is_soft = models.BooleanField(_("soft"), default=False, help_text=_("Calls continue above the limit."))
    words = models.CharField(_("in words"), max_length=80, blank=True, help_text=_("Such as “Within 4 hours”."))
    order = models.PositiveSmallIntegerField(_("order"), default=0)

    class Meta:
        ordering: ClassVar = ["order", "pk"]
        verbose_name = _("feature")
        verbose_name_plural = _("features")
        constraints: ClassVar = [models.UniqueConstraint(fields=["plan", "key"], name="plan_feature_once")]

    def __str__(self) -> str:
        return self.name


class Invitation(models.Model):
    """Who may choose a private plan, by a verified address."""

    email = models.EmailField(_("email address"))
    plan_key = models.CharField(_("plan"), max_length=64, validators=[KEY], help_text=_("The key of the plan."))
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    sent = models.JSONField(default=dict, editable=False)
    """The id of the invitation at Zuplo, by environment; "" where none is kept there, or its answer was lost."""

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints: ClassVar = [models.UniqueConstraint("email", "plan_key", name="plan_invitation_once")]

    def __str__(self) -> str:
        return f"{self.email}: {self.plan_key}"

    def clean(self) -> None:
        """People's addresses are looked for in small letters."""
        self.email = self.email.lower()


class PlanRecord(models.Model):
    """Plan of a consumer as kept here, beside the truth upstream: since when, until when, and ids of others.

    It belongs to the consumer of that id: one that is made later under the same name inherits nothing of it. With
    `portal` the truth is the consumer's `metadata.plan`; what is here about another plan than that says nothing.
    `used_percent` and `used_feature` are as they were last seen, for the list of those that are near their limit.
    """

    environment = models.CharField(_("environment"), max_length=64)
    consumer = models.CharField(_("consumer"), max_length=128)
    consumer_id = models.CharField(max_length=128)
    plan_key = models.CharField(_("plan"), max_length=64, blank=True)
    plan_name = models.CharField(_("plan name"), max_length=600, blank=True)
    cadence = models.CharField(max_length=16, blank=True)
    started_at = models.DateTimeField(_("since"), null=True, blank=True)
    period_ends_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(_("ends"), null=True, blank=True)
    next_plan = models.CharField(_("next plan"), max_length=64, blank=True)
    changes_at = models.DateTimeField(_("changes"), null=True, blank=True)
    customer_id = models.CharField(max_length=64, blank=True)
    subscription_id = models.CharField(max_length=64, blank=True)
    stripe_customer = models.CharField(max_length=255, blank=True)
    stripe_subscription = models.CharField(max_length=255, blank=True, db_index=True)
    stripe_plan = models.CharField(max_length=64, blank=True)
    """The plan that is paid for. A colleague may have given another one: that stays until other things are paid."""
    used_percent = models.PositiveIntegerField(_("used"), null=True, blank=True, db_index=True)
    used_feature = models.CharField(_("feature"), max_length=600, blank=True)
    looked_at = models.DateTimeField(_("last checked"), null=True, blank=True)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        default_permissions = ("view", "change")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["environment", "consumer_id"], name="plan_record_once")
        ]
        indexes: ClassVar = [models.Index(fields=["environment", "consumer"], name="plan_record_by_name")]

    def __str__(self) -> str:
        return f"{self.consumer} ({self.environment})"

    @classmethod
    def of(cls, environment: str, consumer: Consumer) -> "PlanRecord":
        """Record of the consumer; an unsaved one where there is none yet."""
        place = {"environment": environment, "consumer_id": identity(consumer)}
        return cls.objects.filter(**place).first() or cls(consumer=consumer.name, **place)

    def is_of(self, consumer: Consumer) -> bool:
        """True unless the consumer was deleted, and made again under the same name."""
        return self.consumer_id == identity(consumer)

    def keep(self, **values: object) -> None:
        """Set these and save, whether the row is there yet or not.

        The first row of a consumer takes the place of one that was of an earlier consumer of this name, unless that
        is still being paid for.
        """
        wanted = {"consumer": self.consumer, **values}
        place = {"environment": self.environment, "consumer_id": self.consumer_id}
        # One statement, as a rule: SQLite refuses whoever reads first and then writes while somebody else does.
        if not type(self).objects.filter(**place).update(**wanted):
            row, is_new = type(self).objects.get_or_create(**place, defaults=wanted)
            if is_new:
                namesakes = type(self).objects.filter(environment=self.environment, consumer=self.consumer)
                namesakes.filter(stripe_subscription="").exclude(pk=row.pk).delete()
            else:
                type(self).objects.filter(**place).update(**wanted)
        for name, value in values.items():
            setattr(self, name, value)


def identity(consumer: Consumer) -> str:
    """Identity of a consumer, which no later one of its name has: its id; where none is told, the name must do."""
    return consumer.id or consumer.name


class RequestState(models.TextChoices):
    OPEN = "open", _("Waiting")
    APPROVED = "approved", _("Approved")
    REFUSED = "refused", _("Refused")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class PlanRequest(models.Model):
    """Somebody asks for a plan; a colleague approves it, or refuses it with a sentence.

    `consumer` is "" for somebody who has none yet. At most one request of a person and consumer is open at a time.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("person")
    )
    email = models.EmailField(_("email address"), max_length=320)
    environment = models.CharField(_("environment"), max_length=64)
    consumer = models.CharField(_("consumer"), max_length=128, blank=True)
    plan_key = models.CharField(_("plan"), max_length=64)
    plan_name = models.CharField(_("plan name"), max_length=600)
    words = models.CharField(_("message"), max_length=500, blank=True)
    state = models.CharField(_("state"), max_length=16, choices=RequestState, default=RequestState.OPEN)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    answer = models.CharField(_("answer"), max_length=500, blank=True)
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True)
    answered_by = models.CharField(_("answered by"), max_length=320, blank=True)

    class Meta:
        ordering: ClassVar = ["-created_at"]
        verbose_name = _("plan request")
        verbose_name_plural = _("plan requests")
        default_permissions = ("view", "change")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["email", "environment", "consumer"],
                condition=models.Q(state="open"),
                name="plan_request_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email}: {self.plan_name}"


class StripeEvent(models.Model):
    """A message of Stripe that was dealt with: its id is unique, so one that comes twice is dealt with once."""

    id = models.CharField(max_length=255, primary_key=True)
    kind = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class PaymentIssue(models.Model):
    """Something about a payment that people have to put right at Stripe: each is told once, and stays until settled."""

    class Kind(models.TextChoices):
        UNKNOWN_PLAN = "unknown-plan", _("Pays for a plan that doesn't exist here")
        WITHDRAWN_PLAN = "withdrawn-plan", _("Pays for a plan that was withdrawn")
        NO_CONSUMER = "no-consumer", _("Pays for a consumer that no longer exists")
        NOT_PLACED = "not-placed", _("Paid by a new customer, but it isn't clear for which consumer")
        PAID_TWICE = "paid-twice", _("Pays twice for one consumer")
        CHANGED_BY_STAFF = "changed-by-staff", _("Pays for a different plan than staff assigned")

    kind = models.CharField(_("what"), max_length=32, choices=Kind)
    stripe_subscription = models.CharField(_("Stripe subscription"), max_length=255)
    email = models.CharField(_("email address"), max_length=320, blank=True)
    environment = models.CharField(_("environment"), max_length=64, blank=True)
    consumer = models.CharField(_("consumer"), max_length=128, blank=True)
    plan_name = models.CharField(_("plan name"), max_length=600, blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    is_settled = models.BooleanField(_("settled"), default=False)

    class Meta:
        ordering: ClassVar = ["is_settled", "-created_at"]
        verbose_name = _("payment issue")
        verbose_name_plural = _("payment issues")
        default_permissions = ("view", "change")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["stripe_subscription", "kind"], name="plan_payment_issue_once")
        ]

    def __str__(self) -> str:
        return f"{self.stripe_subscription}: {self.get_kind_display()}"

    @property
    def advice(self) -> str:
        """The next step for a colleague."""
        match self.kind:
            case self.Kind.WITHDRAWN_PLAN:
                words = _("The plan has started, as it was paid for. To stop it, cancel the subscription in Stripe.")
            case self.Kind.PAID_TWICE:
                words = _("The newer subscription counts. Cancel this one in Stripe and refund the double payment.")
            case self.Kind.CHANGED_BY_STAFF:
                words = _("The payment continues. Change or cancel the subscription in Stripe to match the plan.")
            case _kind:
                words = _("Give the customer a plan under Subscriptions, or cancel and refund the one in Stripe.")
        return str(words)
