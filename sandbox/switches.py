"""Behaviour switches: every point on which the real service's behaviour is unknown, and its possible readings."""

from collections.abc import Mapping
from dataclasses import dataclass

COUNT = "<n>"  # stands for any whole number above zero


@dataclass(frozen=True, slots=True)
class Switch:
    """One open question: its readings, the likeliest first."""

    name: str
    allowed: tuple[str, ...]
    meaning: str

    @property
    def default(self) -> str:
        return self.allowed[0]

    def accepts(self, value: str) -> bool:
        if COUNT in self.allowed and value.isascii() and value.isdigit() and len(value) <= 9:
            return int(value) > 0
        return value in self.allowed and value != COUNT


SWITCHES: Mapping[str, Switch] = {
    switch.name: switch
    for switch in (
        Switch("paging_required", ("off", "on"), "on: a list without limit and offset is refused with 400"),
        Switch("total", ("absent", "present"), "whether lists say how many entries there are in all"),
        Switch(
            "key_format_default",
            ("usual", "swapped", "none"),
            "without key-format: creations show keys, reads mask them; the other way round; no keys",
        ),
        Switch(
            "mask",
            ("stars", "long", "short"),
            "a mask: ****1a2b3c4d; zpka_abcd...c822_1a2b3c4d; zpka_abcd...3c4d",
        ),
        Switch(
            "retrievable",
            ("yes", "masked", "refused"),
            "key-format=visible on a read: the key; its mask; 400 (the bucket says isRetrievable: false)",
        ),
        Switch(
            "roll_scope",
            ("none_ending", "unexpired", "all"),
            "which old keys roll-key gives the end date: those without one; those not yet ended; all",
        ),
        Switch(
            "roll_answer",
            ("empty", "object", "key", "consumer"),
            "roll-key answers 204; {}; the new key; the consumer",
        ),
        Switch("roll_missing_expiry", ("refused", "now"), "roll-key without expiresOn: 400; old keys end now"),
        Switch("create_status", ("200", "201"), "the status of a creation"),
        Switch(
            "null_style",
            ("mixed", "absent", "null"),
            "fields without a value: only expiresOn is there, as null; all left out; all null",
        ),
        Switch("name_pattern", ("strict", "wide"), "consumer names: a-z, 0-9 and -; also _ and :"),
        Switch("duplicate_name", ("409", "400"), "creating a consumer whose name is taken"),
        Switch("keys_of_missing_consumer", ("404", "empty"), "listing the keys of no consumer"),
        Switch("guard_mismatch", ("404", "403", "401", "400"), "a guard (tag.<name>) that does not fit"),
        Switch("guard_scope", ("declared", "all", "ignored"), "which calls about a consumer mind guards"),
        Switch("patch_maps", ("replace", "merge"), "PATCH of tags and metadata"),
        Switch("patch_null_expiry", ("refused", "clears", "ignored"), "PATCH of a key with expiresOn: null"),
        Switch("metadata_types", ("any", "strings"), "values that metadata may hold"),
        Switch("second_delete", ("404", "204"), "deleting what is not there"),
        Switch(
            "sort",
            ("newest", "oldest", "id", "shuffled"),
            "the order of lists; shuffled: pages by id, each page in another order every time",
        ),
        Switch(
            "manager_email",
            ("ignore_case", "case_sensitive", "with_invites"),
            "how manager-email compares; with_invites: invited addresses count too",
        ),
        Switch(
            "invite_field",
            ("managerInvites", "absent", "strings"),
            "what include-manager-invites adds: managerInvites with objects; nothing; managerInvites with addresses",
        ),
        Switch(
            "unknown_fields",
            ("absent", "present"),
            "present: consumers also say inviteCount, invitations and declinedInvites, which names declined@acme.test",
        ),
        Switch("listed_managers", ("present", "absent"), "absent: lists bring no managers, although asked for them"),
        Switch(
            "kept_labels",
            ("as_sent", "composed", "trimmed"),
            "a description as it is kept: composed letters (NFC); its first ten characters",
        ),
        Switch(
            "kept_ends",
            ("as_sent", "minutes", "days"),
            "expiresOn as it is kept: rounded up to the minute; to the end of the day",
        ),
        Switch(
            "duplicate_manager",
            ("existing", "409", "second"),
            "adding a manager twice: the one that is there; 409; a second entry",
        ),
        Switch(
            "error_type",
            ("problem", "json", "text"),
            "problem+json with a trace; plain JSON without; always a text 502",
        ),
        Switch("rate", ("off", COUNT), "management calls allowed in a second; 429 above"),
        Switch("rate_retry_after", ("seconds", "date", "none"), "the retry-after of that 429"),
        Switch("edge_ttl", ("60", "0"), "seconds a gateway may keep a verdict (x-cache-ttl)"),
        # Plans, usage and subscriptions (v3)
        Switch("monetization", ("on", "403"), "whether the account has plans and metering"),
        Switch("metering_create_status", ("201", "200"), "the status of a v3 creation"),
        Switch("metering_lists", ("items", "data", "bare"), "v3 lists: under items or data, or bare arrays"),
        Switch(
            "subscription_answer",
            ("bare", "wrapped", "empty"),
            "creating, canceling and resuming a subscription answers: it; it under `subscription`; {}",
        ),
        Switch("change_answer", ("both", "next", "empty"), "a change answers current and next; next alone; {}"),
        Switch(
            "subscription_consumer",
            ("existing", "created"),
            "creating a subscription uses the consumer in subjectKeys; makes a consumer with a key of its own",
        ),
        Switch("duplicate_customer", ("409", "200"), "creating a customer whose key is taken: 409; the one there is"),
        Switch("cancel_free", ("400", "409", "422"), "canceling a free phase at the end of its period"),
        Switch("resume_path", ("unschedule-cancelation", "restore"), "the path that takes a cancelation back"),
        Switch(
            "access_shape",
            ("usage", "entitlements", "list"),
            "access answers: as the usage of Zuplo's portal; entitlements alone; a list under access",
        ),
        Switch("usage_lag", ("none", COUNT), "seconds until usage shows in access, queries and verdicts"),
        Switch(
            "first_payment",
            ("paid", "pending"),
            "a new subscription to a plan with prices is paid; waits for its first payment",
        ),
        Switch("unknown_key", ("null", "401"), "validate-api-key for a key that is unknown: no subscription; 401"),
    )
}


def checked(changes: Mapping[str, object]) -> dict[str, str]:
    """The changes as text; a ValueError names what is allowed instead of what is not."""
    values = {}
    for name, value in changes.items():
        switch = SWITCHES.get(name)
        if switch is None:
            raise ValueError(f"There is no switch {name!r}. Switches: {', '.join(SWITCHES)}.")
        if not switch.accepts(str(value)):
            raise ValueError(f"{name} cannot be {str(value)!r}. Allowed: {', '.join(switch.allowed)}.")
        values[name] = str(value)
    return values


def explained() -> str:
    """The table for --help."""
    return "\n".join(f"  {s.name}: {' | '.join(s.allowed)}\n      {s.meaning}" for s in SWITCHES.values())


class Switches:
    """The readings in force."""

    def __init__(self, at_start: Mapping[str, object] | None = None) -> None:
        self._at_start = {name: switch.default for name, switch in SWITCHES.items()} | checked(at_start or {})
        self.current = self._at_start

    def set(self, changes: Mapping[str, object]) -> None:
        """A new dictionary each time, so that a call under way keeps the one it began with."""
        self.current = self.current | checked(changes)

    def reset(self) -> None:
        """Back to the readings given at start."""
        self.current = self._at_start
