"""The operations on meters, features, plans, invitations to plans, and the monetization configuration."""

import json

from sandbox.call import Call
from sandbox.http_messages import Answer, Document, Missing, Problem
from sandbox.metering import bodies, documents
from sandbox.metering.lookup import bucket
from sandbox.metering.records import insert
from sandbox.request_bodies import an_object
from sandbox.store import Row
from sandbox.values import mint_ulid, written_exactly

# Meters


def list_meters(call: Call) -> Answer:
    rows = call.store.all("SELECT * FROM meters WHERE bucket = ? ORDER BY pk", bucket(call)["pk"])
    return documents.listing(call, [documents.stored(row) for row in rows], bare=True)


def create_meter(call: Call) -> Answer:
    pk, document = bucket(call)["pk"], bodies.meter(call.request.document)
    if call.store.one("SELECT 1 FROM meters WHERE bucket = ? AND slug = ?", pk, document["slug"]):
        raise Problem(409, "The slug is taken.")
    return documents.created(call, documents.stored(_insert(call, "meters", document, slug=document["slug"])))


def read_meter(call: Call) -> Answer:
    return Answer(200, documents.stored(meter(call)))


def change_meter(call: Call) -> Answer:
    row = meter(call)
    document = bodies.meter(json.loads(row["document"]) | an_object(call.request.document))
    changed = call.store.update("meters", row["pk"], slug=document["slug"], **_changes(call, document))
    return Answer(200, documents.stored(changed))


def delete_meter(call: Call) -> Answer:
    call.store.delete("meters", meter(call)["pk"])
    return call.gone()


def meter(call: Call) -> Row:
    name = call.names["meter"]
    found = call.store.one("SELECT * FROM meters WHERE bucket = ? AND ? IN (id, slug)", bucket(call)["pk"], name)
    if found is None:
        raise Missing("There is no such meter.")
    return found


# Features


def list_features(call: Call) -> Answer:
    """A bare array unless a page is asked for; archived ones are left out."""
    where = "bucket = ? AND archived_on IS NULL"
    rows = call.store.all(f"SELECT * FROM features WHERE {where} ORDER BY pk", bucket(call)["pk"])
    is_paged = call.param("page") is not None or call.param("pageSize") is not None
    return documents.listing(call, [documents.stored(row) for row in rows], bare=not is_paged)


def create_feature(call: Call) -> Answer:
    document = bodies.feature(call.request.document)
    where, values = "bucket = ? AND key = ? AND archived_on IS NULL", (bucket(call)["pk"], document["key"])
    if call.store.one(f"SELECT 1 FROM features WHERE {where}", *values):
        raise Problem(409, "The key is taken.")
    return documents.created(call, documents.stored(_insert(call, "features", document, key=document["key"])))


def read_feature(call: Call) -> Answer:
    return Answer(200, documents.stored(_feature(call)))


def archive_feature(call: Call) -> Answer:
    call.store.update("features", _feature(call)["pk"], archived_on=_now(call))
    return call.gone()


def _feature(call: Call) -> Row:
    name = call.names["feature"]
    found = call.store.one(
        "SELECT * FROM features WHERE bucket = ? AND ? IN (id, key) ORDER BY pk DESC", bucket(call)["pk"], name
    )
    if found is None:
        raise Missing("There is no such feature.")
    return found


# Plans


def list_plans(call: Call) -> Answer:
    """By default all that are not deleted, every version, drafts too; each filter may be repeated."""
    where, values = "bucket = ?", list[object]([bucket(call)["pk"]])
    if not call.flag("includeDeleted"):
        where += " AND deleted_on IS NULL"
    for column in ("id", "key", "status", "currency"):
        wanted = [value for name, value in call.request.params if name in (column, f"{column}[]")]
        if wanted:
            where += f" AND {column} IN ({', '.join('?' * len(wanted))})"
            values += wanted
    orders = {"id": "id", "key": "key", "version": "version", "created_at": "pk", "updated_at": "updated_on"}
    order = orders.get(call.param("orderBy") or "created_at", "pk")
    way = "DESC" if (call.param("order") or "").upper() == "DESC" else "ASC"
    rows = call.store.all(f"SELECT * FROM plans WHERE {where} ORDER BY {order} {way}, pk", *values)
    return documents.listing(call, [documents.plan(row) for row in rows])


def create_plan(call: Call) -> Answer:
    """A draft: of a new plan, or of the next version of one."""
    pk, document = bucket(call)["pk"], bodies.plan(call.request.document)
    last = call.store.one("SELECT max(version) AS version FROM plans WHERE bucket = ? AND key = ?", pk, document["key"])
    version = ((last["version"] if last else None) or 0) + 1
    columns = {"key": document["key"], "version": version, "status": "draft", "currency": document["currency"]}
    return documents.created(call, documents.plan(_insert(call, "plans", document, **columns)))


