"""System checks: what is wrong with the settings of a project that uses this app; each with the cure."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.apps import apps
from django.contrib.admin.sites import site
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ViewDoesNotExist
from django.core.validators import slug_re
from django.db import DEFAULT_DB_ALIAS, router
from django.shortcuts import resolve_url
from django.template import Context, NodeList, Template, TemplateDoesNotExist, TemplateSyntaxError
from django.template.loader import get_template
from django.template.loader_tags import BlockNode, ExtendsNode
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse
from django.utils.module_loading import import_string

from keys.conf import DEFAULTS, settings
from keys.models import AuditEvent, Consumer
from keys.provisioning import Provisioning
from keys.web.portal_or_admin import ADMIN

Kind = TypeVar("Kind", ExtendsNode, BlockNode)
SEAMS = [name for name, default in DEFAULTS.items() if isinstance(default, str) and default.startswith("keys.")]
"""Settings that name something of the host project's by its dotted path."""
CALLED = {"KEYS_ACTOR", "KEYS_EMAIL_IS_VERIFIED"}
"""Those that may also be the function itself."""
ALL_OF_IT = "keys.middleware.KeysMiddleware"
BEFORE = {
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
}
APPS = ["django.contrib.auth", "django.contrib.messages", "django.contrib.staticfiles", "django_htmx"]
CONTEXT = ["django.template.context_processors.request", "django.contrib.messages.context_processors.messages"]
BLOCKS = {"keys_head", "keys_content", "keys_dialogs"}


@register()
def developer_api(**_kwargs: Any) -> Iterator[CheckMessage]:
    for name in ("ZUPLO_ACCOUNT", "ZUPLO_API_KEY"):
        if not getattr(settings, name):
            hint = f"Set {name} in KEYS, from your Zuplo account's settings; read secrets from the environment."
            yield Error(f"{name} isn't set.", hint=hint, id="keys.E001")
    buckets = settings.ZUPLO_BUCKETS
    if not (isinstance(buckets, dict) and buckets):
        hint = 'Name your environments with their buckets in KEYS: "ZUPLO_BUCKETS": {"production": "zprj-..."}.'
        yield Error("ZUPLO_BUCKETS names no bucket.", hint=hint, id="keys.E002")
        return
    for name, bucket in buckets.items():
        if name in PAGES or not slug_re.fullmatch(name):
            hint = "Give it another name, of letters, digits and hyphens: it's part of URLs, where these are taken."
            yield Error(f"ZUPLO_BUCKETS has an environment called {name}.", hint=hint, id="keys.E002")
        if not bucket:
            hint = "Copy its name, zprj-..., from your Zuplo project's settings."
            yield Error(f"ZUPLO_BUCKETS has no bucket for {name}.", hint=hint, id="keys.E002")


PAGES = {"activity", "ask", "calendar", "create", "reminders"}
"""Names that addresses have where those of environments stand."""


@register()
def values(**_kwargs: Any) -> Iterator[CheckMessage]:
    """Check `KEYS` itself: a name that nobody reads, a value of another kind than its default."""
    for name, value in getattr(settings, "KEYS", {}).items():
        if name not in DEFAULTS:
            near = get_close_matches(name, DEFAULTS, n=1)
            hint = f"Did you mean {near[0]}?" if near else "docs/embedding.md lists them all."
            yield Error(f"KEYS has {name}, which isn't a setting.", hint=hint, id="keys.E003")
        elif not _fits(name, value):
            hint = f"Its default is {DEFAULTS[name]!r}."
            kind = type(DEFAULTS[name]).__name__
            yield Error(f"{name} must be {kind}, not {type(value).__name__}.", hint=hint, id="keys.E004")


def _fits(name: str, value: Any) -> bool:
    kind = type(DEFAULTS[name])
    also = {float: (int,), list: (tuple,)}.get(kind, ())
    return type(value) in (kind, *also) or (name in CALLED and callable(value))


