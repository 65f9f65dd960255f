"""What OpenID Connect providers answer, in forms that real servers were seen to have, and what is refused of it."""

import time
from collections.abc import Iterator

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from tests.helpers.odd_provider import BASIC, NULL, POST, SECRET, OddProvider, running_odd_provider
from tests.helpers.people import PROVE, signed_in_as

pytestmark = pytest.mark.django_db
ANN = {"email": "ann@acme.test", "email_verified": True}
TOKEN = "a-token-for-figures-only"


@pytest.fixture
def odd(settings) -> Iterator[OddProvider]:
    with running_odd_provider() as provider:
        provider.userinfo = ANN
        settings.SOCIALACCOUNT_PROVIDERS = provider.settings()
        yield provider


def refused(answer, log, *words: str) -> str:
    """The page that says why to the person; the log says it under the same reference."""
    assert answer.status_code in {401, 502}
    assert "Sign-in failed" in answer.text
    (line,) = [line for line in log.text.splitlines() if "Sign-in by acme was refused" in line]
    assert answer["X-Request-ID"] in line
    assert answer["X-Request-ID"] in answer.text
    for word in words:
        assert word in line
    return str(answer.text)


# How the client proves itself


@pytest.mark.parametrize("taken", [BASIC, POST])
@pytest.mark.parametrize("listed", [[BASIC, POST], [POST, BASIC, "private_key_jwt", "none"], None])
def test_whichever_method_the_client_was_registered_with_works(odd, client, taken, listed):
    odd.taken, odd.config = taken, {"token_endpoint_auth_methods_supported": listed}
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"
    assert odd.tried == ([BASIC] if taken == BASIC else [BASIC, POST])
    odd.tried.clear()
    odd.lets_in(Client())
    assert odd.tried == [taken], "the provider sees no failure at each sign-in"


@pytest.mark.parametrize("unknown", [(401, "access_denied"), (400, "invalid_request"), (400, "unauthorized_client")])
def test_whatever_a_provider_calls_a_client_that_it_does_not_know_the_other_method_is_tried(odd, client, unknown):
    """Auth0 says the first, Signicat the second."""
    odd.taken, odd.unknown = POST, unknown
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"
    assert odd.tried == [BASIC, POST]


def test_a_request_that_is_refused_by_the_clients_own_method_is_the_one_that_is_told(odd, client, log):
    odd.dislikes = "no such redirect_uri"
    refused(odd.lets_in(client), log, "token", "invalid_request", "no such redirect_uri")
    assert odd.tried == [BASIC, POST]


@pytest.mark.parametrize("only", [BASIC, POST])
def test_the_one_that_is_listed_is_the_one_that_is_used(odd, client, only):
    odd.taken, odd.config = only, {"token_endpoint_auth_methods_supported": [only]}
    odd.lets_in(client)
    assert odd.tried == [only]


def test_the_one_that_is_configured_is_the_one_that_is_used(odd, client, settings, log):
    settings.SOCIALACCOUNT_PROVIDERS = odd.settings(settings={"token_auth_method": POST})
    refused(odd.lets_in(client), log, "token", "invalid_client")
    assert odd.tried == [POST]
    odd.taken = POST
    odd.config = {"token_endpoint_auth_methods_supported": [BASIC]}
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"


def test_a_provider_without_a_method_of_the_portals_is_not_sent_the_secret(odd, client, log):
    odd.config = {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}
    refused(odd.lets_in(client), log, "token", "no_common_method")
    assert odd.tried == []


# Nonce


def test_a_provider_that_demands_a_nonce_gets_one_and_another_for_each_sign_in(odd, client):
    odd.wants_nonce = True
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"
    odd.refusal = {"error": "login_required"}
    odd.lets_in(client)
    first = odd.nonces[""]
    odd.lets_in(client)
    assert len(first) >= 32
    assert odd.nonces[""] != first


@pytest.mark.parametrize("nonce", ["", "of-another-sign-in", None])
def test_an_id_token_of_another_sign_in_lets_nobody_in(odd, client, log, nonce):
    odd.claims = {"nonce": nonce}
    refused(odd.lets_in(client), log, "id_token", "nonce_mismatch")
    assert signed_in_as(client) is None


# Claims


def test_an_address_that_only_the_id_token_tells_is_believed_as_one_of_userinfo(odd, client):
    odd.claims, odd.userinfo = ANN, None
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"
    assert mail.outbox == []


@pytest.mark.parametrize("email", [5, True, ["ben@acme.test"], {"value": "ben@acme.test"}, ""])
def test_an_address_that_is_no_text_is_none(odd, client, email):
    odd.claims, odd.userinfo = ANN, {"email": email, "email_verified": True}
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"


@pytest.mark.parametrize("email", [f"{'a' * 300}@acme.test", "ann", "ann@acme.test\0", "ann@acme.test\ud800", 5, []])
def test_an_address_that_no_mail_could_reach_is_asked_for(odd, client, email):
    odd.userinfo = {"email": email, "email_verified": True}
    assert odd.lets_in(client).headers["Location"] == "/accounts/3rdparty/signup/"
    assert signed_in_as(client) is None


