"""The tags of the portal's templates: what stands in a template is looked up once, and for each language."""

import re
from pathlib import Path

from django.template import engines
from django.utils import translation

TEMPLATES = Path(__file__).parent.parent.parent / "templates"


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
    template = engines["django"].from_string('{% include_fixed "_notice.html" %}')
    for text in ("for Ann", "for Ben"):
        page = template.render({"text": text, "level": "error"})
        assert "Dismiss" in page
        assert "for " not in page
        assert 'role="alert"' not in page


def test_templates_use_the_tags_of_the_portal() -> None:
    """They are built in; those they stand for are slower, and draw the same."""
    loads = {path: re.findall(r"{% load ([\w ]+) %}", path.read_text()) for path in TEMPLATES.rglob("*.*")}
    assert loads
    needless = {"i18n", "static", "heroicons", "portal", "keys"}
    assert [path for path, names in loads.items() if needless & {*" ".join(names).split()}] == []
