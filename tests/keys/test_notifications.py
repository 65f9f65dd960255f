"""H3: the managers of a consumer are told by mail what was done to its keys."""

import re
import uuid
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from keys.models import Action
from sandbox import Sandbox
from tests.helpers.verbs import CHANGES, FULL_KEY, VERBS, Verb, acme, by_action, done_words, new_keys

pytestmark = pytest.mark.django_db
QUIET = {Action.REVEAL, Action.COPY, Action.RENAME, Action.RENAME_CONSUMER}
told = pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.action not in QUIET], ids=by_action)


@told
def test_every_manager_is_told_who_did_what(verb: Verb, sandbox: Sandbox, ann_client: Client) -> None:
    """Without any secret, and once: the same form sent again tells nobody anew."""
    keys = acme(sandbox)
    url, token = verb.url(sandbox), str(uuid.uuid4())
    for _ in range(2):
        verb.send(ann_client, url, token)
    assert sorted(message.to for message in mail.outbox) == [["ann@acme.test"], ["ben@acme.test"]]
    message = mail.outbox[0]
    assert message.subject.startswith(f"ann@acme.test {done_words(verb.action)}")
    assert message.subject.endswith(" (Acme Inc)")
    text = message.body
    assert text.startswith(message.subject + "\n")
    for fact in ("From: 127.0.0.1\n", "Environment: production\n", "Contact us the way", "/keys/production/"):
        assert fact in text
    assert ("\nExpires: " in text) is (verb.action in {Action.CREATE, Action.CHANGE_END})
    assert ("\nOld key" in text) is (verb.action in {Action.ROTATE, Action.ROTATE_ALL})
    assert text.rstrip().endswith("\n-- \nAPI Portal\nhttp://127.0.0.1:8000")  # as mails about the account end
    assert message.extra_headers["Content-Language"] == "en"
    if verb.on_key:
        assert f"\nKey: CI ••••{keys[0]['key'][-4:]}\n" in text
    assert not FULL_KEY.search(str(message.message()))


def test_a_key_without_a_label_is_told_by_its_last_characters(sandbox: Sandbox, ann_client: Client) -> None:
    sandbox.add_consumer("globex", label="Globex", managers=["ann@acme.test"], keys=[{"description": ""}])
    (key,) = sandbox.keys("globex")
    ann_client.post(f"/keys/production/globex/{key['id']}/delete/", {"token": str(uuid.uuid4()), "sure": "on"})
    assert mail.outbox[0].subject == f"ann@acme.test deleted the key ••••{key['key'][-4:]} (Globex)"
    assert f"\nKey: ••••{key['key'][-4:]}\n" in mail.outbox[0].body


