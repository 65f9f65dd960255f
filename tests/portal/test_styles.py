"""The stylesheets say things once, and keep to their layers: what other sites and Django admin build on."""

import re
from pathlib import Path

import pytest

STYLES = {path.stem: path.read_text() for path in Path("static/keys/css").glob("*.css")}
SET = {name: set(re.findall(r"(--[\w-]+):", text)) for name, text in STYLES.items()}
USED = {name: set(re.findall(r"var\((--[\w-]+)", text)) for name, text in STYLES.items()}


def layers(text: str) -> list[str]:
    """The layer of each rule that stands at the top; "" for one that stands in none."""
    bare = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    heads = re.findall(r"^(?!}|\s)([^\n{;]*)\{", bare, re.MULTILINE)
    return [head.removeprefix("@layer").strip() if head.startswith("@layer") else "" for head in heads]


def test_there_are_as_many_files_as_the_house_has_rooms_for() -> None:
    """An application that can be left out brings its own."""
    assert STYLES.keys() - {"plans"} == {"tokens", "base", "components", "account", "keys", "admin"}
    scripts = {path.name for path in Path("static/keys/js").iterdir()}
    assert scripts == {"site.js", "copy.js", "keys.js", "passkeys.js"}


@pytest.mark.parametrize("name", ["components", "keys"])
def test_the_parts_stand_in_one_layer_of_their_own_on_nothing_but_the_tokens(name: str) -> None:
    """So each can be taken into a site that maps these properties to its own."""
    assert layers(STYLES[name]) == [name]
    assert USED[name] - SET[name] <= SET["tokens"]


def test_django_admin_has_the_portals_colours() -> None:
    """Those left out follow from others, or are used in nothing that is shown here."""
    left_out = {
        "accent",
        "header-branding-color",
        "object-tools-fg",
        "object-tools-bg",
        "object-tools-hover-bg",
    }
    left_out |= {"message-success-bg", "message-warning-bg", "message-error-bg"}
    left_out |= {"primary-fg", "body-medium-color", "body-loud-color", "close-button-bg", "close-button-hover-bg"}
    assert django_colours() - {f"--{name}" for name in left_out} <= SET["admin"]
    assert not USED["admin"] - SET["admin"] - SET["tokens"]


def django_colours() -> set[str]:
    from django.contrib import admin

    base = Path(admin.__file__).parent / "static/admin/css/base.css"
    return set(re.findall(r"(--[\w-]+):", base.read_text()))
