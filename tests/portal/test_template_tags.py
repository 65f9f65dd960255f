"""The tags of the portal's templates: what stands in a template is looked up once, and for each language."""

import gc
import re
import weakref
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template import Context, Engine, engines
from django.test import RequestFactory
from django.urls import NoReverseMatch, resolve, reverse
from django.utils import translation
from django.utils.html import escape

from keys.templatetags.memoised import StencilNode
from keys.types import ApiKey

TEMPLATES = Path(__file__).parent.parent.parent / "templates"
APPS = ("keys", "service", "keys")
OF_DJANGO = ("base_site", "change_list", "change_form")
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


STENCIL = '{% include_stencil "keys/_requests.html" with masked=masked at=at request_url=url header=header of=of %}'


def test_a_stencil_is_filled_with_the_texts_of_each_reader_and_keeps_none() -> None:
    template = engines["django"].from_string(STENCIL)
    (node,) = template.template.nodelist
    for masked, at in (("\ue000at\ue001", "/keys/a/"), ("••••1234", "/keys/b/"), ("<b>", "/keys/c/")):
        page = template.render({"masked": masked, "at": at, "url": "https://a.test/?x=1&y=2", "header": "X-Key"})
        assert f"<span data-place>{escape(masked)}</span>" in page
        assert f'formaction="{at}copy/request/"' in page
        assert "https://a.test/?x=1&amp;y=2" in page
        assert 'aria-label="curl"' in page
    assert len(node.drawn) == 1
    assert not re.search("1234|/keys/|a.test", str(node.drawn))


def test_a_page_is_sent_without_the_indents_of_its_template_but_those_that_mean_something(tmp_path: Path) -> None:
    text = (
        "<p>\n  {% if True %}\n\t{% blocktranslate %}a\n  b{% endblocktranslate %}{% endif %}\n  <pre>\n  c</pre>\n</p>"
    )
    engine = Engine(
        dirs=[tmp_path],
        loaders=["portal.backends.templates.Loader"],
        builtins=["django.templatetags.i18n"],
    )
    for name in ("page.html", "mail.txt"):
        (tmp_path / name).write_text(f"{text}\n")
    page = engine.get_template("page.html")
    assert page.render(Context()) == "<p>\n\na\n  b\n<pre>\n  c</pre>\n</p>"
    assert page.source.count("\n") == text.count("\n"), "an error is told with its line"
    assert engine.get_template("mail.txt").source == f"{text}\n"


def test_a_stencil_is_another_one_for_each_language_and_for_what_is_missing() -> None:
    template = engines["django"].from_string(STENCIL)
    assert "data-copy-from" in template.render({"header": "X-Key"})
    assert "data-copy-from" not in template.render({"at": "/keys/a/", "header": "X-Key"})
    with translation.override("de"):
        assert "Kopieren" in template.render({"at": "/keys/a/", "header": "X-Key"})
    assert 'id="key-requests"' in template.render({"of": "key-"})


ROW = '{% include "keys/_key.html" with can_reveal=True can_change=True environment="production" %}'


def test_a_row_is_drawn_once_for_its_kind_and_keeps_nothing_of_a_key() -> None:
    template = engines["django"].from_string(ROW)
    (node,) = engines["django"].get_template("keys/_key.html").template.nodelist.get_nodes_by_type(StencilNode)
    node.drawn.clear()
    created = datetime(2020, 1, 2, tzinfo=UTC)
    new = ApiKey("key_new", "acme", "New", "9999", created)
    for label, ending, value in (("<b>", "1234", "sesame-1"), ("Blue", "5678", "sesame-2"), ("Red", "4321", "")):
        page = template.render({"key": ApiKey(f"key_{ending}", "acme", label, ending, created), "value": value})
        assert f'<code class="key-value" data-value>{value or "••••••••" + ending}</code>' in page
        assert f'action="/keys/production/acme/key_{ending}/"' in page
        assert f">{escape(label)}</a>" in page
    old = template.render({"key": replace(new, id="key_old", replaced_by=new), "value": ""})
    assert 'Old key, replaced by <a class="key-link" href="#key-key_new"><code>••••••••9999</code></a>' in old
    assert len(node.drawn) == 3
    assert not re.search("sesame|1234|5678|9999|Blue|acme|2020", str(node.drawn))


