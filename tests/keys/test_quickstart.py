"""Ready requests under the keys: in five languages, with the operator's address and header, and never with a key."""

import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from sandbox import Sandbox
from tests.helpers.gateway import listening
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
    buttons = quickstart(ann_client).select("[form=act][data-copy]")
    assert len(buttons) == len(LANGUAGES)
    response = ann_client.post(buttons[0]["formaction"])
    (shown,) = set(FULL_KEY.findall(response.text))
    assert shown in {key["key"] for key in keys}


def test_ended_keys_are_not_offered(sandbox: Sandbox, ann_client: Client) -> None:
    over = {"description": "Over", "expiresOn": in_time(days=-2).isoformat()}
    sandbox.add_consumer("acme", managers=["ann@acme.test"], keys=[over])
    section = quickstart(ann_client)
    assert section.select("[formaction]") == []
    assert "Put your key where the dots are" in section.get_text()


def test_where_keys_are_hidden_it_can_be_copied_without_one(sandbox: Sandbox, ann_client: Client) -> None:
    """E3"""
    key = acme(sandbox)[0]
    sandbox.set(retrievable="masked")
    ann_client.post(f"/keys/production/acme/{key['id']}/copy/")
    section = quickstart(ann_client)
    assert section.select("[formaction]") == []
    assert len(section.select("[data-copy-from]")) == len(LANGUAGES)


def test_there_is_none_without_an_address(sandbox: Sandbox, ann_client: Client, settings) -> None:
    settings.GATEWAY_URL = ""
    acme(sandbox)
    assert quickstart(ann_client) is None


def test_a_newcomer_is_led_to_the_first_key_instead(sandbox: Sandbox, ann_client: Client) -> None:
    assert quickstart(ann_client) is None


LANGUAGE = pytest.mark.language
PROGRAMS = [
    pytest.param("python", [sys.executable, "request.py"], id="Python"),
    pytest.param("curl", ["sh", "request.sh"], id="curl", marks=LANGUAGE),
    pytest.param("javascript", ["node", "request.mjs"], id="JavaScript", marks=LANGUAGE),
    pytest.param("go", ["go", "run", "request.go"], id="Go", marks=LANGUAGE),
    pytest.param("php", ["php", "request.php"], id="PHP", marks=LANGUAGE),
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
        code = quickstart(ann_client).select_one(f"#code-{language}")
        code.select_one("[data-place]").string = key
        (tmp_path / program[-1]).write_text(code.get_text())
        run = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert "Hello" in run.stdout, run.stderr
    name, value = (before + key).split(": ")
    ((_method, asked, headers),) = gateway.heard
    assert asked == path
    assert (name.lower(), value) in {(name.lower(), value) for name, value in headers.items()}
