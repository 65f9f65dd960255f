"""Who reaches what of plans: a table of everybody against every page and verb."""

import uuid

import pytest
from django.test import Client

from keys.models import AuditEvent
from plans.models import PlanRequest
from tests.helpers.people import passes

pytestmark = pytest.mark.usefixtures("portal_plans")
OF_ACME = "/plans/production/consumer/acme/"

# Each address with: may a stranger who is signed in, may a manager; None where there is nothing to get.
PAGES = {
    "/plans/": (200, 200),
    "/plans/production/": (200, 200),
    "/plans/elsewhere/": (404, 404),
    "/plans/production/choose/free/": (302, 302),
    "/plans/production/choose/partner/": (404, 404),
    "/plans/production/start/free/": (200, 403),
    "/plans/production/request/pro/": (200, 200),
    "/plans/production/paid/?session=cs_1": (404, 404),
    OF_ACME: (404, 200),
    f"{OF_ACME}panel/": (404, 200),
    f"{OF_ACME}change/": (404, 200),
    f"{OF_ACME}change/team/": (404, 200),
    f"{OF_ACME}request/pro/": (404, 200),
    f"{OF_ACME}cancel/": (404, 200),
    "/plans/production/consumer/absent/": (404, 404),
}
POSTS = {
    f"{OF_ACME}change/team/": {},
    f"{OF_ACME}request/pro/": {},
    f"{OF_ACME}cancel/": {"plan_name": "Free"},
    f"{OF_ACME}resume/": {},
    f"{OF_ACME}pay/pro/": {},
    f"{OF_ACME}payment/": {},
}


def test_everybody_against_every_page(client: Client, ann_client, mallory_client, sandbox, acme, subtests) -> None:
    for path, (stranger, manager) in PAGES.items():
        with subtests.test(path=path):
            assert mallory_client.get(path).status_code == stranger
            assert ann_client.get(path).status_code == manager
            public = path in {"/plans/", "/plans/production/", "/plans/elsewhere/"}
            assert client.get(path).status_code == (stranger if public else 302)


def test_missing_and_somebody_elses_look_the_same(mallory_client: Client, sandbox, acme) -> None:
    theirs, absent = mallory_client.get(OF_ACME), mallory_client.get(OF_ACME.replace("acme", "absent"))
    assert (theirs.status_code, theirs.content.replace(b"acme", b"absent")) == (absent.status_code, absent.content)


def test_strangers_change_nothing(
    client: Client, mallory_client: Client, make_person, client_of, sandbox, acme, subtests
) -> None:
    unproved = client_of(make_person("eve@acme.test", verified=False))
    for path, fields in POSTS.items():
        for somebody in (client, mallory_client, unproved):
            with subtests.test(path=path):
                assert somebody.post(path, fields | {"token": str(uuid.uuid4())}).status_code in {302, 404}
    assert sandbox.consumer("acme")["metadata"] == {"plan": "free", "seats": 25}
    assert not PlanRequest.objects.exists()


def test_no_verb_works_by_get_or_without_a_token(ann, client_of, sandbox, acme, subtests) -> None:
    browser = client_of(ann, strict=True)
    for path, fields in POSTS.items():
        with subtests.test(path=path):
            assert browser.post(path, fields | {"token": str(uuid.uuid4())}).status_code == 403
            browser.get(path)
    for path in ("resume/", "payment/"):
        assert browser.get(OF_ACME + path).status_code == 405
    assert sandbox.consumer("acme")["metadata"]["plan"] == "free"


@pytest.mark.parametrize(("verb", "fields"), [("change/team/", {}), ("cancel/", {"plan_name": "Free"})])
def test_an_old_sign_in_has_to_be_proved_first(verb: str, fields, ann_client: Client, sandbox, acme, settings) -> None:
    passes(ann_client, proof=settings.STEP_UP_MINUTES + 1)
    for response in (
        ann_client.get(OF_ACME + verb),
        ann_client.post(OF_ACME + verb, fields | {"token": str(uuid.uuid4())}),
    ):
        assert response.status_code == 303
        assert "/accounts/step-up/" in response["Location"]
    assert sandbox.consumer("acme")["metadata"]["plan"] == "free"


def test_every_change_tried_by_others_is_on_record(mallory_client: Client, sandbox, acme) -> None:
    mallory_client.post(f"{OF_ACME}resume/", {"token": str(uuid.uuid4())})
    assert AuditEvent.objects.get().outcome == "refused"


def test_more_than_one_manager_sees_the_same_plan(ann_client: Client, ben_client: Client, sandbox, acme) -> None:
    ann_client.post(f"{OF_ACME}change/team/", {"token": str(uuid.uuid4())})
    assert "<strong>Team</strong>" in ben_client.get("/keys/").content.decode()


def test_a_manager_who_was_removed_sees_nothing_on_the_next_request(ann_client: Client, sandbox, acme) -> None:
    assert ann_client.get(OF_ACME).status_code == 200
    sandbox.set_managers("acme", ["ben@acme.test"])
    assert ann_client.get(OF_ACME).status_code == 404
    assert ann_client.post(f"{OF_ACME}change/team/", {"token": str(uuid.uuid4())}).status_code == 404
