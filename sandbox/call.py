"""Call context: one accepted call, its names, parameters and guards turned into rows, or refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.http_messages import Answer, Document, Missing, Problem, Request
from sandbox.serializers import Serializer, as_map
from sandbox.store import Row, Store
from sandbox.values import kept_end, kept_label

MOST_ON_A_PAGE = 1000

_NUMBER = re.compile(r"[0-9]{1,15}")
_FORMATS = ("none", "visible", "masked")
_USUAL_FORMATS = {
    # By what was done, then by the switch. Not documented; in the guides a creation shows the key.
    "create": {"usual": "visible", "swapped": "masked", "none": "none"},
    "read": {"usual": "masked", "swapped": "visible", "none": "none"},
}


@dataclass(slots=True)
class Call:
    """Context of an operation."""

    request: Request
    switches: Mapping[str, str]
    store: Store
    names: dict[str, str]
    guarded: bool

    # The objects named in the path

    def bucket(self) -> Row:
        row = self.store.bucket(self.names["bucket"])
        if row is None:
            raise Missing("There is no such bucket.")
        return row

    def consumer(self) -> Row:
        """The consumer, past its guard."""
        row = self.store.consumer(self.bucket()["pk"], self.names["consumer"])
        if row is None:
            raise Missing("There is no such consumer.")
        tags = as_map(row["tags"]) or {}
        if any(tags.get(name) != value for name, value in self.guards()):
            raise Problem(int(self.switches["guard_mismatch"]), "The consumer does not carry the tag.")
        return row

    def key(self) -> Row:
        row = self.store.key(self.consumer()["pk"], self.names["key"])
        if row is None:
            raise Missing("There is no such key.")
        return row

    # The query

    def param(self, name: str) -> str | None:
        return self.request.first.get(name)

    def flag(self, name: str) -> bool:
        value = self.param(name)
        if value not in (None, "true", "false"):
            raise Problem(400, f"{name} must be true or false.")
        return value == "true"

    def guards(self) -> list[tuple[str, str]]:
        """The tags that tag.<name>=<value> asks for; all of them must fit."""
        if not self.guarded:
            return []
        return [(name[4:], value) for name, value in self.request.params if name.startswith("tag.")]

    def paging(self) -> dict[str, int]:
        """The limit and offset of a list, as it will say them back."""
        limit = self._number("limit", usual=MOST_ON_A_PAGE, least=1)
        return {"limit": min(limit, MOST_ON_A_PAGE), "offset": self._number("offset", usual=0, least=0)}

    def _number(self, name: str, *, usual: int, least: int) -> int:
        value = self.param(name)
        if value is None:
            if self.switches["paging_required"] == "on":
                raise Problem(400, f"{name} is required.")
            return usual
        if not _NUMBER.fullmatch(value) or int(value) < least:
            raise Problem(400, f"{name} must be a whole number, at least {least}.")
        return int(value)

    def read_format(self, *, declared: bool = True) -> str:
        """Key format of keys that were there before; key-format counts only where it is declared."""
        asked = self.param("key-format") if declared else None
        if asked is not None and asked not in _FORMATS:
            raise Problem(400, f"key-format must be one of {', '.join(_FORMATS)}.")
        if asked == "visible" and self.switches["retrievable"] == "refused":
            raise Problem(400, "The keys of this bucket cannot be retrieved.")
        found = asked or _USUAL_FORMATS["read"][self.switches["key_format_default"]]
        return "masked" if found == "visible" and self.switches["retrievable"] != "yes" else found

    def create_format(self) -> str:
        """Key format of a creation, which declares no key-format."""
        return _USUAL_FORMATS["create"][self.switches["key_format_default"]]

    # What is kept

    def kept_label(self, text: str | None) -> str | None:
        return kept_label(text, self.switches["kept_labels"])

    def kept_end(self, end: str | None) -> str | None:
        return kept_end(end, self.switches["kept_ends"])

    # The answer

    @property
    def serialize(self) -> Serializer:
        return Serializer(self.switches)

    def listing(self, documents: list[Document], paging: dict[str, int], total: int | None) -> Answer:
        document: dict[str, Any] = {"data": documents, **paging}
        if total is not None:
            document["total"] = total
        return Answer(200, document)

    def total(self, table: str, where: str, values: list[object]) -> int | None:
        """Total of a list, if lists say so."""
        return self.store.count(table, where, values) if self.switches["total"] == "present" else None

    def created(self, document: Any) -> Answer:
        return Answer(int(self.switches["create_status"]), document)

    def gone(self) -> Answer:
        return Answer(204)

    def not_there(self, missing: Missing) -> Answer:
        """The answer to a deletion that found nothing."""
        if self.switches["second_delete"] == "204":
            return Answer(204)
        raise missing

    def now(self) -> str:
        return self.store.clock.now()
