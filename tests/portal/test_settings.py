"""The portal starts with what it is given, or says in a sentence which value stops it."""

import base64
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = base64.b64encode(bytes(range(48))).decode()
PRODUCTION = {
    "ALLOWED_HOSTS": "portal.example.com",
    "SECRET_KEY": SECRET,
    "DATABASE_URL": "postgres://portal:secret@db.example.com:5432/portal",
    "EMAIL_URL": "smtp+tls://portal:secret@mail.example.com:587",
    "ZUPLO_ACCOUNT": "acme",
    "ZUPLO_BUCKET": "zprj-acme-production",
    "ZUPLO_API_KEY": "token-of-the-operator",
}


def python(*arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """Run Python in an environment that holds these variables and no others of the portal's."""
    given = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={"PATH": os.environ["PATH"]} | given, capture_output=True, text=True
    )


def manage(*arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
    return python("manage.py", *arguments, **environment)


def settings_of(**environment: str | None) -> dict[str, Any]:
    """The settings that come of these variables alone."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update({name: value for name, value in environment.items() if value is not None})
    try:
        return runpy.run_path(str(ROOT / "portal" / "settings.py"))
    finally:
        os.environ.clear()
        os.environ.update(before)


def refusal(**environment: str | None) -> str:
    with pytest.raises(ImproperlyConfigured) as refused:
        settings_of(**environment)
    return str(refused.value)


def test_a_development_machine_needs_nothing():
    done = manage("check")
    assert done.returncode == 0, done.stderr
    settings = settings_of()
    assert settings["DEBUG"] is True
    assert settings["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost", "[::1]"]
    assert settings["ZUPLO_API_URL"] == "http://127.0.0.1:8001"


def test_check_deploy_is_silent_in_production(tmp_path):
    """F7: with the settings as shipped."""
    code = (
        f"import pathlib; from portal import settings; settings.STATIC_ROOT = pathlib.Path({str(tmp_path)!r});"
        "from django.core.management import execute_from_command_line as run;"
        "run(['manage.py', 'check', '--deploy', '--fail-level=DEBUG'])"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "portal.settings"} | PRODUCTION
    before = python("-c", code, **environment)
    assert before.returncode == 1
    assert "portal.E003" in before.stderr
    (tmp_path / "staticfiles.json").write_text("{}")  # as collectstatic leaves it
    done = python("-c", code, **environment)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize("name", sorted(PRODUCTION.keys() - {"ALLOWED_HOSTS"}))
def test_production_has_no_default_for_what_matters(name):
    assert refusal(**PRODUCTION | {name: None}).startswith(f"{name} is not set.")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"SECRET_KEY": "too-short"}, "SECRET_KEY is weak."),
        ({"SECRET_KEY": "ab" * 40}, "SECRET_KEY is weak."),
        ({"SECRET_KEY": "django-insecure-" + SECRET}, "SECRET_KEY is weak."),
        ({"DEBUG": "1"}, "DEBUG is on and ALLOWED_HOSTS names a public host."),
        ({"DEBUG": "maybe"}, "DEBUG is 'maybe'. Use 1 or 0."),
        ({"DEBUG": "0", "ALLOWED_HOSTS": None}, "ALLOWED_HOSTS is not set."),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS is malformed."),
        ({"ALLOWED_HOSTS": ".example.com"}, "ALLOWED_HOSTS is malformed."),
        ({"ALLOWED_HOSTS": "https://portal.example.com"}, "ALLOWED_HOSTS is malformed."),
        ({"ALLOWED_HOSTS": "portal.example.com:443"}, "ALLOWED_HOSTS is malformed."),
        ({"CSRF_TRUSTED_ORIGINS": "portal.example.com"}, "CSRF_TRUSTED_ORIGINS is malformed."),
        ({"CSRF_TRUSTED_ORIGINS": "https://*.example.com"}, "CSRF_TRUSTED_ORIGINS is malformed."),
        ({"PORTAL_URL": "http://portal.example.com"}, "PORTAL_URL is not encrypted."),
        ({"PORTAL_URL": "https://other.example.com"}, "PORTAL_URL names a host that ALLOWED_HOSTS does not."),
        ({"PORTAL_URL": "https://portal.example.com/keys"}, "PORTAL_URL holds more than a host."),
        ({"ZUPLO_BUCKETS": "production:zprj-a"}, "ZUPLO_BUCKET and ZUPLO_BUCKETS are both set."),
        ({"ZUPLO_BUCKET": "zprj/../other"}, "ZUPLO_BUCKET is malformed."),
        ({"ZUPLO_ACCOUNT": "acme inc"}, "ZUPLO_ACCOUNT is malformed."),
        ({"ZUPLO_API_KEY": "two words"}, "ZUPLO_API_KEY is malformed."),
        ({"ZUPLO_API_URL": "http://dev.example.com"}, "ZUPLO_API_URL is not encrypted."),
        ({"ZUPLO_API_URL": "dev.example.com"}, "ZUPLO_API_URL is no web address."),
        ({"ZUPLO_API_URL": "https://user@dev.example.com"}, "ZUPLO_API_URL is no web address."),
        ({"PORTAL_SUPPORT_URL": "javascript:alert(1)"}, "PORTAL_SUPPORT_URL is no web address."),
        ({"PORTAL_DOCS_URL": "docs"}, "PORTAL_DOCS_URL is no web address."),
        ({"PORTAL_LOGO_URL": "//evil.test/logo.svg"}, "PORTAL_LOGO_URL is no web address."),
        ({"PORTAL_LOGO_URL": "http://cdn.example.com/logo.svg"}, "PORTAL_LOGO_URL is not encrypted."),
        ({"PORTAL_NAME": "a\nb"}, "PORTAL_NAME is malformed."),
        ({"PORTAL_ACCENT": "red;}"}, "PORTAL_ACCENT is malformed."),
        ({"GATEWAY_URL": "https://api.example.com:port"}, "GATEWAY_URL is no web address."),
        ({"GATEWAY_URL": "http://api.example.com"}, "GATEWAY_URL is not encrypted."),
        ({"GATEWAY_URL": 'https://api.example.com/";rm'}, "GATEWAY_URL is malformed."),
        ({"GATEWAY_TEST_PATH": "/v1/hello"}, "GATEWAY_TEST_PATH must begin with / and needs GATEWAY_URL."),
        (
            {"GATEWAY_TEST_PATH": "v1", "GATEWAY_URL": "https://api.example.com"},
            "GATEWAY_TEST_PATH must begin with / and needs GATEWAY_URL.",
        ),
        ({"GATEWAY_TEST_PATH": "/$(id)"}, "GATEWAY_TEST_PATH is malformed."),
        ({"GATEWAY_TEST_PATH": "/v1/pages[1]"}, "GATEWAY_TEST_PATH is malformed."),
        ({"GATEWAY_HEADER": "X-Key: a\nb"}, "GATEWAY_HEADER is malformed."),
        ({"GATEWAY_HEADER": 'X-Key: "'}, "GATEWAY_HEADER is malformed."),
        ({"GATEWAY_HEADER": "Authorization: bearer"}, "GATEWAY_HEADER must say Bearer with a capital B"),
        ({"GATEWAY_HEADER": "X-Token: BEARER"}, "GATEWAY_HEADER must say Bearer with a capital B"),
        ({"GATEWAY_CACHE_SECONDS": "a minute"}, "GATEWAY_CACHE_SECONDS is 'a minute'."),
        ({"PLANS_URL": "/plans/"}, "PLANS_URL is no web address."),
        ({"DATABASE_URL": "mysql://db/portal"}, "DATABASE_URL must begin with one of"),
        ({"DATABASE_URL": "sqlite://"}, "DATABASE_URL names no file."),
        ({"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL names no file."),
        ({"DATABASE_URL": "sqlite:////no/such/portal.sqlite3"}, "DATABASE_URL names a file in a folder where"),
        ({"DATABASE_URL": "postgres://u:p@host:port/db"}, "DATABASE_URL is malformed"),
        ({"DATABASE_URL": "postgres://u:p@host"}, "DATABASE_URL names no database."),
        ({"REDIS_URL": "memcached://cache"}, "REDIS_URL must begin with one of"),
        ({"REDIS_URL": "redis://cache:port/0"}, "REDIS_URL is malformed"),
        ({"EMAIL_URL": "terminal://"}, "EMAIL_URL must begin with one of"),
        ({"EMAIL_URL": "smtp://"}, "EMAIL_URL names no host."),
        ({"DEFAULT_FROM_EMAIL": "The Portal"}, "DEFAULT_FROM_EMAIL must read like"),
        ({"KEYS_PER_CONSUMER": "0"}, "KEYS_PER_CONSUMER is '0'."),
        ({"KEYS_REMINDER_DAYS": "30,0"}, "KEYS_REMINDER_DAYS is malformed."),
        ({"KEYS_REMINDER_DAYS": "30 7"}, "KEYS_REMINDER_DAYS is malformed."),
        ({"KEYS_REMINDER_CALLS_PER_SECOND": "0"}, "KEYS_REMINDER_CALLS_PER_SECOND is '0'."),
        ({"KEYS_FORMAT": "acme_(["}, "KEYS_FORMAT is no regular expression."),
        ({"KEYS_FORMAT": "acme|[a-z0-9]*"}, "KEYS_FORMAT finds a key in ordinary words."),
        ({"SESSION_HOURS": "1.5"}, "SESSION_HOURS is '1.5'."),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL must be one of"),
        ({"ZUPLO_API_URL": "http://127.0.0.1:8001"}, "ZUPLO_API_URL is a sandbox on this machine."),
        ({"ZUPLO_API_URL": "https://localhost:8001"}, "ZUPLO_API_URL is a sandbox on this machine."),
        ({"ZUPLO_API_KEY": "sandbox-token"}, "ZUPLO_API_KEY is the sandbox's."),
        ({"SECRET_KEY_FALLBACKS": f"{SECRET},too-short"}, "SECRET_KEY_FALLBACKS is weak."),
        ({"CSRF_TRUSTED_ORIGINS": "http://www.example.com"}, "CSRF_TRUSTED_ORIGINS is malformed."),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT must be lines or json."),
        ({"METRICS_TOKEN": "short"}, "METRICS_TOKEN is malformed."),
        ({"PROMETHEUS_MULTIPROC_DIR": "/no/such"}, "PROMETHEUS_MULTIPROC_DIR names no folder"),
        ({"SENTRY_DSN": "https://sentry.example.com/1"}, "SENTRY_DSN is malformed."),
        ({"WEB_CONCURRENCY": "2"}, "WEB_CONCURRENCY needs REDIS_URL"),
    ],
    ids=lambda value: ",".join(f"{name}={words}" for name, words in value.items()) if isinstance(value, dict) else "",
)
def test_a_wrong_or_contradictory_value_stops_the_start(wrong, sentence):
    assert refusal(**PRODUCTION | wrong).startswith(sentence)


def test_each_refusal_of_something_dangerous_says_the_cure():
    for wrong, cure in [
        ({"SECRET_KEY": "too-short"}, "Use at least 50 random characters."),
        ({"DEBUG": "1"}, "Set DEBUG=0."),
        ({"PORTAL_URL": "http://portal.example.com"}, "Use https;"),
        ({"ZUPLO_API_URL": "http://127.0.0.1:8001"}, "Leave it out, or name 127.0.0.1 alone in ALLOWED_HOSTS."),
        ({"ZUPLO_API_KEY": "sandbox-token"}, "Set an API key of your Zuplo account."),
        ({"WEB_CONCURRENCY": "2"}, "Set REDIS_URL, or one process."),
    ]:
        assert cure in refusal(**PRODUCTION | wrong)


def test_all_that_is_wrong_is_told_at_once():
    """A line for each variable, and for none of them two."""
    wrong = {
        "DEBUG": "1",
        "SECRET_KEY": None,
        "PORTAL_URL": "http://portal.example.com",
        "ZUPLO_API_URL": "http://127.0.0.1:8001",
        "ZUPLO_API_KEY": "sandbox-token",
        "DATABASE_URL": "nonsense",
        "EMAIL_URL": None,
        "SESSION_HOURS": "many",
        "STEP_UP_MINUTES_FILE": "/no/such/file",
        "WEB_CONCURRENCY": "3",
    }
    lines = refusal(**PRODUCTION | wrong).splitlines()
    assert sorted(line.split()[0] for line in lines) == sorted(wrong)
    settings_of(**PRODUCTION)  # nothing of it is kept


def test_production_may_be_rehearsed_on_one_machine_with_the_sandbox():
    rehearsal = {"ALLOWED_HOSTS": "127.0.0.1", "DEBUG": "0", "ZUPLO_API_URL": "http://127.0.0.1:8001"}
    assert settings_of(**PRODUCTION | rehearsal)["ZUPLO_API_URL"] == "http://127.0.0.1:8001"


def test_only_in_debug_mode_a_sandbox_elsewhere_is_reached_by_plain_http():
    """As compose.demo.yaml does; production is refused above."""
    zuplo = {"ZUPLO_ACCOUNT": "acme-account", "ZUPLO_BUCKET": "zprj-demo", "ZUPLO_API_KEY": "sandbox-token"}
    assert settings_of(DEBUG="1", ZUPLO_API_URL="http://sandbox:8001", **zuplo)["DEBUG"]


@pytest.mark.parametrize("told", [{"WEB_CONCURRENCY": "3"}, {"GUNICORN_CMD_ARGS": "--workers=3"}])
def test_gunicorn_starts_no_second_process_on_memory_of_its_own(told, tmp_path):
    """However it was told to: the sentence is the settings' own."""
    stores = {"DATABASE_URL": f"sqlite:///{tmp_path / 'portal.sqlite3'}", "BIND": f"unix:{tmp_path / 'socket'}"}
    done = python("-m", "gunicorn", "--config", "gunicorn.conf.py", **PRODUCTION | stores | told)
    assert done.returncode != 0
    assert "WEB_CONCURRENCY needs REDIS_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_sentence_is_all_that_the_operator_reads(tmp_path):
    sentence = "SECRET_KEY is weak. Use at least 50 random characters."
    told = PRODUCTION | {"SECRET_KEY": "weak", "BIND": f"unix:{tmp_path / 'socket'}"}
    assert manage("check", **told).stderr.strip() == sentence
    assert manage("migrate", **told).stderr.strip() == sentence
    _, *lines = python("-m", "gunicorn", "--config", "gunicorn.conf.py", **told).stderr.splitlines()
    assert lines == [sentence, "The portal does not start."]
    assert not (tmp_path / "socket").exists()


def test_gunicorns_own_numbers_are_looked_at():
    done = python("-m", "gunicorn", "--config", "gunicorn.conf.py", **PRODUCTION, CONNECTIONS="many")
    assert done.returncode == 1
    assert done.stderr.strip() == "CONNECTIONS is 'many'. Use a whole number from 1."


def test_gunicorn_is_in_debug_mode_only_if_that_was_said(tmp_path):
    told = {"DEBUG": "", "ALLOWED_HOSTS": "", "BIND": f"unix:{tmp_path / 'socket'}"}
    done = python("-m", "gunicorn", "--config", "gunicorn.conf.py", **told)
    assert done.returncode == 1
    assert "ALLOWED_HOSTS is not set." in done.stderr


@pytest.mark.parametrize(
    "value",
    [
        "production",
        "production:",
        ":bucket",
        "Production:b",
        "a:b,a:c",
        "activity:b",
        "reminders:b",
        "a/b:c",
        f"{'e' * 33}:b",
        "a:b/c",
    ],
)
def test_environments_are_pairs_of_names_that_fit_into_addresses(value):
    assert refusal(**PRODUCTION | {"ZUPLO_BUCKET": None, "ZUPLO_BUCKETS": value}).startswith("ZUPLO_BUCKETS ")


def test_environments_keep_their_order():
    given = {"ZUPLO_BUCKET": None, "ZUPLO_BUCKETS": "live:zprj-x, preview:zprj-y"}
    assert list(settings_of(**PRODUCTION | given)["ZUPLO_BUCKETS"].items()) == [
        ("live", "zprj-x"),
        ("preview", "zprj-y"),
    ]


@pytest.mark.parametrize(
    ("path", "module", "code"), [("nowhere.Rules", "nowhere", "E005"), ("keys.types.Consumer", "", "E006")]
)
def test_provisioning_must_be_there_and_of_the_right_kind(path, module, code):
    done = manage("check", KEYS_PROVISIONING=path)
    assert done.returncode == 1
    assert f"keys.{code}" in done.stderr
    assert path in done.stderr


def test_a_secret_may_come_from_a_file_whatever_stands_in_it(tmp_path):
    """E6: so it can be replaced without a change of code."""
    file = tmp_path / "secret"
    file.write_text("$starts-with-a-dollar\n")
    settings = settings_of(**PRODUCTION | {"ZUPLO_API_KEY": None, "ZUPLO_API_KEY_FILE": str(file)})
    assert settings["ZUPLO_API_KEY"] == "$starts-with-a-dollar"


def test_a_secret_file_that_does_not_help_is_named(tmp_path):
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for path, words in ((tmp_path / "absent", "cannot be read"), (tmp_path, "cannot be read"), (empty, "is empty")):
        sentence = refusal(**PRODUCTION | {"SECRET_KEY": None, "SECRET_KEY_FILE": str(path)})
        assert sentence == f"SECRET_KEY_FILE names {path}, which {words}."
    both = refusal(**PRODUCTION | {"SECRET_KEY_FILE": str(empty)})
    assert both == "SECRET_KEY and SECRET_KEY_FILE are both set. Keep one of them."


def test_values_are_taken_as_they_stand():
    given = {
        "SECRET_KEY": "$" + SECRET,
        "DATABASE_URL": "postgres://portal:$ecret%2Fword@db.example.com:5433/portal?sslmode=require",
        "EMAIL_URL": "smtp+tls://portal:$ecret%40@mail.example.com:587",
    }
    settings = settings_of(**PRODUCTION | given)
    assert settings["SECRET_KEY"] == "$" + SECRET
    assert settings["DATABASES"]["default"]["PASSWORD"] == "$ecret/word"
    assert settings["DATABASES"]["default"]["OPTIONS"]["sslmode"] == "require"
    assert settings["EMAIL_HOST_PASSWORD"] == "$ecret@"
    assert settings["EMAIL_PORT"] == 587
    assert settings["EMAIL_USE_TLS"] is True


def test_no_address_of_a_database_makes_each_request_a_transaction():
    """A refused visit, rolled back with its request, would not be in the audit log."""
    url = PRODUCTION["DATABASE_URL"] + "?atomic_requests=true&sslmode=require"
    database = settings_of(**PRODUCTION | {"DATABASE_URL": url})["DATABASES"]["default"]
    assert (database["ATOMIC_REQUESTS"], database["OPTIONS"]["sslmode"]) == (False, "require")


@pytest.mark.parametrize(
    "name",
    ["SECRET_KEY", "SECRET_KEY_FALLBACKS", "ZUPLO_API_KEY", "DATABASE_URL", "REDIS_URL", "EMAIL_URL", "SENTRY_DSN"],
)
def test_no_sentence_repeats_a_secret(name):
    sentence = refusal(**PRODUCTION | {name: "my own secret"})
    assert name in sentence
    assert "own" not in sentence


def test_the_policy_lets_the_operators_logo_in_and_nothing_else():
    settings = settings_of(**PRODUCTION | {"PORTAL_LOGO_URL": "https://cdn.example.com/a/logo.svg"})
    directives = settings["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]
    assert directives["img-src"] == ["'self'", "data:", "https://cdn.example.com"]
    assert settings_of(**PRODUCTION | {"PORTAL_LOGO_URL": "/static/logo.svg"})["PORTAL_LOGO_URL"] == "/static/logo.svg"


def test_mails_come_from_the_portals_own_host_unless_told_otherwise():
    assert settings_of(**PRODUCTION | {"PORTAL_NAME": "Acme, Inc."})["DEFAULT_FROM_EMAIL"] == (
        '"Acme, Inc." <portal@portal.example.com>'
    )


def test_a_web_server_never_starts_in_debug_mode_by_itself():
    done = python("-c", "import portal.wsgi")
    assert done.returncode == 1
    assert "ALLOWED_HOSTS is not set." in done.stderr


def test_a_web_server_does_not_start_on_what_the_checks_find():
    done = python("-c", "import portal.wsgi", DEBUG="1", KEYS_PROVISIONING="nowhere.Rules")
    assert done.returncode == 1
    assert "keys.E005" in done.stderr


def test_only_a_trusted_proxy_says_that_a_request_was_encrypted():
    """F7, A10: what a client claims of the scheme is not believed."""
    assert "SECURE_PROXY_SSL_HEADER" not in settings_of(**PRODUCTION)
    believed = settings_of(**PRODUCTION, TRUSTED_PROXY_COUNT="1")["SECURE_PROXY_SSL_HEADER"]
    assert believed == ("HTTP_X_FORWARDED_PROTO", "https")


def test_other_hosts_of_the_operator_are_told_to_use_https_only_if_that_was_chosen():
    keys = ("SECURE_HSTS_SECONDS", "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD")

    def told(**more: str) -> list[Any]:
        settings = settings_of(**PRODUCTION | more)
        return [settings[key] for key in keys]

    year = 60 * 60 * 24 * 365
    assert told() == [year, False, False]
    assert told(HSTS_SUBDOMAINS="1") == [year, True, False]
    assert told(HSTS_SUBDOMAINS="1", HSTS_PRELOAD="1") == [year, True, True]
    assert "HSTS_PRELOAD needs HSTS_SUBDOMAINS=1" in refusal(**PRODUCTION, HSTS_PRELOAD="1")


def test_the_usual_port_in_portal_url_is_left_out_as_browsers_do():
    assert settings_of(**PRODUCTION, PORTAL_URL="https://portal.example.com:443")["PORTAL_URL"] == (
        "https://portal.example.com"
    )
    kept = settings_of(**PRODUCTION, PORTAL_URL="https://portal.example.com:8443")["PORTAL_URL"]
    assert kept == "https://portal.example.com:8443"