@pytest.mark.parametrize("verified", ["true", "false", 1, 1.0, [True], {"value": True}, None])
def test_only_the_value_true_vouches_for_an_address(odd, client, verified):
    """A6"""
    odd.userinfo = ANN | {"email_verified": verified}
    assert odd.lets_in(client).headers["Location"] == PROVE
    assert not EmailAddress.objects.filter(verified=True).exists()


@pytest.mark.parametrize("number", [42, "42", "☃", None, [], {}, 1e300, "x" * 10_000])
def test_claims_that_nobody_needs_may_be_anything(odd, client, number):
    named = dict.fromkeys(("name", "given_name", "family_name", "preferred_username", "picture", "phone"), number)
    odd.claims, odd.userinfo = named, ANN | named
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"


@pytest.mark.parametrize("endpoint", [{"userinfo_endpoint": None}, {"userinfo_endpoint": NULL}])
def test_without_a_userinfo_endpoint_the_id_token_does(odd, client, endpoint):
    odd.claims, odd.config = ANN, endpoint
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"


def test_signed_userinfo_is_read(odd, client):
    odd.signed = True
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"


def test_signed_userinfo_for_another_client_is_not(odd, client, log):
    odd.signed, odd.userinfo = True, ANN | {"aud": "another"}
    refused(odd.lets_in(client), log, "userinfo", "invalid_userinfo")


def test_userinfo_that_does_not_say_of_whom_is_left_alone(odd, client):
    odd.userinfo = {"sub": None} | ANN
    odd.claims = {"email": "ann@home.test", "email_verified": True}
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@home.test"


def test_userinfo_about_somebody_else_lets_nobody_in(odd, client, log):
    odd.userinfo = ANN | {"sub": "43"}
    refused(odd.lets_in(client), log, "userinfo", "sub_mismatch")
    assert signed_in_as(client) is None


@pytest.mark.parametrize(
    ("id_token", "userinfo"),
    [
        ({"email_verified": True}, {"email": "ann@acme.test"}),
        ({"email": "mallory@evil.test", "email_verified": True}, {"email": "ann@acme.test"}),
        ({"email": "ann@acme.test", "email_verified": True}, {"email": "ann@acme.test", "email_verified": False}),
        ({"email": "ann@acme.test", "email_verified": False}, {"email": "ann@acme.test", "email_verified": True}),
        ({"email": "ann@acme.test"}, {"email_verified": True}),
    ],
)
def test_what_is_said_of_one_address_vouches_for_no_other(odd, client, id_token, userinfo):
    """A6: the two answers are read together, each address only with the words about it."""
    odd.claims, odd.userinfo = id_token, userinfo
    assert odd.lets_in(client).headers["Location"] == PROVE
    assert signed_in_as(client) is None
    assert mail.outbox[-1].to == ["ann@acme.test"]
    assert not EmailAddress.objects.filter(verified=True).exists()


# Whose token, and when


@pytest.mark.parametrize(
    ("bent", "word"),
    [
        ({"iss": "https://evil.test"}, "issuer"),
        ({"aud": "another"}, "Audience"),
        ({"exp": 60}, "expired"),
        ({"sub": None}, "sub"),
        ({"sub": 42}, "Subject"),
        ({"sub": ["42"]}, "Subject"),
        ({"nbf": 99_999_999_999}, "not yet valid"),
        ({"exp": [99_999_999_999]}, ""),
        ({"exp": float("inf")}, ""),
        ({"iat": {}}, ""),
        ({"iss": ["x"]}, ""),
        ({"aud": 7}, ""),
        ({"aud": {"portal:1": 1}}, ""),
    ],
)
def test_an_id_token_for_others_or_another_time_lets_nobody_in(odd, client, log, bent, word):
    odd.claims = bent
    refused(odd.lets_in(client), log, "id_token", "invalid_id_token", word)
    assert signed_in_as(client) is None


@pytest.mark.parametrize("sub", ["", "x" * 192, "x" * 100_000, "4\0", "4\n2", "4\ud800"])
def test_a_number_that_cannot_be_kept_lets_nobody_in(odd, client, log, sub):
    odd.claims, odd.userinfo = {"sub": sub}, None
    odd.config = {"userinfo_endpoint": None}
    refused(odd.lets_in(client), log, "id_token", "invalid_sub", "1 to 191")
    assert signed_in_as(client) is None


def test_the_longest_number_that_can_be_kept_is_one(odd, client):
    odd.claims, odd.userinfo = {"sub": "☃" * 191}, ANN | {"sub": "☃" * 191}
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"


@pytest.mark.parametrize(
    "bent",
    [
        {"aud": ["portal:1", "another"]},
        {"aud": ["portal:1", "another"], "azp": "another"},
        {"aud": "portal:1", "azp": "another"},
        {"aud": ["portal:1"], "azp": ["portal:1"]},
    ],
)
def test_a_token_made_for_another_client_lets_nobody_in(odd, client, log, bent):
    """OpenID Connect Core 3.1.3.7"""
    odd.claims = bent
    refused(odd.lets_in(client), log, "id_token", "azp_mismatch")
    assert signed_in_as(client) is None