def test_a_pair_is_told_with_the_time_that_the_old_key_has_left(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    (rotate,) = [verb for verb in VERBS if verb.action == Action.ROTATE]
    rotate.send(ann_client, rotate.url(sandbox))
    old, new = (key["key"][-4:] for key in sandbox.keys("acme") if key["description"] == "CI")
    assert mail.outbox[0].subject == "ann@acme.test rotated the key CI (Acme Inc)"
    body = mail.outbox[0].body
    assert f"\nKey: CI ••••{old}\nNew key: ••••{new}\nOld key works until: " in body
    assert re.search(r"Old key works until: .+ UTC \(in 1 day\)\n", body)


def test_of_all_keys_that_were_rotated_each_is_named(sandbox: Sandbox, ann_client: Client) -> None:
    keys = acme(sandbox)
    (rotate_all,) = [verb for verb in VERBS if verb.action == Action.ROTATE_ALL]
    rotate_all.send(ann_client, rotate_all.url(sandbox))
    assert mail.outbox[0].subject == "ann@acme.test rotated all keys (Acme Inc)"
    (line,) = re.findall(r"^Keys: (.+)$", mail.outbox[0].body, re.MULTILINE)
    assert sorted(line.split(", ")) == sorted(f"{key['description']} ••••{key['key'][-4:]}" for key in keys)


def test_no_end_is_told_of_an_old_key_that_goes_on(sandbox: Sandbox, ann_client: Client) -> None:
    """H1: of a rotation that was done by half; the mail about its other half tells the end."""
    acme(sandbox)
    (rotate,) = [verb for verb in VERBS if verb.action == Action.ROTATE]
    sandbox.fault("PATCH", "*", "status", status=500, times=1)
    rotate.send(ann_client, rotate.url(sandbox))
    assert len(mail.outbox) == 2
    assert "Old key" not in mail.outbox[0].body


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.action in QUIET], ids=by_action)
def test_what_changes_no_access_mails_nobody(verb: Verb, sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    verb.send(ann_client, verb.url(sandbox))
    assert mail.outbox == []


@told
def test_what_was_not_done_mails_nobody(
    verb: Verb, sandbox: Sandbox, ann_client: Client, mallory_client: Client
) -> None:
    acme(sandbox)
    verb.send(mallory_client, verb.url(sandbox))
    sandbox.fault("*", "*", "drop", times=0)
    verb.send(ann_client, verb.url(sandbox))
    assert mail.outbox == []


@pytest.mark.parametrize("verb", CHANGES, ids=by_action)
def test_trouble_with_mail_changes_nothing(verb: Verb, sandbox: Sandbox, ann_client: Client, settings) -> None:
    """G15: nobody listens on that port."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    before = acme(sandbox)
    assert verb.send(ann_client, verb.url(sandbox)).status_code in {200, 303}
    assert verb.done(before, sandbox.keys("acme"))


def test_a_mail_server_in_trouble_fills_one_line_of_the_log(
    sandbox: Sandbox, ann_client: Client, settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    acme(sandbox)
    CHANGES[0].send(ann_client, CHANGES[0].url(sandbox))
    (line,) = [one for one in caplog.records if "could not be told" in one.getMessage()]
    assert "ConnectionRefusedError" in line.getMessage()
    assert line.exc_info is None


def speaks_nothing(addresses: list[str]) -> dict[str, str]:
    raise LookupError("the table of languages is not there")


@told
def test_a_mail_that_cannot_be_written_hides_no_key(
    verb: Verb, sandbox: Sandbox, ann_client: Client, settings, caplog: pytest.LogCaptureFixture
) -> None:
    """G15: whatever fails while it is written, as in an operator's own template; the log tells."""
    settings.KEYS_LANGUAGES = f"{__name__}.speaks_nothing"
    before = acme(sandbox)
    response = verb.send(ann_client, verb.url(sandbox))
    assert response.status_code in {200, 303}
    made = new_keys(before, sandbox.keys("acme"))
    assert set(FULL_KEY.findall(response.text)) == {key["key"] for key in made}
    assert verb.done(before, sandbox.keys("acme"))
    assert "could not be told" in caplog.text


def test_hostile_labels_and_addresses_do_no_harm(sandbox: Sandbox, ann_client: Client) -> None:
    managers = ["ann@acme.test", "x@acme.test\nBcc: all@acme.test", "no address", "<script>@acme.test"]
    label = "Evil\r\nBcc: all@acme.test\r\n\r\n{{ settings.SECRET_KEY }}"
    sandbox.add_consumer("evil", label=label, managers=managers)
    form = {"label": "{% now 'Y' %}<b>", "ends": "never", "token": str(uuid.uuid4())}
    assert ann_client.post("/keys/production/evil/create/", form).status_code == 200
    (message,) = mail.outbox
    assert message.to == message.recipients() == ["ann@acme.test"]
    assert "\n" not in message.subject
    assert "{{ settings.SECRET_KEY }}" in message.subject
    assert "{% now 'Y' %}<b>" in message.body


def test_the_operator_may_keep_quiet(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_MAIL_MANAGERS = False
    acme(sandbox)
    for verb in CHANGES:
        if verb.action == Action.CREATE:
            verb.send(ann_client, verb.url(sandbox))
    assert mail.outbox == []


# Nobody's mailbox is filled by naming its owner as a manager


def changes_an_end(client: Client, sandbox: Sandbox, consumer: str, day: int) -> None:
    (key,) = sandbox.keys(consumer)
    ends = (timezone.now() + timedelta(days=100 - day)).strftime("%Y-%m-%dT%H:%M")
    answer = client.post(
        f"/keys/production/{consumer}/{key['id']}/end/", {"token": str(uuid.uuid4()), "ends_on": ends, "zone": "UTC"}
    )
    assert answer.status_code in {200, 303}


@pytest.fixture
def busy(sandbox: Sandbox, settings) -> Sandbox:
    """Two consumers, of which Mallory has named a stranger as a manager of hers, by several addresses."""
    settings.KEYS_CHANGES_PER_MINUTE = 1000
    victims = [f"victim{tag}@home.test" for tag in ("", "+1", "+2")]
    sandbox.add_consumer("mallorys", managers=["mallory@evil.test", *victims], keys=[{}])
    sandbox.add_consumer("acme", managers=["ann@acme.test", "victim@home.test"], keys=[{}])
    return sandbox


def test_many_changes_are_mailed_so_often_and_the_last_mail_says_so(busy: Sandbox, mallory_client: Client) -> None:
    for day in range(25):
        changes_an_end(mallory_client, busy, "mallorys", day)
    to_victim = [message for message in mail.outbox if "victim" in message.to[0]]
    assert len(to_victim) == 20
    last = "so we won't mail you the next ones"
    assert [last in message.body for message in to_victim] == [False] * 19 + [True]


def test_no_noise_elsewhere_silences_what_is_done_to_other_keys(
    busy: Sandbox, mallory_client: Client, ann_client: Client
) -> None:
    for day in range(25):
        changes_an_end(mallory_client, busy, "mallorys", day)
    mail.outbox.clear()
    changes_an_end(ann_client, busy, "acme", 1)
    assert ["victim@home.test"] in [message.to for message in mail.outbox]
