"""The catalogs hold every text in every language, and the portal reads what the translators wrote."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from allauth.account.adapter import get_adapter
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.socialaccount.adapter import get_adapter as get_social_adapter
from django.conf import settings
from django.utils.translation import override

from tests.helpers.catalogs import LANGUAGES, LOCALE, compiled, source, written

PLACES = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w+\}|</?\w+>")
FORMS = {"de": 2, "es": 3}


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_untranslated_or_guessed(language: str) -> None:
    entries = written(source(language))
    assert len(entries) > 400
    assert [entry.id for entry in entries if entry.is_fuzzy or not all(entry.texts.values())] == []
    wanted = {entry.key: FORMS[language] if entry.plural else 1 for entry in entries}
    assert {entry.key: len(entry.texts) for entry in entries} == wanted


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_put_in_stands_in_the_translation_too(language: str) -> None:
    """A value that got lost, or a name that was translated along, would fail only on the page."""
    for entry in written(source(language)):
        allowed = [set(PLACES.findall(text)) for text in (entry.id, entry.plural or entry.id)]
        for text in filter(None, entry.texts.values()):
            assert set(PLACES.findall(text)) in allowed, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_portal_reads_what_was_written(language: str) -> None:
    """`make messages` compiles; nobody may forget it."""
    entries = written(source(language))
    texts = {
        (entry.key, n) if entry.plural else entry.key: text for entry in entries for n, text in entry.texts.items()
    }
    assert compiled(language) == {key: text for key, text in texts.items() if text}, "run: make messages"


@pytest.mark.gettext
def test_no_text_is_missing_from_the_catalogs(tmp_path: Path) -> None:
    for folder in ("portal", "keys", "plans", "templates", "locale"):
        shutil.copytree(settings.BASE_DIR / folder, tmp_path / folder, ignore=shutil.ignore_patterns("styleguide*"))
    (tmp_path / "copy_of_settings.py").write_text(
        f"from portal.settings import *\nLOCALE_PATHS = [{str(tmp_path / 'locale')!r}]\n"
    )
    command = [sys.executable, settings.BASE_DIR / "manage.py", "makemessages", "--all", "--no-obsolete"]
    subprocess.run(
        [*command, "--extension", "html,txt,py", "--settings", "copy_of_settings", "--pythonpath", tmp_path],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=60,
    )
    for language in LANGUAGES:
        found = {entry.key for entry in written(source(language, tmp_path / "locale"))}
        assert found == {entry.key for entry in written(source(language))}, "run: make messages"


@pytest.mark.parametrize("folder", ["keys", "plans", "portal"])
def test_no_text_hides_inside_an_f_string(folder: str) -> None:
    """Where gettext does not look: it would stay English, and be missing from no catalog."""
    hidden = [
        f"{path}: {ast.unparse(call)}"
        for path in (settings.BASE_DIR / folder).rglob("*.py")
        for string in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(string, ast.JoinedStr)
        for call in ast.walk(string)
        if isinstance(call, ast.Call) and re.search(r"^_$|gettext", ast.unparse(call.func))
    ]
    assert hidden == []


def test_the_words_of_allauth_are_said_as_formally_as_ours() -> None:
    adapters = (get_adapter(), get_mfa_adapter(), get_social_adapter())
    words = [str(text) for adapter in adapters for text in adapter.error_messages.values()]
    with override("de"):
        translated = [str(text) for adapter in adapters for text in adapter.error_messages.values()]
    assert len(words) > 20
    assert [text for text in translated if re.search(r"\b(du|dich|dir|dein\w*|versuche|gib)\b", text, re.I)] == []


def test_each_catalog_begins_with_its_glossary() -> None:
    for language in LANGUAGES:
        assert "API key = " in source(language, LOCALE).read_text().partition("msgid")[0]