def read_plan(call: Call) -> Answer:
    return Answer(200, documents.plan(_plan(call)))


def change_plan(call: Call) -> Answer:
    row = _plan(call)
    if row["status"] != "draft":
        raise Problem(409, "A published plan cannot change; create its next version.")
    document = bodies.plan(json.loads(row["document"]) | an_object(call.request.document))
    if document["key"] != row["key"]:
        raise Problem(400, "key cannot change.")
    changes = _changes(call, document) | {"currency": document["currency"]}
    return Answer(200, documents.plan(call.store.update("plans", row["pk"], **changes)))


def delete_plan(call: Call) -> Answer:
    """It stays for those who subscribed to it, and for includeDeleted."""
    call.store.update("plans", _plan(call)["pk"], deleted_on=_now(call))
    return call.gone()


def publish_plan(call: Call) -> Answer:
    """It takes the place of the version before."""
    row = _plan(call)
    if row["status"] != "draft":
        raise Problem(409, "Only a draft can be published.")
    call.store.connection.execute(
        "UPDATE plans SET status = 'archived', updated_on = ? WHERE bucket = ? AND key = ? AND status = 'active'",
        (_now(call), row["bucket"], row["key"]),
    )
    return Answer(200, documents.plan(call.store.update("plans", row["pk"], status="active", updated_on=_now(call))))


def archive_plan(call: Call) -> Answer:
    row = _plan(call)
    if row["status"] != "active":
        raise Problem(409, "Only an active plan can be archived.")
    return Answer(200, documents.plan(call.store.update("plans", row["pk"], status="archived", updated_on=_now(call))))


def _plan(call: Call) -> Row:
    """By id alone, as the guides say of publish and archive."""
    found = call.store.one(
        "SELECT * FROM plans WHERE bucket = ? AND id = ? AND deleted_on IS NULL", bucket(call)["pk"], call.names["plan"]
    )
    if found is None:
        raise Missing("There is no such plan.")
    return found


# Invitations to private plans


def create_invite(call: Call) -> Answer:
    pk = bucket(call)["pk"]
    email, plan_id = bodies.invite(call.request.document)
    if call.store.one("SELECT 1 FROM plans WHERE bucket = ? AND id = ? AND deleted_on IS NULL", pk, plan_id) is None:
        raise Missing("There is no such plan.")
    row = call.store.insert(
        "plan_invites", bucket=pk, id=mint_ulid(), email=email, plan_id=plan_id, created_on=_now(call)
    )
    return documents.created(call, _invite(row))


def delete_invite(call: Call) -> Answer:
    found = call.store.one(
        "SELECT * FROM plan_invites WHERE bucket = ? AND id = ?", bucket(call)["pk"], call.names["invite"]
    )
    if found is None:
        raise Missing("There is no such invitation.")
    call.store.delete("plan_invites", found["pk"])
    return call.gone()


def _invite(row: Row) -> Document:
    return {"id": row["id"], "email": row["email"], "planId": row["plan_id"], "createdAt": row["created_on"]}


# Configuration


def read_configuration(call: Call) -> Answer:
    return Answer(200, configuration(call))


def change_configuration(call: Call) -> Answer:
    """Settings that are not sent stay."""
    document = bodies.configuration(call.request.document, configuration(call))
    call.store.connection.execute(
        "INSERT INTO monetization (bucket, document) VALUES (?, ?)"
        " ON CONFLICT (bucket) DO UPDATE SET document = excluded.document",
        (bucket(call)["pk"], json.dumps(document)),
    )
    return Answer(200, document)


def delete_configuration(call: Call) -> Answer:
    call.store.connection.execute("DELETE FROM monetization WHERE bucket = ?", (bucket(call)["pk"],))
    return call.gone()


def configuration(call: Call) -> Document:
    row = call.store.one("SELECT document FROM monetization WHERE bucket = ?", bucket(call)["pk"])
    return bodies.CONFIGURATION | (json.loads(row["document"]) if row else {})


# Shared


def _now(call: Call) -> str:
    return written_exactly(call.store.clock.moment())


def _changes(call: Call, document: Document) -> dict[str, object]:
    return {"document": json.dumps(document), "updated_on": _now(call)}


def _insert(call: Call, table: str, document: Document, **columns: object) -> Row:
    return insert(call.store, table, bucket(call)["pk"], document, **columns)
