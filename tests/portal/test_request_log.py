"""Each request leaves one line for operators, in words or as JSON, and no secret in it."""

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest
from django.test import Client

from portal.observability.logs import JsonLineFormatter, LineFormatter, RequestIdFilter
from sandbox.values import mint_key
from tests.helpers.verbs import acme

pytestmark = pytest.mark.django_db


@pytest.fixture
def log() -> Iterator[dict[str, StringIO]]:
    """Facts that both formats log, from level INFO."""
    outputs, root = {"json": StringIO(), "lines": StringIO()}, logging.getLogger()
    handlers = [logging.StreamHandler(output) for output in outputs.values()]
    for handler, formatter in zip(handlers, (JsonLineFormatter(), LineFormatter()), strict=True):
        handler.setFormatter(formatter)
        handler.addFilter(RequestIdFilter())
        root.addHandler(handler)
    yield outputs
    for handler in handlers:
        root.removeHandler(handler)


def told(log: dict[str, StringIO], logger: str = "portal.request") -> list[dict]:
    return [line for line in map(json.loads, log["json"].getvalue().splitlines()) if line["logger"] == logger]


def test_a_request_is_one_line_with_all_that_operators_ask_for(log, sandbox, ann, ann_client):
    acme(sandbox)
    answer = ann_client.get("/keys/")
    (line,) = told(log)
    for name in ("time", "level", "logger", "message"):
        assert line.pop(name)
    for name in ("duration_ms", "upstream_ms"):
        assert line.pop(name) > 0
    assert line == {
        "request_id": answer["X-Request-ID"],
        "method": "GET",
        "path": "/keys/",
        "status": 200,
        "user": ann.pk,
        "environment": "production",
        "upstream_calls": 1,
    }
    assert f"[{answer['X-Request-ID']}] GET /keys/ 200 in " in log["lines"].getvalue()


def test_calls_are_counted_for_the_request_that_makes_them(log, sandbox, ann_client, client):
    document = acme(sandbox)[0]
    ann_client.post(f"/keys/production/acme/{document['id']}/reveal/")
    client.get("/")
    reveal, home = told(log)
    assert (reveal["upstream_calls"], reveal["environment"]) == (2, "production")
    assert (home["upstream_calls"], home["environment"], home["user"]) == (0, None, None)


def test_the_line_asks_no_database_who_it_was(log, ann_client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert ann_client.get("/theme.css").status_code == 200
    (line,) = told(log)
    assert line["user"] is None


def test_refused_and_failed_requests_have_their_line_too(log, sandbox, ann_client, settings):
    ann_client.raise_request_exception = False
    acme(sandbox)
    ann_client.get("/keys/production/nobody/create/")
    settings.KEYS_PROVISIONING = "nowhere.Rules"
    ann_client.get("/keys/production/acme/create/")
    assert [line["status"] for line in told(log)] == [404, 500]
    (failure,) = [line for line in told(log, "django.request") if line["level"] == "ERROR"]
    assert failure["request_id"] == told(log)[1]["request_id"]
    assert "ModuleNotFoundError" in failure["traceback"]


def test_strangers_who_ask_for_another_host_cause_no_errors(log, client):
    """Whoever looks for errors in the log would find nothing else."""
    assert client.get("/", headers={"host": "any.thing"}).status_code == 400
    (line,) = told(log, "django.security.DisallowedHost")
    assert line["level"] == "WARNING"
    assert "traceback" not in line
    assert "You may need to add 'any.thing' to ALLOWED_HOSTS" in line["message"]


def test_probes_are_not_worth_a_line(log, client):
    client.get("/healthz")
    assert told(log) == []


def test_trouble_of_the_key_service_causes_no_errors(log, sandbox, ann_client):
    acme(sandbox)
    sandbox.fault("GET", "*", "drop", times=0)
    assert ann_client.get("/keys/production/acme/create/").status_code == 503
    assert {line["level"] for line in map(json.loads, log["json"].getvalue().splitlines())} == {"INFO", "WARNING"}


def test_a_failed_probe_is_one_warning(log, client):
    """Whoever is called by errors in the log looks for bugs; the probe itself says 503, which has its own alarm."""
    assert client.get("/readyz").status_code == 503
    (line,) = map(json.loads, log["json"].getvalue().splitlines())
    assert (line["level"], line["message"]) == (
        "WARNING",
        "Not ready: key service unreachable or not accepting the portal's token",
    )


def test_no_format_lets_a_secret_or_a_forged_line_through(log, client, settings):
    """E8, H4: in paths, texts, objects and tracebacks; a token of odd letters too."""
    key = mint_key()
    settings.ZUPLO_API_KEY = 'to"ken-of-the-operator'
    client.get(f"/keys/{key}\n{settings.ZUPLO_API_KEY}/")
    try:
        raise ValueError(f"{key} {settings.ZUPLO_API_KEY}")
    except ValueError:
        facts = {"deep": [{"er": key}], settings.ZUPLO_API_KEY: 1}
        logging.getLogger("keys").exception("with %s", key, extra={"facts": facts, "of_others": key})
    for output in log.values():
        words = output.getvalue()
        assert "[removed]" in words
        assert "[token removed]" in words
        assert key[5:37] not in words
        assert "ken-of" not in words
    assert all("/keys/" in line["path"] for line in told(log))
    assert [line for line in log["lines"].getvalue().splitlines() if line.startswith("to")] == []


def test_the_request_id_goes_upstream_and_to_the_person(sandbox, ann_client):
    """H1: so that Zuplo's own logs can be searched for it."""
    acme(sandbox)
    answer = ann_client.get("/keys/")
    (call,) = sandbox.journal()
    assert call.request_id == answer["X-Request-ID"]


def test_what_asks_outside_of_a_request_has_no_id(sandbox):
    Client().get("/readyz")
    assert {call.request_id for call in sandbox.journal()} == {""}
