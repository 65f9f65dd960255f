"""Fault injection, the effects: what a fault makes of an answer."""

import struct
import zlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

from sandbox.faults import Fault
from sandbox.http_messages import Answer, Drip, Stream
from sandbox.values import mint_id, mint_key, mint_ulid

_CHUNK = 2**20
_SPARED = {
    *("id", "name", "key", "email", "createdOn", "updatedOn", "expiresOn"),
    *("type", "instance", "timestamp", "requestId", "buildId"),
    # Of the v3 operations: what a program reads; without it no page would come to show the texts beside it.
    *("slug", "meterSlug", "eventType", "featureKey", "customerId", "subscriptionId", "planId", "planKey", "planOrder"),
    *("status", "currency", "mode", "amount", "upToAmount", "paymentTerm", "creditAmount", "aggregation"),
    *("createdAt", "updatedAt", "activeFrom", "activeTo", "from", "to", "windowStart", "windowEnd", "windowSize"),
    *("billingAnchor", "billingCadence", "nextBillingDate", "duration", "usagePeriod", "subjectKeys"),
}


def with_effect(fault: Fault, answer: Answer) -> Answer:
    """The answer as the fault lets it out; kinds that are not about the answer leave it alone."""
    effect = _EFFECTS.get(fault.kind)
    return effect(answer, fault.options) if effect else answer


def _drop(answer: Answer, options: dict[str, Any]) -> Answer:
    return replace(answer, silent=True)


def _status(answer: Answer, options: dict[str, Any]) -> Answer:
    status, body = options["status"], options["body"]
    headers = {} if options["retry_after"] is None else {"retry-after": options["retry_after"]}
    bare = Answer(status, headers=headers, committed=answer.committed)
    if status in (204, 304):
        return bare
    if isinstance(body, str):
        return replace(bare, text=body, content_type="text/plain")
    kind = f"https://httpproblems.com/http-status/{status}"
    body = {"type": kind, "title": "A fault", "status": status} if body is None else body
    return replace(bare, document=body, content_type="application/problem+json")


def _truncated(answer: Answer, options: dict[str, Any]) -> Answer:
    return _with_body(answer, missing=options["missing"])


def _not_json(answer: Answer, options: dict[str, Any]) -> Answer:
    return _with_body(answer, document=None, text=options["body"])


def _wrong_type(answer: Answer, options: dict[str, Any]) -> Answer:
    body = options["body"]
    if body is None:
        body = _swapped(answer.document) if answer.document else [42]
    return _with_body(answer, document=body)


def _oversized(answer: Answer, options: dict[str, Any]) -> Answer:
    return _with_body(answer, document=None, stream=Stream(options["bytes"], _long_text(options["bytes"])))


def _hostile(answer: Answer, options: dict[str, Any]) -> Answer:
    return replace(answer, document=_injected(answer.document, options["text"]))


def _drip(answer: Answer, options: dict[str, Any]) -> Answer:
    return replace(answer, drip=Drip(options["interval"], options["headers"]))


def _redirect(answer: Answer, options: dict[str, Any]) -> Answer:
    return Answer(options["status"], headers={"location": options["location"]}, committed=answer.committed)


def _other_object(answer: Answer, options: dict[str, Any]) -> Answer:
    document = answer.document
    if answer.status >= 400 or not isinstance(document, dict) or "id" not in document:
        return answer
    other = _renamed(document)
    if "apiKeys" in other:
        other["apiKeys"] = [_renamed(key) for key in other["apiKeys"]]
    return replace(answer, document=other)


def _odd_object(answer: Answer, options: dict[str, Any]) -> Answer:
    """Copied first: what an answer is made of may be shared."""
    document = deepcopy(answer.document)
    objects = _objects(document, options["object"]) if answer.status < 300 else []
    for last in objects[-1:]:
        last[options["field"]] = options["value"]
        if options["lacks"]:
            del last[options["field"]]
    return replace(answer, document=document)