@register()
def seams(**_kwargs: Any) -> Iterator[CheckMessage]:
    for name in [*SEAMS, "KEYS_PANELS"]:
        path = getattr(settings, name)
        if not isinstance(path, str) or not path:
            continue
        try:
            found = import_string(path)
        except (ImportError, RuntimeError) as problem:
            hint = "Write its dotted path, and put its module where Python finds it."
            if isinstance(problem, RuntimeError):  # so Django calls a model of an app that isn't installed
                hint = f"Add its app to INSTALLED_APPS: {path.partition('.')[0]!r}."
            yield Error(f"{name} names {path}, which can't be imported: {problem}.", hint=hint, id="keys.E005")
            continue
        if name == "KEYS_PROVISIONING" and not (isinstance(found, type) and issubclass(found, Provisioning)):
            words = f"{name} names {path}, which isn't a keys.provisioning.Provisioning."
            yield Error(words, hint="Derive your class from it.", id="keys.E006")
        elif not callable(found):
            hint = "Name a function or a class."
            yield Error(f"{name} names {path}, which can't be called.", hint=hint, id="keys.E006")
    if all(getattr(settings, name) == DEFAULTS[name] for name in CALLED):
        hint = "Name a function in KEYS_EMAIL_IS_VERIFIED that says whether a user's email address is verified."
        yield Warning("No email address counts as verified, so nobody sees any keys.", hint=hint, id="keys.W001")


@register()
def project(**_kwargs: Any) -> Iterator[CheckMessage]:
    for name in APPS:
        if not apps.is_installed(name):
            yield Error(f"{name} isn't installed.", hint=f"Add it to INSTALLED_APPS: {name!r}.", id="keys.E007")
    if (database := router.db_for_write(AuditEvent)) != DEFAULT_DB_ALIAS:
        hint = "Have your DATABASE_ROUTERS leave the app keys in the database that is called default."
        yield Error(f"The tables of keys are in the database {database}.", hint=hint, id="keys.E014")
    yield from _middleware()
    yield from _addresses()
    if not settings.PORTAL_URL:
        hint = 'Name your site in KEYS: "PORTAL_URL": "https://example.com".'
        yield Error("PORTAL_URL isn't set, so links in emails would lead nowhere.", hint=hint, id="keys.E011")


def _middleware() -> Iterator[CheckMessage]:
    listed = list(settings.MIDDLEWARE)
    if not any(getattr(import_string(path), "explains_api_errors", False) for path in listed):
        hint = f"Add {ALL_OF_IT!r} as the last of MIDDLEWARE."
        yield Error(f"{ALL_OF_IT} is missing.", hint=hint, id="keys.E008")
    elif ALL_OF_IT in listed and BEFORE & set(listed[listed.index(ALL_OF_IT) :]):
        hint = "Put it below those of sessions, sign-in and messages: as the last of MIDDLEWARE."
        yield Error(f"{ALL_OF_IT} comes too early.", hint=hint, id="keys.E008")


def _addresses() -> Iterator[CheckMessage]:
    includes = {"keys:page": 'path("keys/", include("keys.urls"))'}
    if apps.is_installed("django.contrib.admin") and site.is_registered(Consumer):
        includes[f"{ADMIN}:page"] = (
            f'path("admin/keys/", include("keys.staff.urls", namespace="{ADMIN}")), above that of admin.site.urls'
        )
    for name, line in includes.items():
        hint = f"Add to your urls.py: {line}."
        if (address := address_named(name)) is None:
            yield Error(f"There's no URL named {name}.", hint=hint, id="keys.E009")
        elif name_at(address) != name:
            words = f"What stands above the URL named {name} in your urls.py answers {address} in its place."
            yield Error(words, hint=hint.replace("Add to", "Move up in"), id="keys.E009")
    for name in ("KEYS_STEP_UP_URL", "KEYS_ADDRESSES_URL", "KEYS_STAFF_URL", "LOGIN_URL"):
        address = getattr(settings, name)
        try:
            resolve_url(address) if address else None
        except NoReverseMatch:
            hint = "Use the name of a URL pattern, or a path that begins with /."
            yield Error(f"{name} is {address!r}, which leads nowhere.", hint=hint, id="keys.E010")

    if (path := path_of(settings.LOGIN_URL)) and name_at(path) is None:
        hint = 'Name your page of sign-in in LOGIN_URL, as in LOGIN_URL = "login".'
        yield Warning(f"LOGIN_URL leads to {path}, where your urls.py has no page.", hint=hint, id="keys.W002")


