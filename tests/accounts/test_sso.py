"""Signing in by a company's own provider: whom it lets in, what it is believed, and what it can never open."""

import http.server
import threading
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from bs4 import BeautifulSoup
from django.core import mail
from django.core.cache import cache
from django.test import Client

from portal.models import User
from tests.helpers.oidc_provider import LOGIN, Provider, settings_for
from tests.helpers.people import CONFIRM, PROVE, SIGNUP, last_code, passes, sign_in, signed_in_as
from tests.helpers.people import LOGIN as SIGN_IN
from tests.helpers.verbs import acme

pytestmark = pytest.mark.django_db

NOT_TRUE = [("absent", ...), ("false", False), ("the word true", "true"), ("the word false", "false"), ("null", None)]
NOT_TRUE += [("one", 1), ("a list", [True])]


def claims(email: str, verified: object = True) -> dict[str, object]:
    return {"email": email} | ({} if verified is ... else {"email_verified": verified})


# Whom it lets in


def test_a_vouched_address_makes_an_account_and_shows_its_keys(provider, client, sandbox):
    acme(sandbox)
    provider.knows("42", **claims("ann@acme.test"), name="Ann Example")
    done = provider.lets_in(client, "42", next="/keys/production/")
    assert done.headers["Location"] == "/keys/production/"
    assert signed_in_as(client) == "ann@acme.test"
    assert 'data-consumer="acme"' in client.get("/keys/").text
    assert EmailAddress.objects.get().verified
    user = User.objects.get()
    assert not user.has_usable_password()
    assert (user.first_name, user.last_name) == ("", "")
    assert SocialAccount.objects.get().extra_data == {"email": "ann@acme.test", "vouched": True}
    assert mail.outbox == []


def test_the_same_person_comes_back_to_the_same_account(provider, client):
    provider.knows("42", **claims("ann@acme.test"))
    provider.lets_in(client, "42")
    provider.lets_in(Client(), "42")
    assert User.objects.count() == 1