def _deep(answer: Answer, options: dict[str, Any]) -> Answer:
    depth = options["depth"]
    return _with_body(answer, document=None, text="[" * depth + "]" * depth)


def _gzip_bomb(answer: Answer, options: dict[str, Any]) -> Answer:
    packed = _packed(options["bytes"])
    headers = answer.headers | {"content-encoding": "gzip"}
    return _with_body(answer, document=None, headers=headers, stream=Stream(len(packed), [packed]))


_EFFECTS: dict[str, Callable[[Answer, dict[str, Any]], Answer]] = {
    "drop": _drop,
    "status": _status,
    "truncated": _truncated,
    "not_json": _not_json,
    "wrong_type": _wrong_type,
    "oversized": _oversized,
    "hostile": _hostile,
    "drip": _drip,
    "redirect": _redirect,
    "other_object": _other_object,
    "odd_object": _odd_object,
    "deep": _deep,
    "gzip_bomb": _gzip_bomb,
}


def _with_body(answer: Answer, **changes: Any) -> Answer:
    """The answer changed, and no longer a 204, which could not carry a body."""
    return replace(answer, status=200 if answer.status == 204 else answer.status, **changes)


def _objects(document: Any, kind: str) -> list[dict[str, Any]]:
    """The consumers, keys or managers in a document, wherever they stand in it."""
    if not isinstance(document, dict):
        return []
    parts = [part for field in ("data", "apiKeys", "managers") for part in document.get(field) or ()]
    inner = [found for part in parts for found in _objects(part, kind)]
    prefix = {"consumer": "csmr_", "key": "key_", "manager": "eusr_"}[kind]
    return [*inner, document] if str(document.get("id")).startswith(prefix) else inner


def _swapped(value: Any) -> Any:
    """The value with every leaf of another type than it should be."""
    match value:
        case dict():
            return {name: _swapped(entry) for name, entry in value.items()}
        case list():
            return "a list"
        case str():
            return 42
        case None:
            return [None]
    return {"value": value}


def _injected(value: Any, text: str, name: str = "") -> Any:
    """The value with the text in every field that holds free text, and in a further manager's address."""
    match value:
        case dict():
            free = name in ("tags", "metadata")  # whose entries may be called anything, "name" and "id" too
            return {key: _injected(entry, text, "" if free else key) for key, entry in value.items()}
        case list() if name == "managers":
            # The true addresses stay: a client that checks them would not show anything else.
            stranger = {"id": mint_id("eusr"), "email": f"{text}@acme.test", "sub": text}
            return [*(_injected(entry, text) for entry in value), stranger]
        case list():
            return [_injected(entry, text, name) for entry in value]
        case str() if name not in _SPARED:
            return value + text
    return value


def _renamed(document: dict[str, Any]) -> dict[str, Any]:
    """The same document with another object's identity."""
    prefix, joint, _rest = document["id"].partition("_")
    other = document | {"id": mint_id(prefix) if joint else mint_ulid()}
    if "name" in document:
        other["name"] = f"not-{document['name']}"
    if str(document.get("key", "")).startswith("zpka_") and "..." not in document["key"]:
        other["key"] = mint_key()
    return other


def _long_text(length: int) -> Iterator[bytes]:
    """A JSON document of exactly that many bytes."""
    start, end = b'{"data":"', b'"}'
    yield start
    left = length - len(start) - len(end)
    while left > 0:
        yield b"x" * min(left, _CHUNK)
        left -= _CHUNK
    yield end


def _packed(length: int) -> bytes:
    """A JSON text of spaces, packed. A fully flushed block may be repeated, so one is compressed."""
    count = max(1, length // _CHUNK)
    block = b" " * _CHUNK
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(count):
        checksum = zlib.crc32(block, checksum)
    end = b"{}"
    last = packer.compress(end) + packer.flush()
    checksum = zlib.crc32(end, checksum)
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    trailer = struct.pack("<II", checksum, (count * _CHUNK + len(end)) & 0xFFFFFFFF)
    return header + packed * count + last + trailer
