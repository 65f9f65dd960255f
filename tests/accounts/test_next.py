"""Open redirects: `next` leads to a page of this site, from every form that takes it."""

from urllib.parse import urlsplit

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.cache import cache
from django.test import Client

from tests.helpers.people import CONFIRM, LOGIN, SIGNUP, STEP_UP, STEP_UP_CODE, last_code, passes

pytestmark = pytest.mark.django_db

PASSWORD, NEW = "open-sesame-9", "another-one-99"
BAD = ["https://evil.test/", "//evil.test/", "/\\evil.test", "http://second.test/x", "javascript:alert('evil.test')"]
AWAY = [  # what is done first, and then with `next`; {code} is the last one that was mailed
    ((), LOGIN, {"login": "ann@acme.test"}),
    ((), LOGIN, {"login": "ann@acme.test", "password": PASSWORD}),
    (((LOGIN, {"login": "ann@acme.test"}),), CONFIRM, {"code": "{code}"}),
    ((), "/accounts/login/code/", {"email": "ann@acme.test"}),
    ((), SIGNUP, {"email": "new@startup.test"}),
    (((SIGNUP, {"email": "new@startup.test"}),), CONFIRM, {"code": "{code}"}),
    ((), "/accounts/password/reset/", {"email": "ann@acme.test"}),
    (
        (("/accounts/password/reset/", {"email": "ann@acme.test"}),),
        "/accounts/password/reset/confirm/",
        {"code": "{code}"},
    ),
    ((), "/accounts/2fa/webauthn/login/", {"credential": "{}"}),
    ((), "/language/", {"language": "de"}),
]
HERE = [
    ((), "/accounts/logout/", {}),
    ((), STEP_UP_CODE, {"action": "send"}),
    ((), "/accounts/reauthenticate/", {"password": PASSWORD}),
    ((), "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}),
    ((), "/accounts/3rdparty/", {}),
    ((), "/accounts/email/", {"action_add": "", "email": "ann@home.test"}),
    ((), "/accounts/sessions/", {}),
]


@pytest.mark.parametrize("target", BAD)
@pytest.mark.parametrize(
    ("is_here", "first", "path", "entry"), [(0, *one) for one in AWAY] + [(1, *one) for one in HERE]
)
def test_every_form_that_takes_next_keeps_it_on_the_site(ann, client_of, settings, target, is_here, first, path, entry):
    """F5: in the address and as a field."""
    settings.ALLOWED_HOSTS = ["testserver", "second.test"]
    ann.set_password(PASSWORD)
    ann.save()
    browser = client_of(ann if is_here else None)
    for start, fields in first:
        browser.post(start, fields)
    code = last_code() if first else ""
    assert stays(browser.get(path, {"next": target}))
    cache.clear()
    fields = {name: value.replace("{code}", code) for name, value in entry.items()} | {"next": target}
    answer = browser.post(f"{path}?next={target}", fields)
    assert answer.status_code in {200, 302, 303, 404}
    assert stays(answer)


def stays(answer) -> bool:
    target = urlsplit(answer.headers.get("Location", ""))
    return not target.netloc and not target.scheme and "\\" not in target.path


@pytest.mark.parametrize("target", BAD)
def test_a_proof_by_an_app_keeps_next_on_the_site(ann, client_of, target):
    """F5"""
    TOTP.activate(ann, generate_totp_secret())
    browser: Client = client_of(ann)
    passes(browser, proof=999)
    for path in (STEP_UP, "/accounts/2fa/reauthenticate/"):
        assert stays(browser.get(path, {"next": target}))
