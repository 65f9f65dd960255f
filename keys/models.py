"""Models: the audit log, never with a secret: who did what to which key, for whom, and how it ended; and reminders."""

from datetime import UTC, datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class Action(models.TextChoices):
    REVEAL = "key:reveal", _("Revealed a key")
    COPY = "key:copy", _("Copied a key")
    CREATE = "key:create", _("Created a key")
    ROTATE = "key:rotate", _("Rotated a key")
    ROTATE_ALL = "consumer:rotate-all", _("Rotated all keys")
    RENAME = "key:rename", _("Renamed a key")
    CHANGE_END = "key:change-end", _("Changed a key's expiry")
    DELETE = "key:delete", _("Deleted a key")
    TRY = "key:try", _("Sent a test request")
    RENAME_CONSUMER = "consumer:rename", _("Renamed a consumer")
    CHANGE_CONSUMER = "consumer:change", _("Changed a consumer")
    CREATE_CONSUMER = "consumer:create", _("Created a consumer")
    DELETE_CONSUMER = "consumer:delete", _("Deleted a consumer")
    ADD_MANAGER = "consumer:add-manager", _("Gave access")
    REMOVE_MANAGER = "consumer:remove-manager", _("Removed access")
    INVITE = "consumer:invite", _("Sent an invitation again")
    ASK_FOR_ACCESS = "consumer:ask-access", _("Asked for access")
    REMINDERS_OFF = "consumer:reminders-off", _("Turned reminders off")
    REMINDERS_ON = "consumer:reminders-on", _("Turned reminders on")
    START_PLAN = "plan:start", _("Started a plan")
    CHANGE_PLAN = "plan:change", _("Changed the plan")
    CANCEL_PLAN = "plan:cancel", _("Cancelled the plan")
    RESUME_PLAN = "plan:resume", _("Resumed the plan")
    CALENDAR = "account:calendar", _("Created a calendar address")
    CALENDAR_REVOKED = "account:calendar-revoked", _("Revoked the calendar address")
    PROVIDER_ADDRESS = "account:provider-address", _("Provider named another address")
    PROVIDER_CODE = "account:provider-code", _("Provider sign-in needed a code")
    SUPPORT = "support:start", _("Support opened the page")
    SUPPORT_ENDED = "support:end", _("Support closed the page")


WISHES = {
    Action.REVEAL: _("reveal the key"),
    Action.COPY: _("copy the key"),
    Action.CREATE: _("create a key"),
    Action.ROTATE: _("rotate the key"),
    Action.ROTATE_ALL: _("rotate all keys"),
    Action.CHANGE_END: _("change the key's expiry"),
    Action.DELETE: _("delete the key"),
    Action.TRY: _("send a test request with the key"),
    Action.CHANGE_CONSUMER: _("change the consumer"),
    Action.CREATE_CONSUMER: _("create a consumer"),
    Action.DELETE_CONSUMER: _("delete the consumer"),
    Action.ADD_MANAGER: _("give someone access"),
    Action.REMOVE_MANAGER: _("remove someone's access"),
    Action.START_PLAN: _("start the plan"),
    Action.CHANGE_PLAN: _("change the plan"),
    Action.CANCEL_PLAN: _("cancel the plan"),
    Action.RESUME_PLAN: _("resume the plan"),
    Action.CALENDAR: _("create a calendar address"),
    Action.SUPPORT: _("open a customer's page"),
}
"""Actions that need step-up, in words that complete "You can now ..."; labels are free to change."""

READS = {Action.REVEAL, Action.COPY, Action.TRY}
PLANNING = {Action.START_PLAN, Action.CHANGE_PLAN, Action.CANCEL_PLAN, Action.RESUME_PLAN}
MANAGING = {Action.ADD_MANAGER, Action.REMOVE_MANAGER, Action.INVITE}
MAKING = {Action.CREATE, Action.ROTATE, Action.ROTATE_ALL}


class Outcome(models.TextChoices):
    STARTED = "started", _("In progress")
    DONE = "done", _("Done")
    PARTLY = "partly", _("Partly done")
    REFUSED = "refused", _("Refused")
    FAILED = "failed", _("Not done")
    UNCONFIRMED = "unconfirmed", _("Not confirmed")


class VisitEnd(models.TextChoices):
    STOPPED = "stopped", _("by them")
    TIME = "time", _("because time was up")
    RIGHTS = "rights", _("because permission was withdrawn")
    SIGNED_OUT = "signed-out", _("by signing out")
    CUSTOMER = "customer", _("because the account can no longer be viewed")


OPEN = {Outcome.STARTED, Outcome.UNCONFIRMED}
DONE = {Outcome.DONE, Outcome.PARTLY}
NOT_DONE = {Outcome.REFUSED, Outcome.FAILED}
ENDLESS = datetime(9999, 12, 31, tzinfo=UTC)
IS_RECENT = models.Q(recency__isnull=False)


class EmptyManager(models.Manager):
    """Manager of a model without a table: an empty queryset, for `dumpdata` for instance."""

    def get_queryset(self) -> models.QuerySet:
        return super().get_queryset().none()