def test_an_address_is_that_of_the_part_of_the_site_where_it_stands(rf) -> None:
    """Partials of keys are drawn by the portal and in Django admin."""
    template = engines["django"].from_string("{% url 'keys:rename_consumer' 'production' name %} {% url 'keys:page' %}")
    said = []
    for path in ("/keys/", "/admin/keys/consumer/", "/keys/"):
        request = rf.get(path)
        request.resolver_match, request.user = resolve(path), AnonymousUser()
        request.visit, request.reference = None, ""
        said.append(template.render({"name": "acme"}, request))
        request.current_app = "keys"
        assert template.render({"name": "acme"}, request) == said[0], "as on error pages, which lead to the portal"
    for app, words in zip(APPS, said, strict=True):
        renaming = reverse("keys:rename_consumer", args=["production", "acme"], current_app=app)
        assert words == f"{renaming} {reverse('keys:page', current_app=app)}"


def test_an_address_that_leads_nowhere_is_an_error_or_nothing_where_it_is_asked_for() -> None:
    with pytest.raises(NoReverseMatch):
        engines["django"].from_string("{% url 'nowhere' 1 %}").render()
    assert engines["django"].from_string("{% url 'nowhere' 1 as at %}[{{ at }}]").render() == "[]"


def test_an_included_template_sees_the_page_and_what_it_is_given() -> None:
    template = engines["django"].from_string('{% include "keys/_notice.html" with level="error" %}[{{ level }}]')
    for text in ("for Ann", "for <Ben>"):
        page = template.render({"text": text})
        assert escape(text) in page
        assert 'role="alert"' in page
        assert page.endswith("[]")


def test_templates_of_the_portal_need_no_load() -> None:
    """All tags are built in; those of Django and heroicons that they stand for are slower, and draw the same."""
    needless = {"i18n", "static", "heroicons", "portal", "keys"}
    loads = {path: loaded(path) for path in TEMPLATES.rglob("*.*") if not is_of_keys(path)}
    assert loads
    assert [path for path, names in loads.items() if needless & names] == []


def test_templates_of_keys_are_drawn_without_anything_of_the_portal() -> None:
    """In a host project nothing is built in: they load their tags themselves, and take partials of keys alone."""
    own = {app: f"{app}.templatetags.{app}" for app in ("keys", "plans")}
    bare = Engine(libraries=own | {"admin_list": "django.contrib.admin.templatetags.admin_list"})
    paths = [path for path in [*TEMPLATES.rglob("*.*"), *SHELL.rglob("*.*")] if is_of_keys(path)]
    assert len(paths) > 50
    for path in paths:
        text = path.read_text()
        bare.from_string(text)  # raises TemplateSyntaxError at a tag that is not loaded
        assert loaded(path) <= {"keys", "plans", "admin_list"}, path
        taken = set(re.findall(r"""{% (?:include|include_fixed|include_stencil|extends) "([^"]+)""", text))
        hosts = {"base.html"} if path.parent.parent == SHELL else {f"admin/{name}.html" for name in OF_DJANGO}
        assert {name for name in taken - hosts if not re.match("(admin/)?(keys|plans)/", name)} == set(), path


def loaded(path: Path) -> set[str]:
    return {*" ".join(re.findall(r"{% load ([\w ]+) %}", path.read_text())).split()}


def is_of_keys(path: Path) -> bool:
    return bool({"keys", "plans"} & {*path.relative_to(TEMPLATES.parent).parts[1:-1]})


def test_what_a_page_is_about_is_let_go_as_soon_as_it_is_drawn(rf: RequestFactory) -> None:
    class Subject:
        pass

    request = rf.get("/")
    request.user, request.visit, request.reference = AnonymousUser(), None, ""
    subject = Subject()
    gone = weakref.ref(subject)
    gc.disable()
    try:
        assert engines["django"].get_template("keys/_copy_by_hand.html").render({"subject": subject}, request)
        del subject
        assert gone() is None
    finally:
        gc.enable()
