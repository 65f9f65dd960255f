"""Operations on buckets, consumers and managers, each from a call to its answer."""

from typing import Any

from sandbox import request_bodies
from sandbox.call import Call
from sandbox.http_messages import Answer, Document, Missing, Problem
from sandbox.serializers import as_map
from sandbox.store import Row, as_json, consumers_where

# Buckets


def list_buckets(call: Call) -> Answer:
    rows = call.store.page("buckets", "1", [], sort=call.switches["sort"])
    return call.listing([call.serialize.bucket(row) for row in rows], {}, call.total("buckets", "1", []))


def create_bucket(call: Call) -> Answer:
    body = request_bodies.an_object(call.request.document)
    name = request_bodies.bucket_name(body)
    if call.store.bucket(name):
        raise Problem(409, "The name is taken.")
    row = call.store.add_bucket(
        name, description=request_bodies.text(body, "description"), tags=request_bodies.tags(body)
    )
    return call.created(call.serialize.bucket(row))


def read_bucket(call: Call) -> Answer:
    return Answer(200, call.serialize.bucket(call.bucket()))


def change_bucket(call: Call) -> Answer:
    bucket, body = call.bucket(), request_bodies.an_object(call.request.document)
    columns: dict[str, object] = {"updated_on": call.now()}
    if "description" in body:
        columns["description"] = request_bodies.text(body, "description")
    if "tags" in body:
        columns["tags"] = as_json(request_bodies.tags(body, _merged_into(call, bucket["tags"])))
    return Answer(200, call.serialize.bucket(call.store.update("buckets", bucket["pk"], **columns)))


def delete_bucket(call: Call) -> Answer:
    """With all that is in it: not documented; our reading."""
    try:
        call.store.delete("buckets", call.bucket()["pk"])
    except Missing as missing:
        return call.not_there(missing)
    return call.gone()


# Consumers


def list_consumers(call: Call) -> Answer:
    where, values = consumers_where(
        call.bucket()["pk"],
        email=call.param("manager-email"),
        email_reading=call.switches["manager_email"],
        tags=call.guards(),
    )
    paging = call.paging()
    rows = call.store.page("consumers", where, values, sort=call.switches["sort"], **paging)
    return call.listing(_with_what_was_asked(call, rows), paging, call.total("consumers", where, values))


def create_consumer(call: Call) -> Answer:
    bucket, body = call.bucket(), request_bodies.an_object(call.request.document)
    name = request_bodies.consumer_name(body, call.switches)
    managers = request_bodies.managers(body)
    keys = [
        request_bodies.key_columns(key, "apiKeys")
        for key in request_bodies.a_list(body.get("apiKeys") or [], "apiKeys")
    ]
    if call.flag("with-api-key"):
        keys.append({})
    if call.store.consumer(bucket["pk"], name):
        raise Problem(int(call.switches["duplicate_name"]), "The name is taken.")
    row = call.store.add_consumer(
        bucket["pk"],
        name,
        description=call.kept_label(request_bodies.text(body, "description")),
        tags=request_bodies.tags(body),
        metadata=request_bodies.metadata(body, call.switches),
    )
    people = [_add_manager(call, row["pk"], email, sub) for email, sub in managers]
    return call.created(
        call.serialize.consumer(
            row,
            keys=[add_key(call, row["pk"], columns) for columns in keys] or None,
            key_format=call.create_format(),
            managers=_distinct([person for person in people if not person["invited"]]),
            invites=_distinct([person for person in people if person["invited"]]) or None,
        )
    )


def read_consumer(call: Call) -> Answer:
    return Answer(200, _with_what_was_asked(call, [call.consumer()])[0])


def change_consumer(call: Call) -> Answer:
    consumer, body = call.consumer(), request_bodies.an_object(call.request.document)
    columns: dict[str, object] = {"updated_on": call.now()}
    if "description" in body:
        columns["description"] = call.kept_label(request_bodies.text(body, "description"))
    if "tags" in body:
        columns["tags"] = as_json(request_bodies.tags(body, _merged_into(call, consumer["tags"])))
    if "metadata" in body:
        before = _merged_into(call, consumer["metadata"])
        columns["metadata"] = as_json(request_bodies.metadata(body, call.switches, before))
    return Answer(200, call.serialize.consumer(call.store.update("consumers", consumer["pk"], **columns)))


def delete_consumer(call: Call) -> Answer:
    """With its keys and managers."""
    try:
        call.store.delete("consumers", call.consumer()["pk"])
    except Missing as missing:
        return call.not_there(missing)
    return call.gone()


def _with_what_was_asked(call: Call, rows: list[Row]) -> list[Document]:
    """The consumers with the lists the query includes: one statement a table, however many consumers."""
    sort, pks = call.switches["sort"], [row["pk"] for row in rows]
    with_keys = call.flag("include-api-keys")
    is_listed = "consumer" in call.names or call.switches["listed_managers"] == "present"
    with_managers = call.flag("include-managers") and is_listed
    with_invites = call.flag("include-manager-invites") and is_listed
    key_format = call.read_format() if with_keys else "none"
    keys = call.store.belonging("keys", pks, sort=sort) if with_keys else {}
    people = call.store.belonging("managers", pks, sort=sort) if with_managers or with_invites else {}
    serialize = call.serialize
    return [
        serialize.consumer(
            row,
            keys=keys.get(row["pk"]),
            key_format=key_format,
            managers=[p for p in people[row["pk"]] if not p["invited"]] if with_managers else None,
            invites=[p for p in people[row["pk"]] if p["invited"]] if with_invites else None,
        )
        for row in rows
    ]


# Managers


def list_managers(call: Call) -> Answer:
    where, values = "consumer = ? AND NOT invited", list[object]([call.consumer()["pk"]])
    paging = call.paging()
    rows = call.store.page("managers", where, values, sort=call.switches["sort"], **paging)
    documents = [call.serialize.manager(row) for row in rows]
    return call.listing(documents, paging, call.total("managers", where, values))


def create_manager(call: Call) -> Answer:
    email, sub = request_bodies.manager(call.request.document)
    return call.created(call.serialize.manager(_add_manager(call, call.consumer()["pk"], email, sub)))


def delete_manager(call: Call) -> Answer:
    """A manager or an invited one."""
    try:
        row = call.store.manager(call.consumer()["pk"], call.names["manager"])
        if row is None:
            raise Missing("There is no such manager.")
    except Missing as missing:
        return call.not_there(missing)
    call.store.delete("managers", row["pk"])
    return call.gone()


def _add_manager(call: Call, consumer: int, email: str, sub: str | None) -> Row:
    reading = call.switches["duplicate_manager"]
    there = call.store.manager_by_email(consumer, email, invited=sub is None)
    if there and reading == "existing":
        return there
    if there and reading == "409":
        raise Problem(409, "The consumer has this manager.")
    return call.store.add_manager(consumer, email, sub)


# Shared


def add_key(call: Call, consumer: int, columns: dict[str, Any]) -> Row:
    """A taken value is refused: not documented; our reading."""
    value = columns.get("value")
    if value and call.store.one("SELECT 1 FROM keys WHERE value = ?", value):
        raise Problem(409, "The key is taken.")
    kept = {
        "description": call.kept_label(columns.get("description")),
        "expires_on": call.kept_end(columns.get("expires_on")),
    }
    return call.store.add_key(consumer, **columns | kept)


def _merged_into(call: Call, column: str | None) -> Document | None:
    merging = call.switches["patch_maps"] == "merge"
    return as_map(column) if merging else None


def _distinct(rows: list[Row]) -> list[Row]:
    return list({row["pk"]: row for row in rows}.values())
