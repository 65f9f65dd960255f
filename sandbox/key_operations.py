"""Operations on keys, and the question that a gateway asks about one."""

from typing import Any

from sandbox import request_bodies
from sandbox.call import Call
from sandbox.http_messages import Answer, Missing, Problem
from sandbox.operations import add_key
from sandbox.serializers import as_map

_ROLLED = {
    # Which old keys roll-key ends: the published OpenAPI, the self-serve guide and the leak guide of
    # zuplo.com/docs, in this order. Taken literally, "all" brings ended keys back to life; so it does here.
    "none_ending": "expires_on IS NULL",
    "unexpired": "(expires_on IS NULL OR expires_on > :now)",
    "all": "1",
}


def list_keys(call: Call) -> Answer:
    paging, key_format = call.paging(), call.read_format()
    call.bucket()
    try:
        consumer = call.consumer()
    except Missing:
        if call.switches["keys_of_missing_consumer"] == "404":
            raise
        return call.listing([], paging, 0 if call.switches["total"] == "present" else None)
    where, values = "consumer = ?", list[object]([consumer["pk"]])
    rows = call.store.page("keys", where, values, sort=call.switches["sort"], **paging)
    documents = [call.serialize.key(row, key_format) for row in rows]
    return call.listing(documents, paging, call.total("keys", where, values))


def create_key(call: Call) -> Answer:
    columns = request_bodies.key_columns(call.request.document)
    row = add_key(call, call.consumer()["pk"], columns)
    return call.created(call.serialize.key(row, call.create_format()))


def create_keys(call: Call) -> Answer:
    """All of them or none: not documented; our reading."""
    columns = [request_bodies.key_columns(body, "Each key") for body in request_bodies.a_list(call.request.document)]
    consumer, key_format = call.consumer(), call.create_format()
    rows = [add_key(call, consumer["pk"], one) for one in columns]
    return call.created({"data": [call.serialize.key(row, key_format) for row in rows]})


def read_key(call: Call) -> Answer:
    return Answer(200, call.serialize.key(call.key(), call.read_format()))


def change_key(call: Call) -> Answer:
    key, body = call.key(), request_bodies.an_object(call.request.document)
    columns: dict[str, Any] = {"updated_on": call.now()}
    if "description" in body:
        columns["description"] = call.kept_label(request_bodies.text(body, "description"))
    if "expiresOn" in body:
        end, reading = call.kept_end(request_bodies.end_date(body)), call.switches["patch_null_expiry"]
        if end is None and reading == "refused":
            raise Problem(400, "expiresOn must be an RFC 3339 date and time.")
        if end is not None or reading == "clears":
            columns["expires_on"] = end
    # The schema has `key` in a change as well; what that does is not documented. Our reading: a new value.
    value = request_bodies.text(body, "key")
    if value:
        if call.store.one("SELECT 1 FROM keys WHERE value = ? AND pk != ?", value, key["pk"]):
            raise Problem(409, "The key is taken.")
        columns["value"] = value
    changed = call.store.update("keys", key["pk"], **columns)
    return Answer(200, call.serialize.key(changed, call.read_format(declared=False)))


def delete_key(call: Call) -> Answer:
    try:
        call.store.delete("keys", call.key()["pk"])
    except Missing as missing:
        return call.not_there(missing)
    return call.gone()


def roll_key(call: Call) -> Answer:
    """One new key without an end; the old ones, or some of them, get the end date."""
    end = call.kept_end(request_bodies.end_date(request_bodies.an_object(call.request.document)))
    if end is None:
        if call.switches["roll_missing_expiry"] == "refused":
            raise Problem(400, "expiresOn is required.")
        end = call.now()
    consumer, now = call.consumer(), call.now()
    call.store.connection.execute(
        "UPDATE keys SET expires_on = :end, updated_on = :now"
        f" WHERE consumer = :consumer AND {_ROLLED[call.switches['roll_scope']]}",
        {"end": end, "now": now, "consumer": consumer["pk"]},
    )
    new = call.store.add_key(consumer["pk"])
    match call.switches["roll_answer"]:
        case "object":
            return Answer(200, {})
        case "key":
            return Answer(200, call.serialize.key(new, call.create_format()))
        case "consumer":
            keys = call.store.belonging("keys", [consumer["pk"]], sort=call.switches["sort"])[consumer["pk"]]
            return Answer(200, call.serialize.consumer(consumer, keys=keys, key_format=call.create_format()))
    return Answer(204)


def validate(call: Call) -> Answer:
    """Introspection, as Zuplo's api-key-inbound policy asks; it remembers for as long as its own cacheTtlSeconds says.

    The answer is always the present truth; the gateway's memory is only told of, in x-cache-ttl.
    """
    body = request_bodies.an_object(call.request.document)
    value, name, bucket_id = (request_bodies.text(body, field) for field in ("key", "bucketName", "bucketId"))
    bucket = call.store.one("SELECT pk FROM buckets WHERE name = ? OR id = ?", name, bucket_id)
    key = call.store.key_by_value(bucket["pk"], value) if bucket and value else None
    headers = {"x-cache-ttl": call.switches["edge_ttl"]}
    if key is None or (key["expires_on"] is not None and key["expires_on"] <= call.now()):
        return Answer(200, {"authorized": False}, headers=headers)
    metadata = as_map(key["metadata"]) or {}
    verdict = {"authorized": True, "id": key["id"], "name": key["name"], "metadata": metadata}
    return Answer(200, verdict, headers=headers)