def test_a_token_for_several_that_was_made_for_the_portal_is_good(odd, client):
    odd.claims = {"aud": ["another", "portal:1"], "azp": "portal:1"}
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"


def test_clocks_may_differ_by_half_a_minute(odd, client, log):
    now = int(time.time())
    for early, late in ((now + 20, now + 60), (now - 60, now - 20)):
        odd.claims = {"iat": early, "nbf": early, "exp": late}
        browser = Client()
        odd.lets_in(browser)
        assert signed_in_as(browser) == "ann@acme.test"
    odd.claims = {"exp": now - 40}
    refused(odd.lets_in(client), log, "expired")


def test_discovery_of_another_issuer_is_refused_with_what_to_set(odd, client, log):
    odd.config = {"issuer": "https://login.acme.test"}
    refused(client.post("/accounts/oidc/acme/login/"), log, "discovery", "issuer_mismatch", "https://login.acme.test")


@pytest.mark.parametrize("address", [7, NULL, "", "http://[", "ftp://acme.test/token", "no address"])
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint"])
def test_discovery_without_a_usable_endpoint_is_refused(odd, client, log, name, address):
    odd.config = {name: address}
    refused(client.post("/accounts/oidc/acme/login/"), log, "discovery", "malformed", name)


@pytest.mark.parametrize("listed", [NULL, 7, {}, BASIC])
def test_methods_that_are_no_list_count_as_none(odd, client, listed):
    odd.config = {"token_endpoint_auth_methods_supported": listed}
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"


@pytest.mark.parametrize("more", [{"expires_in": "soon"}, {"expires_in": [1]}, {"expires_in": 1e300}, {"scope": 7}])
def test_what_else_the_token_endpoint_says_does_not_matter(odd, client, more):
    odd.tokens_beside = more
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"


@pytest.mark.parametrize("token", ["", 7, [], "new\nline", "☃", "\ud800"])
def test_an_access_token_that_cannot_be_sent_on_lets_nobody_in(odd, client, log, token):
    odd.tokens_beside = {"access_token": token}
    odd.lets_in(client)
    assert log.text.count("Sign-in by acme was refused at") == 1
    assert signed_in_as(client) is None


def test_a_last_slash_makes_no_other_issuer(odd, client):
    odd.config, odd.claims = {"issuer": f"{odd.issuer}/"}, {"iss": f"{odd.issuer}/"}
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"


@pytest.mark.parametrize(
    ("said", "promised"),
    [("https://evil.test", True), ("https://evil.test", False), ("", False), (None, True)],
)
def test_an_answer_of_another_issuer_is_refused(odd, client, log, said, promised):
    """RFC 9207: the answer of one provider passed on as that of another."""
    odd.config = {"authorization_response_iss_parameter_supported": promised}
    odd.refusal = {"code": "code-of-another"} | ({} if said is None else {"iss": said})
    refused(odd.lets_in(client), log, "authorization", "issuer_mismatch")
    assert odd.tried == []


def test_an_answer_that_names_its_issuer_is_good(odd, client):
    odd.config = {"authorization_response_iss_parameter_supported": True}
    odd.names_itself = True
    odd.lets_in(client)
    assert signed_in_as(client) == "ann@acme.test"


# Why not


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("login_required", "needs you to sign in or agree there first"),
        ("temporarily_unavailable", "isn&#x27;t answering"),
        ("invalid_scope", "isn&#x27;t set up correctly"),
        ("never_heard_of", "isn&#x27;t set up correctly"),
    ],
)
def test_what_the_provider_says_is_in_the_log_and_the_person_is_told_what_to_do(odd, client, log, error, advice):
    odd.refusal = {"error": error, "error_description": f"It says\nwhy {'x' * 300}"}
    page = refused(odd.lets_in(client), log, "authorization", error, "It says why [removed]")
    assert advice in page
    assert ("never_heard_of" in page) is False
    assert (error in page) is (error != "never_heard_of")


def test_a_wrong_secret_is_said_without_the_secret(odd, client, settings, log):
    settings.SOCIALACCOUNT_PROVIDERS = odd.settings(secret=SECRET + "!")
    page = refused(odd.lets_in(client), log, "token", "invalid_client", "client authentication failed")
    assert "isn&#x27;t set up correctly" in page
    assert odd.tried == [BASIC, POST]
    assert SECRET not in log.text
    assert "an-access-token" not in log.text


def test_a_lost_or_used_state_is_said(odd, client, log):
    page = refused(client.get("/accounts/oidc/acme/login/callback/?code=1&state=2"), log, "state_lost")
    assert "Start again from here" in page


def test_refusals_are_counted_by_provider_stage_and_known_error(odd, client, settings):
    settings.METRICS_TOKEN = TOKEN
    odd.refusal = {"error": "login_required"}
    odd.lets_in(client)
    odd.refusal = {"error": 'strange"} 1'}
    odd.lets_in(client)
    text = Client().get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text
    name = 'portal_refused_sign_ins_total{error="%s",provider="acme",stage="authorization"} '
    assert name % "login_required" in text
    assert name % "other" in text
    assert "strange" not in text