class Consumer(models.Model):
    """Placeholder model: puts the remote consumers into Django admin, with the permissions of colleagues. No table."""

    objects = EmptyManager()

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [
            ("view_consumer", _("Can view consumers and their masked keys")),
            ("change_consumer", _("Can change consumers, their managers and their keys")),
            ("reveal_key", _("Can reveal keys")),
        ]
        verbose_name = _("consumer")
        verbose_name_plural = _("API Key Service")

    def __str__(self) -> str:
        return "consumer"


class AuditEvent(models.Model):
    """One reveal or change, written as "started" before the remote call and closed with its outcome.

    `token` is the one-time token of the form, so that one form is carried out once; it is given back if surely
    nothing was done. `lock` names the consumer that a change is being made to, until that has ended. Both are
    unique in the database, so this holds over any number of processes.
    """

    started_at = models.DateTimeField(_("started at"), default=timezone.now, db_index=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    action = models.CharField(_("action"), max_length=32, choices=Action)
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome, default=Outcome.STARTED)
    token = models.UUIDField(null=True, unique=True)
    lock = models.CharField(max_length=200, null=True, unique=True)  # noqa: DJ001, empty must not be unique

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_constraint=False
    )
    email = models.CharField(_("email address"), max_length=320)
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+", db_constraint=False
    )
    """The colleague at the keyboard, if any: under the customer's name in support, under the own in the admin."""
    staff_email = models.CharField(_("colleague"), max_length=320, blank=True)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    address = models.CharField(_("IP address"), max_length=45, blank=True)
    reference = models.CharField(_("reference"), max_length=64, blank=True)

    environment = models.CharField(_("environment"), max_length=64)
    consumer = models.CharField(_("consumer"), max_length=128, blank=True)
    key_id = models.CharField(_("key id"), max_length=128, blank=True)
    key_label = models.CharField(_("key label"), max_length=600, blank=True)
    key_ending = models.CharField(_("key ending"), max_length=8, blank=True)
    facts = models.JSONField(_("facts"), default=dict, blank=True)
    """Write-ahead facts: what was wanted and what was there before, so that reconciliation can tell what was done."""
    recency = models.GeneratedField(
        expression=models.Case(
            models.When(models.Q(action__in=sorted(READS)) | models.Q(facts__has_key="doubt"), then=None),
            models.When(outcome__in=sorted(OPEN), then=models.Value(ENDLESS)),
            models.When(outcome__in=sorted(DONE), then=models.F("started_at")),
        ),
        output_field=models.DateTimeField(null=True),
        db_persist=True,
    )
    """Recency for read-your-writes: when a change began, `ENDLESS` until it is known whether it was done."""

    class Meta:
        verbose_name = _("audit log entry")
        verbose_name_plural = _("audit log")
        ordering = ("-started_at", "-id")
        indexes = [
            models.Index(fields=["environment", "consumer", "-started_at"], name="audit_by_consumer"),
            models.Index(
                fields=["environment", "consumer", "recency"], condition=IS_RECENT, name="audit_recent_of_consumer"
            ),
            models.Index(fields=["user", "recency"], condition=IS_RECENT, name="audit_recent_of_user"),
            models.Index(fields=["user", "-started_at"], name="audit_by_user"),
            models.Index(fields=["started_at"], condition=models.Q(outcome__in=sorted(OPEN)), name="audit_open"),
            models.Index(
                fields=["environment", "consumer"],
                condition=models.Q(action=Action.DELETE_CONSUMER),
                name="audit_deleted",
            ),
        ]

    def __str__(self) -> str:
        outcome = "" if self.outcome == Outcome.DONE else f" ({self.get_outcome_display()})"
        return f"{self.get_action_display()}{outcome}: {self.staff_email or self.email}"

    @property
    def who(self) -> str:
        """The person at the keyboard, in words for the managers of the consumer."""
        return gettext("Support (%(name)s)") % {"name": self.staff_email} if self.staff_email else self.email

    @property
    def masked(self) -> str:
        """The key, as far as anybody may know it here."""
        return f"••••{self.key_ending}" if self.key_ending else ""


class Reminder(models.Model):
    """One reminder that was put into the outbox: the row is claimed in the same transaction, so nobody gets it twice.

    `step` is how many days before its end the key was reminded of, 0 once it had ended. An end that is moved is
    another one, of which people are reminded anew.
    """

    environment = models.CharField(max_length=64)
    consumer = models.CharField(max_length=128)
    key_id = models.CharField(max_length=128)
    ends_at = models.DateTimeField(db_index=True)
    step = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "consumer", "key_id", "ends_at", "step"], name="reminder_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.step} days before {self.key_id} of {self.consumer} ends"


class ReminderRun(models.Model):
    """The last complete run of `send_reminders` over an environment, for metrics."""

    environment = models.CharField(max_length=64, unique=True)
    ended_at = models.DateTimeField()
    unreadable = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.environment} at {self.ended_at}"


class MutedReminders(models.Model):
    """Opt-out: this address of a person gets no reminders about this consumer."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=64)
    consumer = models.CharField(max_length=128)
    email = models.CharField(max_length=320)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["environment", "consumer", "user", "email"], name="muted_reminders_once")
        ]

    def __str__(self) -> str:
        return f"{self.email} about {self.consumer}"


class CalendarAddress(models.Model):
    """Capability URL of a person's calendar feed: the database holds a digest of the token in it, never the token."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True)
    made_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"calendar of {self.user_id}"