def address_named(name: str) -> str | None:
    """Path of the URL pattern of this name; None if there is none."""
    try:
        return reverse(name)
    except (NoReverseMatch, ViewDoesNotExist):
        return None


def path_of(address: Any) -> str:
    """The path on this site that a setting leads to, by name or as it is; "" if it leads nowhere or elsewhere."""
    try:
        url = urlsplit(str(resolve_url(address)))
    except NoReverseMatch:
        return ""
    return "" if url.netloc else url.path


def name_at(path: str) -> str | None:
    """Name of the URL pattern that answers a path; None if none does."""
    try:
        return resolve("/" + path.removeprefix(get_script_prefix())).view_name
    except Resolver404:
        return None


@register()
def templates(**_kwargs: Any) -> Iterator[CheckMessage]:
    """Check that what a page of keys says is shown by the templates around it, which are the host project's."""
    try:
        page: Template = get_template("keys/page.html").template  # type: ignore[attr-defined]
        missing = BLOCKS - blocks_shown(page)
    except TemplateDoesNotExist as problem:
        hint = (
            "Pages of keys extend your base.html. Turn on APP_DIRS, and put base.html into your templates, or a "
            "keys/base.html of your own: see docs/embedding.md."
        )
        yield Error(f"The template {problem} doesn't exist.", hint=hint, id="keys.E012")
        return
    except TemplateSyntaxError as problem:
        yield Error(f"A template can't be read: {problem}", hint="See docs/embedding.md.", id="keys.E012")
        return
    if missing:
        hint = (
            "Put {% block extra_head %} (into its head), {% block content %} and {% block title %} into base.html, or "
            "write a keys/base.html with your own: see docs/embedding.md."
        )
        words = f"Your base template leaves out blocks of keys/base.html: {', '.join(sorted(missing))}."
        yield Error(words, hint=hint, id="keys.E012")
    processors = getattr(page.engine, "context_processors", ())
    for name in CONTEXT:
        if name not in processors:
            hint = "Add it to the context_processors of TEMPLATES."
            yield Error(f"The context processor {name} is missing.", hint=hint, id="keys.E013")


def blocks_shown(template: Template) -> set[str]:
    """Names of the blocks that are drawn: those in the template furthest up, and those inside them, as overridden."""
    chain, context = [template], Context()
    with context.bind_template(template):
        while extends := next(iter(_nodes(chain[-1].nodelist, ExtendsNode)), None):
            chain.append(extends.get_parent(context))
    nearest: dict[str, BlockNode] = {}
    for one in reversed(chain):
        nearest |= {block.name: block for block in _nodes(one.nodelist, BlockNode)}
    shown: set[str] = set()
    waiting = _blocks_in(chain[-1].nodelist)
    while waiting:
        name = waiting.pop()
        if name not in shown:
            shown.add(name)
            waiting += _blocks_in(nearest[name].nodelist)
    return shown


def _blocks_in(nodes: NodeList) -> list[str]:
    return [block.name for block in _nodes(nodes, BlockNode)]


def _nodes(nodes: NodeList, kind: type[Kind]) -> list[Kind]:
    return [node for node in nodes.get_nodes_by_type(kind) if isinstance(node, kind)]
