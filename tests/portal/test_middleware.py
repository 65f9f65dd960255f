"""The order of middleware, each rule with its reason; and what answering early costs."""

import pytest
from django.conf import settings as portal_settings
from django.test import Client

LOG, HEADERS, SCREEN = "log_request", "response_headers", "screen_request"
STATIC, SESSION, LANGUAGE = "WhiteNoiseMiddleware", "SessionMiddleware", "LocaleMiddleware"
SECURITY, CSRF, USER = "SecurityMiddleware", "CsrfViewMiddleware", "AuthenticationMiddleware"
EXPIRE, MESSAGES, SUPPORT = "expire_sessions", "MessageMiddleware", "Impersonation"
STEP_UP, ALLAUTH, HTMX, PAGES = "RequireStepUp", "AccountMiddleware", "HtmxMiddleware", "ErrorPages"

ORDER = [
    (LOG, HEADERS, "whatever is refused further in has an id and a line in the log"),
    (HEADERS, SECURITY, "a redirect to https may not be stored either, and has the policy"),
    (SECURITY, SCREEN, "what is refused for its size has nosniff and HSTS like any page"),
    (SCREEN, SESSION, "a body is refused, and a key taken out of the URL, before that costs a session or is stored"),
    (SCREEN, LANGUAGE, "no redirect of Django's repeats a URL with a key in it"),
    (SCREEN, CSRF, "the body is refused unread; the token would be looked for in it"),
    (SCREEN, "CommonMiddleware", "no list of hosts can hold the addresses that probes ask by"),
    (STATIC, SESSION, "a file costs neither a session nor a query"),
    (SESSION, LANGUAGE, "Django asks for it"),
    (SESSION, MESSAGES, "messages are kept in the session"),
    (USER, EXPIRE, "it wraps the user that Django found"),
    (EXPIRE, SUPPORT, "a colleague whose session has expired looks at nobody's keys"),
    (MESSAGES, SUPPORT, "the end of a visit is told by a message"),
    (SUPPORT, STEP_UP, "what is shut to support is shut before a proof of the customer is asked for"),
    (EXPIRE, STEP_UP, "a session that has expired proves nothing"),
    (STEP_UP, ALLAUTH, "our rules are asked before allauth acts"),
    (ALLAUTH, PAGES, "a failure of Zuplo's is explained before allauth sees it; a 405 is a page by then"),
    (HTMX, PAGES, "an error is a notice for htmx, and a page for others"),
]


def place(name: str) -> int:
    (found,) = [number for number, path in enumerate(portal_settings.MIDDLEWARE) if path.endswith(f".{name}")]
    return found


@pytest.mark.parametrize(("outer", "inner", "why"), ORDER, ids=[f"{one}-{two}" for one, two, _why in ORDER])
def test_each_is_in_its_place(outer: str, inner: str, why: str) -> None:
    assert place(outer) < place(inner), why


def test_ours_are_few_and_each_has_a_reason_to_be_where_it_is() -> None:
    ours = {path.rpartition(".")[2] for path in portal_settings.MIDDLEWARE if path.startswith(("portal.", "keys."))}
    assert len(ours) <= 9  # of which two stand in for Django's: of the session and the CSRF token
    assert ours <= {name for outer, inner, _why in ORDER for name in (outer, inner)}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/healthz", "/static/keys/css/tokens.css", "/theme.css", "/icon.svg", "/"])
def test_what_is_the_same_for_all_opens_no_session(path, ann_client, client, django_assert_num_queries):
    """Nor does it ask for the user, of whoever has a cookie, unless the page names him."""
    with django_assert_num_queries(0):
        response = client.get(path, headers={"Host": "127.0.0.1"})
        b"".join(response)
    assert response.status_code == 200
    assert not response.cookies
    if path != "/":
        with django_assert_num_queries(0):
            response = ann_client.get(path)
            b"".join(response)


@pytest.mark.django_db
def test_a_probe_is_answered_whatever_name_it_asks_by(client: Client, settings):
    settings.ALLOWED_HOSTS = ["portal.example.com"]
    assert client.get("/healthz", headers={"Host": "10.0.0.7"}).status_code == 200
    assert client.get("/", headers={"Host": "10.0.0.7"}).status_code == 400


@pytest.mark.django_db
def test_a_refused_body_costs_no_session(ann_client: Client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert ann_client.post("/accounts/email/", {"email": "x" * 70_000}).status_code == 413


@pytest.mark.django_db
def test_a_key_in_a_url_is_taken_out_before_anything_repeats_it(ann_client: Client, django_assert_num_queries):
    """E2: also where the URL is no page, or one that Django would redirect."""
    key = "zpka_" + "ab" * 16 + "_" + "0123abcd"
    for path in ("/keys/", "/keys", "/nowhere", "/admin/"):
        with django_assert_num_queries(0):
            response = ann_client.get(f"{path}?find={key}")
        assert (response.status_code, response["Location"]) == (302, f"{path}?find=abcd"), path


@pytest.mark.django_db
def test_a_redirect_to_https_is_stored_nowhere(client: Client, settings):
    settings.SECURE_SSL_REDIRECT = True
    response = client.get("/keys/")
    assert response.status_code == 301
    assert response["Cache-Control"] == "no-store, no-transform"
    assert response["X-Request-ID"]


@pytest.mark.django_db
def test_a_forwarded_address_counts_as_far_as_proxies_are_trusted(client: Client, settings):
    """A10"""
    settings.TRUSTED_PROXY_COUNT = 1
    asked = client.get("/", headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.7"})
    assert asked.wsgi_request.META["REMOTE_ADDR"] == "198.51.100.7"
    settings.TRUSTED_PROXY_COUNT = 0
    asked = client.get("/", headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.7"})
    assert asked.wsgi_request.META["REMOTE_ADDR"] == "127.0.0.1"
