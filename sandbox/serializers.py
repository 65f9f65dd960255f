"""Serializers: rows as the API shows them, under the switches in force."""

import json
from collections.abc import Mapping
from typing import Any

from sandbox.http_messages import Document
from sandbox.store import Row
from sandbox.values import mask


def as_map(column: str | None) -> Any:
    return None if column is None else json.loads(column)


class Serializer:
    """One way to write things down; needs the switches in force."""

    def __init__(self, switches: Mapping[str, str]) -> None:
        self._switches = switches

    def bucket(self, row: Row) -> Document:
        document: Document = {
            "id": row["id"],
            "name": row["name"],
            "createdOn": row["created_on"],
            "updatedOn": row["updated_on"],
            "isRetrievable": self._switches["retrievable"] == "yes",
        }
        self._optional(document, "description", row["description"])
        self._optional(document, "tags", as_map(row["tags"]))
        return document

    def consumer(
        self,
        row: Row,
        *,
        keys: list[Row] | None = None,
        key_format: str = "none",
        managers: list[Row] | None = None,
        invites: list[Row] | None = None,
    ) -> Document:
        """A consumer with the lists that were asked for."""
        document: Document = {
            "id": row["id"],
            "name": row["name"],
            "createdOn": row["created_on"],
            "updatedOn": row["updated_on"],
        }
        self._optional(document, "description", row["description"])
        self._optional(document, "tags", as_map(row["tags"]))
        self._optional(document, "metadata", as_map(row["metadata"]))
        if managers is not None:
            document["managers"] = [self.manager(manager) for manager in managers]
        if invites is not None and self._switches["invite_field"] != "absent":
            # No public text names this field or its shape: our own invention.
            as_text = self._switches["invite_field"] == "strings"
            document["managerInvites"] = [invite["email"] if as_text else self.invite(invite) for invite in invites]
        if self._switches["unknown_fields"] == "present":
            document |= {
                "inviteCount": 2,
                "invitations": ["declined@acme.test"],
                "declinedInvites": [{"id": "eusr_declined", "email": "declined@acme.test"}],
            }
        if keys is not None:
            document["apiKeys"] = [self.key(key, key_format) for key in keys]
        return document

    def key(self, row: Row, key_format: str) -> Document:
        document: Document = {"id": row["id"], "createdOn": row["created_on"], "updatedOn": row["updated_on"]}
        self._optional(document, "description", row["description"])
        self._optional(document, "expiresOn", row["expires_on"])
        if key_format == "visible":
            document["key"] = row["value"]
        elif key_format == "masked":
            document["key"] = mask(row["value"], self._switches["mask"])
        return document

    def manager(self, row: Row) -> Document:
        return {"id": row["id"], "createdOn": row["created_on"], "email": row["email"], "sub": row["sub"]}

    def invite(self, row: Row) -> Document:
        return {"id": row["id"], "createdOn": row["created_on"], "email": row["email"]}

    def _optional(self, document: Document, field: str, value: Any) -> None:
        style = self._switches["null_style"]
        if value is not None or style == "null" or (style == "mixed" and field == "expiresOn"):
            document[field] = value


PLAIN: Mapping[str, str] = {
    "null_style": "null",
    "retrievable": "yes",
    "invite_field": "managerInvites",
    "unknown_fields": "absent",
}
