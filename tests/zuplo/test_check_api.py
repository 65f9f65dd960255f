"""manage.py check_api tells an operator what works with the Developer API, and never the token."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from keys.zuplo import circuit_breaker


def checked() -> tuple[list[str], bool]:
    """The lines, and whether it went well."""
    out = StringIO()
    try:
        call_command("check_api", stdout=out)
    except CommandError:
        return out.getvalue().splitlines(), False
    return out.getvalue().splitlines(), True


def test_who_am_i_bucket_and_list_are_each_told(two_environments):
    sandbox = two_environments
    production, preview = sandbox.buckets[:2]
    lines, well = checked()
    assert lines == [
        f"The Developer API at {sandbox.url}",
        f"who-am-i: ok, account {sandbox.account}",
        f"bucket {production} (production): ok",
        f"a list in {production} (production): ok",
        f"bucket {preview} (preview): ok",
        f"a list in {preview} (preview): ok",
    ]
    assert well
    assert {call.params.get("limit") for call in sandbox.journal() if call.path.endswith("/consumers")} == {"1"}


@pytest.mark.parametrize(
    ("setting", "value", "failed", "words"),
    [
        ("ZUPLO_API_KEY", "not-the-token-of-this-account", 3, "compare ZUPLO_API_KEY"),
        ("ZUPLO_ACCOUNT", "somebody-else", 3, "ZUPLO_ACCOUNT names another"),
        ("ZUPLO_BUCKETS", {"production": "zprj-mistyped"}, 2, "compare ZUPLO_ACCOUNT and the bucket with"),
        ("ZUPLO_API_URL", "http://127.0.0.1:9", 3, "reachable from here?"),
    ],
)
def test_what_fails_is_named_with_the_variable_to_look_at(sandbox, settings, setting, value, failed, words):
    setattr(settings, setting, value)
    lines, well = checked()
    assert not well
    assert sum("FAILED" in line for line in lines) == failed
    assert words in "\n".join(lines)
    assert settings.ZUPLO_API_KEY not in "\n".join(lines)


def test_a_list_that_fails_alone_is_told_alone(sandbox):
    sandbox.fault("GET", "*/consumers", "status", status=500, times=0)
    lines, well = checked()
    assert not well
    assert [line.partition(":")[2].split(",")[0].strip() for line in lines[1:]] == ["ok", "ok", "FAILED"]


def test_a_bucket_that_hides_keys_is_told(sandbox):
    sandbox.set(retrievable="refused")
    lines, well = checked()
    assert well
    assert "cannot be revealed later" in lines[2]


def test_what_an_operator_tries_out_does_not_stop_the_portal(two_environments, settings):
    """Another address beside a portal at work, with which it shares Redis: the breaker is for its own calls."""
    settings.ZUPLO_API_URL = "http://127.0.0.1:9"
    assert not checked()[1]
    assert circuit_breaker.state() == circuit_breaker.State.WELL


def test_it_asks_although_the_portal_has_stopped_asking(sandbox):
    for _ in range(circuit_breaker.FAILURES_AT_MOST):
        circuit_breaker.record_failure()
    circuit_breaker.admit()  # the one call of these seconds
    assert checked()[1]
    assert circuit_breaker.is_open()
