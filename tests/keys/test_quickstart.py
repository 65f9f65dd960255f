"""Ready texts: requests in five languages, never with a key; and forms that hand a key over, filled in by a copy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup
from django.test import Client

from keys.models import Action, AuditEvent, Outcome
from keys.web.hand_over import FORMS
from sandbox import Sandbox
from tests.helpers.gateway import listening
from tests.helpers.invariants import words
from tests.helpers.verbs import FULL_KEY, acme, in_time

pytestmark = pytest.mark.django_db
LANGUAGES = ["curl", "Python", "JavaScript", "Go", "PHP"]


def quickstart(client: Client):
    response = client.get("/keys/")
    assert not FULL_KEY.search(response.text)
    return BeautifulSoup(response.content, "html.parser").select_one("[data-quickstart]")


def test_each_language_has_the_operators_address_and_header_and_a_masked_key(
    sandbox: Sandbox, ann_client: Client, settings
) -> None:
    settings.GATEWAY_URL, settings.GATEWAY_TEST_PATH = "https://api.acme.test", "/v1/hello"
    keys = acme(sandbox)
    section = quickstart(ann_client)
    assert [label.get_text() for label in section.select("label:has([type=radio])")] == LANGUAGES
    assert [radio["value"] for radio in section.select("[type=radio][checked]")] == ["curl"]
    for code in section.select("code"):
        text = code.get_text()
        assert '"https://api.acme.test/v1/hello"' in text
        assert "Authorization" in text
        assert "Bearer ••••••••" in text
        assert code.select_one("[data-place]").get_text()[-4:] in {key["key"][-4:] for key in keys}


def test_the_header_is_the_operators(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.GATEWAY_HEADER = "X-API-Key"
    acme(sandbox)
    for code in quickstart(ann_client).select("code"):
        assert "X-API-Key" in code.get_text()
        assert "Bearer" not in code.get_text()


def test_copying_asks_for_the_key_as_copy_does(sandbox: Sandbox, ann_client: Client) -> None:
    """Also without JavaScript, where its page shows the key."""
    keys = acme(sandbox)
    (button,) = quickstart(ann_client).select("[form=act][data-copy]")
    response = ann_client.post(button["formaction"])
    (shown,) = set(FULL_KEY.findall(response.text))
    assert shown in {key["key"] for key in keys}


def test_ended_keys_are_not_offered(sandbox: Sandbox, ann_client: Client) -> None:
    over = {"description": "Over", "expiresOn": in_time(days=-2).isoformat()}
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[over])
    section = quickstart(ann_client)
    assert section.select("[formaction]") == []
    assert "Replace the dots with your key" in section.get_text()


def test_where_keys_are_hidden_it_can_be_copied_without_one(sandbox: Sandbox, ann_client: Client) -> None:
    """E3"""
    key = acme(sandbox)[0]
    sandbox.set(retrievable="masked")
    ann_client.post(f"/keys/production/acme/{key['id']}/copy/")
    section = quickstart(ann_client)
    assert section.select("[formaction]") == []
    assert len(section.select("[data-copy-from]")) == 1


def test_there_is_none_without_an_address(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.GATEWAY_URL = ""
    acme(sandbox)
    assert quickstart(ann_client) is None


def test_a_newcomer_is_led_to_the_first_key_instead(sandbox: Sandbox, ann_client: Client) -> None:
    assert quickstart(ann_client) is None


LANGUAGE = pytest.mark.language
PROGRAMS = [
    pytest.param("Python", [sys.executable, "request.py"], id="Python"),
    pytest.param("curl", ["sh", "request.sh"], id="curl", marks=LANGUAGE),
    pytest.param("JavaScript", ["node", "request.mjs"], id="JavaScript", marks=LANGUAGE),
    pytest.param("Go", ["go", "run", "request.go"], id="Go", marks=LANGUAGE),
    pytest.param("PHP", ["php", "request.php"], id="PHP", marks=LANGUAGE),
]


@pytest.mark.parametrize("before", ["Authorization: Bearer ", "X-API-Key: "])
@pytest.mark.parametrize(("language", "program"), PROGRAMS)
def test_a_request_does_what_it_says(
    sandbox: Sandbox, ann_client: Client, settings, tmp_path: Path, language: str, program: list[str], before: str
) -> None:
    """Once the key stands in the place of its mask."""
    key = acme(sandbox)[0]["key"]
    path = "/v1/~hello,you?of=a%20b&to=c+d@e:f.-_"
    with listening() as gateway:
        settings.GATEWAY_URL, settings.GATEWAY_TEST_PATH, settings.GATEWAY_HEADER = gateway.url, path, before.strip()
        code = quickstart(ann_client).select_one(f"[aria-label={language}] code")
        code.select_one("[data-place]").string = key
        (tmp_path / program[-1]).write_text(code.get_text())
        run = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "Hello" in run.stdout, run.stderr
    name, value = (before + key).split(": ")
    ((_method, asked, headers),) = gateway.heard
    assert asked == path
    assert (name.lower(), value) in {(name.lower(), value) for name, value in headers.items()}


# Handing a key over


HOSTILE = [
    "zpka-like_0123456789",
    """it's-"quoted"-and-'again'-\\-end\\""",
    "$HOME-`touch,pwned`-$(touch,pwned);touch<pwned|&?[a]{b}~!!#%s%n",
    "-n=~/:key:_{{a}}_{0}_&amp;<b>",
]
NAMES = ["API_KEY", "acme.api-key", "2fast", "GITHUB_TOKEN", "NO", "ñ", "a b;$(touch pwned)'\"\n", "x_" * 60]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with nothing but stand-ins for gh and docker, which note what they are told, and what a shell needs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("gh", "docker"):
        (folder / name).write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/told\ncat > {tmp_path}/value\n')
        (folder / name).chmod(0o755)
    for name in ("sh", "cat"):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def shell(script: str, programs: Path) -> str:
    here = programs.parent / "here"
    here.mkdir()
    run = subprocess.run(
        [shutil.which("sh"), "-eu"], input=script, cwd=here, env={"PATH": str(programs)}, capture_output=True, text=True
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert os.listdir(here) == []
    return run.stdout


def handed_over(client: Client, sandbox: Sandbox, value: str, form: str, *, htmx: bool = True):
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[{"description": "CI", "key": value}])
    url = f"/keys/production/acme/{sandbox.keys('acme')[0]['id']}/copy/"
    return client.post(url, {"form": form}, headers={"HX-Request": "true"} if htmx else {})


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("form", FORMS)
def test_a_program_reads_the_key_as_it_is(
    form: str, value: str, name: str, sandbox: Sandbox, ann_client: Client, programs: Path, settings
) -> None:
    """By a shell, by gh and docker as a shell calls them, and by YAML; whatever the key and the name hold."""
    settings.KEYS_VARIABLE = name
    text = handed_over(ann_client, sandbox, value, form).text
    told, read = programs.parent / "told", programs.parent / "value"
    match form:
        case "env":
            variable = text.partition("=")[0]
            assert shell(f'{text}printf %s "${variable}"', programs) == value
            assert not variable.startswith("GITHUB_")
        case "github":
            shell(text, programs)
            *command, variable = told.read_text().split("\n")[:-1]
            assert (command, read.read_text()) == (["secret", "set"], value)
            assert variable.replace("_", "a").isalnum()
            assert not variable.startswith(("GITHUB_", *"0123456789"))
        case "docker":
            shell(text, programs)
            *command, secret, source = told.read_text().split("\n")[:-1]
            assert (command, source, read.read_text()) == (["secret", "create"], "-", value)
            assert secret.replace("-", "a").isalnum()
        case "kubernetes":
            document = yaml.safe_load(text)
            ((variable, said),) = document["stringData"].items()
            assert said == value
            assert isinstance(variable, str)
            secret = document["metadata"]["name"]
            assert secret == secret.lower().strip("-")
            assert len(secret) <= 63
            assert (document["kind"], document["apiVersion"]) == ("Secret", "v1")


