"""The tags of the portal's templates: what stands in a template is looked up once, and for each language."""

import re
from pathlib import Path

from django.template import Engine, engines
from django.utils import translation

TEMPLATES = Path(__file__).parent.parent.parent / "templates"
SHELL = TEMPLATES.parent / "keys" / "templates"


def test_a_text_is_said_in_the_language_of_each_reader() -> None:
    template = engines["django"].from_string('{% translate "Close" %}')
    said = []
    for language in ("de", "en", "de", "es"):
        with translation.override(language):
            said.append(template.render())
    assert said == ["Schließen", "Close", "Schließen", "Cerrar"]


def test_a_variable_is_said_as_it_is_each_time() -> None:
    tags = "{% translate word %} {% static path %} {% url view %} {% url 'keys:environment' word %}"
    template = engines["django"].from_string(tags)
    for word, path, view, url in (("one", "a.css", "home", "/"), ("two", "b.css", "keys:page", "/keys/")):
        said = template.render({"word": word, "path": path, "view": view})
        assert said == f"{word} /static/{path} {url} /keys/{word}/"


def test_what_is_included_for_everybody_knows_nobody() -> None:
    template = engines["django"].from_string('{% include_fixed "keys/_notice.html" %}')
    for text in ("for Ann", "for Ben"):
        page = template.render({"text": text, "level": "error"})
        assert "Dismiss" in page
        assert "for " not in page
        assert 'role="alert"' not in page


def test_templates_of_the_portal_need_no_load() -> None:
    """All tags are built in; those of Django and heroicons that they stand for are slower, and draw the same."""
    needless = {"i18n", "static", "heroicons", "portal", "keys"}
    loads = {path: loaded(path) for path in TEMPLATES.rglob("*.*") if not is_of_keys(path)}
    assert loads
    assert [path for path, names in loads.items() if needless & names] == []


def test_templates_of_keys_are_drawn_without_anything_of_the_portal() -> None:
    """In a host project nothing is built in: they load their tags themselves, and take partials of keys alone."""
    bare = Engine(libraries={"keys": "keys.templatetags.keys"})
    paths = [path for path in [*TEMPLATES.rglob("*.*"), *SHELL.rglob("*.*")] if is_of_keys(path)]
    assert len(paths) > 50
    for path in paths:
        text = path.read_text()
        bare.from_string(text)  # raises TemplateSyntaxError at a tag that is not loaded
        assert loaded(path) <= {"keys"}, path
        taken = set(re.findall(r"""{% (?:include|include_fixed|extends) "([^"]+)""", text))
        hosts = {"base.html"} if path.parent.parent == SHELL else {"admin/base_site.html", "admin/change_list.html"}
        assert {name for name in taken - hosts if not name.startswith(("keys/", "admin/keys/"))} == set(), path


def loaded(path: Path) -> set[str]:
    return {*" ".join(re.findall(r"{% load ([\w ]+) %}", path.read_text())).split()}


def is_of_keys(path: Path) -> bool:
    return "keys" in path.relative_to(TEMPLATES.parent).parts[1:-1]