@pytest.mark.parametrize("verified", [value for _name, value in NOT_TRUE], ids=[name for name, _value in NOT_TRUE])
def test_only_the_value_true_counts_anything_else_leads_to_a_code(provider, client, sandbox, verified):
    """A6, A1: an address that the provider does not vouch for gives nothing until it is proved by code."""
    acme(sandbox)
    provider.knows("42", **claims("ann@acme.test", verified))
    answer = provider.lets_in(client, "42")
    assert answer.headers["Location"] == PROVE
    assert signed_in_as(client) is None
    assert not EmailAddress.objects.filter(verified=True).exists()
    assert mail.outbox[-1].to == ["ann@acme.test"]
    client.post(PROVE, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"
    assert 'data-consumer="acme"' in client.get("/keys/").text


def test_what_is_vouched_for_later_is_believed_then(provider, client):
    provider.knows("42", **claims("ann@acme.test", False))
    provider.lets_in(client, "42")
    cache.clear()
    provider.knows("42", **claims("ann@acme.test"))
    browser = Client()
    provider.lets_in(browser, "42")
    assert signed_in_as(browser) == "ann@acme.test"
    assert EmailAddress.objects.get().verified


def test_what_is_vouched_for_later_is_that_address_and_no_other(provider, client):
    """A6: whoever came with somebody else's address and comes back with an own one has proved the own one."""
    provider.knows("66", **claims("victim@acme.test", False))
    provider.lets_in(client, "66")
    cache.clear()
    provider.knows("66", **claims("mallory@evil.test"))
    stranger = Client()
    assert provider.lets_in(stranger, "66").headers["Location"] == PROVE
    assert signed_in_as(stranger) is None
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_without_an_address_the_person_is_asked_for_one_and_proves_it(provider, client):
    provider.knows("42", name="Ann Example")
    assert provider.lets_in(client, "42").headers["Location"] == "/accounts/3rdparty/signup/"
    assert "give us an address" in client.get("/accounts/3rdparty/signup/").text
    assert client.post("/accounts/3rdparty/signup/", {"email": "ann@acme.test"}).headers["Location"] == PROVE
    assert signed_in_as(client) is None
    client.post(PROVE, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"


def test_a_second_factor_is_asked_for_here_too(provider, client):
    provider.knows("42", **claims("ann@acme.test"))
    provider.lets_in(Client(), "42")
    TOTP.activate(User.objects.get(), generate_totp_secret())
    assert provider.lets_in(client, "42").headers["Location"] == "/accounts/2fa/authenticate/"
    assert signed_in_as(client) is None


def test_a_disabled_account_stays_closed(provider, client):
    provider.knows("42", **claims("ann@acme.test"))
    provider.lets_in(Client(), "42")
    User.objects.update(is_active=False)
    assert provider.lets_in(client, "42").headers["Location"] == "/accounts/inactive/"
    assert signed_in_as(client) is None


# What it can never open


def test_an_account_that_is_there_is_opened_by_its_own_proof_only_and_joined_then(provider, client, ann):
    """A6: the provider's word does not do; a code to the account's own address does, once."""
    provider.knows("42", **claims("ann@acme.test"))
    answer = provider.lets_in(client, "42", next="/keys/preview/")
    assert answer.headers["Location"].startswith(CONFIRM)
    told = "You already have an account with ann@acme.test. Enter the code once to connect it to Acme account."
    assert told in client.get(CONFIRM).text
    assert told in client.get(CONFIRM).text  # until it is done
    assert signed_in_as(client) is None
    assert not SocialAccount.objects.exists()
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"
    assert SocialAccount.objects.get().user == ann
    assert "Acme account" in mail.outbox[-2].subject + mail.outbox[-1].subject
    browser = Client()
    provider.lets_in(browser, "42")
    assert signed_in_as(browser) == "ann@acme.test"
    assert User.objects.count() == 1


@pytest.mark.parametrize("verified", [value for _name, value in NOT_TRUE], ids=[name for name, _value in NOT_TRUE])
def test_an_unproved_address_never_meets_the_account_that_has_it(provider, client, ann, verified):
    """A6: and nothing on the way tells whether there is one."""
    provider.knows("66", **claims("ann@acme.test", verified))
    provider.knows("67", **claims("nobody@acme.test", verified))
    known, unknown = provider.lets_in(client, "66"), provider.lets_in(Client(), "67")
    assert known.headers["Location"] == unknown.headers["Location"] == PROVE
    assert signed_in_as(client) is None
    assert not SocialAccount.objects.filter(user=ann).exists()
    assert mail.outbox[0].to == ["ann@acme.test"]
    assert "You already have one" in mail.outbox[0].body


def test_what_waits_is_joined_only_with_an_account_that_has_the_address(provider, client, ann, ben):
    """A6: somebody else who signs in meanwhile in this browser is not joined with it."""
    provider.knows("42", **claims("ann@acme.test"))
    provider.lets_in(client, "42")
    client.post("/accounts/logout/")  # "Use another address"
    cache.clear()
    client.post(SIGN_IN, {"login": "ben@acme.test"})
    assert "connect it to" not in client.get(CONFIRM).text
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "ben@acme.test"
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize("who", ["ann@acme.test", "ben@acme.test"])
def test_whoever_is_signed_in_already_proves_the_account_that_is_there_too(provider, ann, ben, client, who):
    """A6: and is joined with it, instead of being left with a mail that leads nowhere."""
    sign_in(client, who)
    cache.clear()
    provider.knows("42", **claims("ann@acme.test"))
    assert provider.lets_in(client, "42").headers["Location"].startswith(CONFIRM)
    assert signed_in_as(client) is None
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "ann@acme.test"
    assert SocialAccount.objects.get().user == ann


def test_a_strangers_account_of_an_unproved_address_is_taken_from_him(provider, client):
    """A6, A2: the family of pre-hijacking by a provider that vouches for nothing."""
    stranger = Client()
    provider.knows("66", **claims("victim@acme.test", False))
    provider.lets_in(stranger, "66")
    assert SocialAccount.objects.filter(uid="66").exists()
    cache.clear()
    sign_in(client, "victim@acme.test")
    assert signed_in_as(client) == "victim@acme.test"
    assert not SocialAccount.objects.exists()
    cache.clear()
    provider.lets_in(stranger, "66")
    stranger.post(PROVE, {"code": last_code()})
    assert signed_in_as(stranger) is None


def test_whoever_signed_up_with_the_address_does_not_keep_the_vouched_one_out(provider, client):
    """A6: the owner proves it once by code; then both are joined, and the stranger has nothing."""
    stranger = Client()
    stranger.post(SIGNUP, {"email": "victim@acme.test"})
    cache.clear()
    provider.knows("42", **claims("victim@acme.test"))
    provider.lets_in(client, "42")
    client.post(CONFIRM, {"code": last_code()})
    assert signed_in_as(client) == "victim@acme.test"
    assert SocialAccount.objects.get().uid == "42"
    stranger.post(CONFIRM, {"code": "ABCD-EFGH"})
    assert signed_in_as(stranger) is None


def test_another_account_there_with_a_look_alike_address_opens_nothing(provider, client, ann, sandbox):
    """A4: only the case of ASCII letters is the same."""
    acme(sandbox)
    for sub, address in (("1", "ann@acme\u3002test"), ("2", "ann@acme.tes\u0074\u0301"), ("3", "\u0430nn@acme.test")):
        provider.knows(sub, **claims(address))
        browser = Client()
        provider.lets_in(browser, sub)
        assert 'data-consumer="acme"' not in browser.get("/keys/", follow=True).text
        assert signed_in_as(browser) != "ann@acme.test"
        cache.clear()


KELVIN = "\N{KELVIN SIGN}"


def test_a_vouched_look_alike_that_allauth_reads_as_another_address_proves_nothing(provider, client, sandbox):
    """A4, A6: the small form of a Kelvin sign is a k; whose the address with a k is, only a code can tell."""
    sandbox.add_consumer("acme", label="Acme", managers=["kate@acme.test"])
    provider.knows("66", **claims(f"{KELVIN}ate@acme.test"))
    assert provider.lets_in(client, "66").headers["Location"] == PROVE
    assert signed_in_as(client) is None
    assert mail.outbox[-1].to == ["kate@acme.test"]
    assert 'data-consumer="acme"' not in client.get("/keys/", follow=True).text
    assert not EmailAddress.objects.filter(verified=True).exists()


def test_capital_letters_are_the_same_address(provider, client):
    """A4"""
    provider.knows("42", **claims("Kate@ACME.test"))
    provider.lets_in(client, "42")
    assert signed_in_as(client) == "kate@acme.test"


def test_the_way_back_works_once_and_in_its_own_browser_only(provider, client):
    """A2, B1: a stolen or planted callback lets nobody in."""
    provider.knows("42", **claims("ann@acme.test"))
    back = provider.way_back(client, "42")
    stranger = Client()
    assert stranger.get(back).status_code == 401
    assert signed_in_as(stranger) is None
    client.get(back)
    assert signed_in_as(client) == "ann@acme.test"
    assert Client().get(back).status_code == 401


# The way there


def test_a_button_leads_there_by_a_page_with_all_that_protects_the_way(provider, client):
    page = BeautifulSoup(client.get("/accounts/login/?next=/keys/preview/").text, "html.parser")
    (form,) = [one for one in page.find_all("form") if "Continue with Acme account" in one.text]
    leaving = client.post(form["action"])
    assert leaving.status_code == 200
    assert "no-store" in leaving["Cache-Control"]
    target = BeautifulSoup(leaving.text, "html.parser").select_one("main a.button")["href"]
    assert target.startswith(provider.issuer)
    query = parse_qs(urlsplit(target).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == ["http://testserver/accounts/oidc/acme/login/callback/"]
    assert query["state"]
    assert "secret" not in target.partition("?")[2].replace("client_secret", "")
    assert f'content="0; url={target.split("?")[0]}' in leaving.text
    assert client.get(LOGIN).status_code == 200  # by address: a page with a button, no redirect
    assert provider.issuer not in client.get(LOGIN).text


def test_next_is_no_way_to_another_host(provider, client, ann, settings):
    """F5: not to another name of this site either, by no way in."""
    settings.ALLOWED_HOSTS = ["testserver", "second.test"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://third.test"]
    ann.set_password("open-sesame")
    ann.save()
    provider.knows("42", **claims("new@acme.test"))
    for target in ("http://second.test/x", "https://third.test/", "//second.test/", "https://evil.test/"):
        entry = {"login": "ann@acme.test", "password": "open-sesame", "next": target}
        assert client.post(SIGN_IN, entry).headers["Location"] == "/keys/"
        client.post("/accounts/logout/")
        assert provider.lets_in(client, "42", next=target).headers["Location"] == "/keys/"
        client.post("/accounts/logout/")
        cache.clear()


def test_turning_back_there_is_no_error(provider, client):
    leaving = client.post(LOGIN)
    target = BeautifulSoup(leaving.text, "html.parser").select_one("main a.button")["href"]
    state = parse_qs(urlsplit(target).query)["state"][0]
    answer = client.get(f"/accounts/oidc/acme/login/callback/?state={state}&error=access_denied", follow=True)
    assert answer.status_code == 200
    assert "You cancelled" in answer.text


class Nonsense(http.server.BaseHTTPRequestHandler):
    answers: dict[str, tuple[int, bytes]] = {}

    def do_GET(self) -> None:
        status, body = self.answers.get("any", (500, b"oh"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        pass


@pytest.mark.parametrize(
    "answer", [(500, b"oh"), (200, b"<html>"), (200, b"[]"), (200, b"{}"), (200, b'{"authorization_endpoint": 7}')]
)
def test_a_broken_provider_is_explained(client, settings, answer):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nonsense) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        Nonsense.answers["any"] = answer
        settings.SOCIALACCOUNT_PROVIDERS = settings_for(Provider(f"http://127.0.0.1:{server.server_port}"))
        client.raise_request_exception = False
        said = client.post(LOGIN)
        server.shutdown()
    assert said.status_code in {200, 502}
    assert said.status_code == 502 or "Continue" in said.text
    assert client.get("/accounts/login/").status_code == 200


def test_a_dead_provider_is_explained(client, settings):
    settings.SOCIALACCOUNT_PROVIDERS = settings_for(Provider("http://127.0.0.1:9"))
    answer = client.post(LOGIN)
    assert answer.status_code == 502
    assert "Sign-in failed" in answer.text
    assert answer["X-Request-ID"] in answer.text


@pytest.mark.parametrize(
    "path", ["oidc/other/login/", "google/login/", "github/login/callback/", "google/login/token/", "oidc/acme/login/"]
)
def test_a_provider_that_nobody_set_up_is_not_there(client, path):
    assert client.get(f"/accounts/{path}").status_code == 404
    assert client.post(f"/accounts/{path}").status_code == 404


# Connections


def test_a_provider_is_connected_after_a_fresh_proof_and_taken_off_again(provider, ann, client):
    sign_in(client, "ann@acme.test")
    cache.clear()
    provider.knows("42", **claims("ann.private@home.test"))
    passes(client, proof=16)
    start = f"{LOGIN}?process=connect"
    assert client.post(start).headers["Location"] == "/accounts/step-up/?next=%2Faccounts%2F3rdparty%2F"
    passes(client, proof=-16)
    assert "Connect Acme account" in client.get("/accounts/3rdparty/").text
    provider.lets_in(client, "42", start=start)
    account = SocialAccount.objects.get()
    assert account.user == ann
    assert list(EmailAddress.objects.values_list("email", flat=True)) == ["ann@acme.test"]
    assert "Disconnect" in client.get("/accounts/3rdparty/").text
    browser = Client()
    provider.lets_in(browser, "42")
    assert signed_in_as(browser) == "ann@acme.test"
    client.post("/accounts/3rdparty/", {"account": account.pk})
    assert not SocialAccount.objects.exists()
    assert "was disconnected from your" in mail.outbox[-1].subject


def test_taking_a_provider_off_ends_the_sessions_that_it_has_opened(provider, ann, client):
    """A8, B2"""
    sign_in(client, "ann@acme.test")
    provider.knows("42", **claims("ann@acme.test"))
    provider.lets_in(client, "42", start=f"{LOGIN}?process=connect")
    elsewhere = Client()
    provider.lets_in(elsewhere, "42")
    assert signed_in_as(elsewhere) == "ann@acme.test"
    client.post("/accounts/3rdparty/", {"account": SocialAccount.objects.get().pk})
    assert signed_in_as(elsewhere) is None
    assert signed_in_as(client) == "ann@acme.test"


@pytest.mark.parametrize("account", ["", "abc", "9" * 40, "-1", "1e3", "\u0663"])
def test_what_is_no_connection_is_not_there(ann_client, account):
    assert ann_client.post("/accounts/3rdparty/", {"account": account}).status_code == 404


def test_a_provider_account_of_somebody_else_is_neither_connected_nor_taken_off(provider, ann, ben, client_of):
    provider.knows("42", **claims("x@home.test"))
    provider.lets_in(client_of(ann), "42", start=f"{LOGIN}?process=connect")
    bens = client_of(ben)
    provider.lets_in(bens, "42", start=f"{LOGIN}?process=connect")
    account = SocialAccount.objects.get()
    assert account.user == ann
    assert bens.post("/accounts/3rdparty/", {"account": account.pk}).status_code == 404