def test_the_operators_name_stands_in_it(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.KEYS_VARIABLE = "ACME_API_KEY"
    assert handed_over(ann_client, sandbox, "zpka-like_0123456789", "env").text == "ACME_API_KEY=zpka-like_0123456789\n"


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "clipboard"])
def test_handing_over_is_on_record_with_its_form(form, htmx: bool, sandbox: Sandbox, ann_client: Client) -> None:
    """Without JavaScript a page shows the text, for a minute."""
    response = handed_over(ann_client, sandbox, "zpka-like_0123456789", form.name, htmx=htmx)
    assert "zpka-like_0123456789" in response.text
    assert "no-store" in response["Cache-Control"]
    event = AuditEvent.objects.get()
    assert (event.action, event.outcome, event.facts) == (Action.COPY, Outcome.DONE, {"form": form.title})
    if htmx:
        assert response["Content-Type"].startswith("text/plain")
    else:
        field = BeautifulSoup(response.content, "html.parser").select_one("textarea")
        assert field.get_text() == form.text("zpka-like_0123456789")
        assert response["Refresh"].startswith("60;")
    history = words(ann_client.get("/keys/activity/production/"))
    assert "copied the key CI" in history
    assert form.title in history


def test_what_is_offered_is_masked_until_it_is_copied(sandbox: Sandbox, ann_client: Client) -> None:
    """On the key's page, for a new key, and for one just revealed."""
    key = acme(sandbox)[0]
    url = f"/keys/production/acme/{key['id']}/"
    for response in (ann_client.get(url), ann_client.post(f"{url}reveal/")):
        page = BeautifulSoup(response.content, "html.parser")
        section = page.select_one(f'section[aria-labelledby="hand-over-{key["id"]}"]')
        assert not FULL_KEY.search(str(section))
        assert {field["value"] for field in section.select("[name=form]")} == FORMS.keys()
        assert {form["action"] for form in section.select("form")} == {f"{url}copy/"}
        for code in section.select("code"):
            assert f"••••••••{key['key'][-4:]}" in code.get_text()
    token = {"token": "0b3ac6b5-9e1e-4f4d-8d0b-3b8a1f3f9a51"}
    made = ann_client.post(f"{url}rotate/", {"grace": "24h"} | token, headers={"HX-Request": "true"})
    new = sandbox.keys("acme")[-1]
    section = BeautifulSoup(made.content, "html.parser").select_one(f'section[aria-labelledby="hand-over-{new["id"]}"]')
    assert section.find_parent(attrs={"data-guard": True}) is None, "a form in there would not be sent"
    assert not FULL_KEY.search(str(section))


def test_where_keys_are_hidden_nothing_is_handed_over(sandbox: Sandbox, ann_client: Client) -> None:
    """E3"""
    key = acme(sandbox)[0]
    url = f"/keys/production/acme/{key['id']}/"
    sandbox.set(retrievable="masked")
    assert ann_client.post(f"{url}copy/", {"form": "env"}).status_code == 409
    assert "hand-over" not in ann_client.get(url).text


def test_a_form_that_is_none_is_refused_before_anything_is_asked(sandbox: Sandbox, ann_client: Client) -> None:
    key = acme(sandbox)[0]
    response = ann_client.post(f"/keys/production/acme/{key['id']}/copy/", {"form": "nonsense"})
    assert response.status_code == 400
    assert sandbox.journal() == []
    assert not AuditEvent.objects.exists()
