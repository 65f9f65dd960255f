"""Memoised template tags: those of Django's `i18n` and `static` and of heroicons, for `{% load keys %}`.

Texts, files, addresses and icons that a template names are the same each time, so they are looked up once for each
language (and set of URLs, where a site has several). To look them up anew took a fifth of a page. Nothing that a page
says about anybody is kept for anybody else: of a stencil only what stands around the blanks, and an address that names
a consumer or a key under these names.
"""

import html
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import STATICFILES_STORAGE_ALIAS
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.files.storage import storages
from django.template import Library, Node
from django.template.base import NodeList, Parser, Token
from django.template.context import Context
from django.template.defaulttags import URLNode, url
from django.template.loader_tags import (
    BLOCK_CONTEXT_KEY,
    BlockContext,
    BlockNode,
    ExtendsNode,
    IncludeNode,
    construct_relative_path,
    do_extends,
    do_include,
)
from django.templatetags import i18n, static
from django.urls import NoReverseMatch, get_script_prefix, get_urlconf, reverse
from django.utils.html import conditional_escape
from django.utils.module_loading import import_string
from django.utils.safestring import SafeData, SafeString
from django.utils.translation import get_language
from heroicons.templatetags import heroicons

INDENTATION = re.compile(r"\s*\n\s*")

register = Library()
register.tags |= i18n.register.tags | static.register.tags
register.filters |= i18n.register.filters
for _draw in (heroicons.heroicon_micro, heroicons.heroicon_mini, heroicons.heroicon_outline, heroicons.heroicon_solid):
    register.simple_tag(lru_cache(maxsize=256)(_draw))


class MemoisedNode(Node):
    """Memoised node: the output of another one, kept for each language or place of the site, or both."""

    def __init__(self, node: Node, where: Callable[[Context], object]) -> None:
        self.node = node
        self.where = where
        self.said: dict[object, str] = {}

    def render(self, context: Context) -> str:
        here = self.where(context)
        if here not in self.said:
            self.node.origin = self.origin  # which the parser tells the outer node only
            self.said[here] = INDENTATION.sub("\n", self.node.render(context))
        return self.said[here]


class StencilNode(Node):
    """Stencil: an included template of which all is kept but the texts it is given, for each language and kind of page.

    A text that is not empty leaves a blank, which is filled in, and escaped, each time; of anything else the template
    learns only whether it is true. So a template may ask whether it has a text, and print it, and nothing else. Of a
    dictionary it is given what that holds; of `each`, a list of them, one after the other, to be filled in each time.
    """

    BLANK = re.compile("\ue000(\\w+)\ue001")
    BETWEEN_LINES = re.compile(r"(<pre.*?</pre>)|\s*\n\s*", re.DOTALL)

    def __init__(self, include: IncludeNode, body: NodeList | None = None) -> None:
        self.include = include
        self.nodelist = body
        self.drawn: dict[tuple[object, ...], tuple[list[str], list[str]]] = {}

    def render(self, context: Context) -> SafeString:
        values: dict[str, Any] = {}
        for name, given in self.include.extra_context.items():
            value = given.resolve(context)
            values |= value if isinstance(value, dict) else {name: value}
        if self.nodelist is not None:
            values["body"] = SafeString(self.nodelist.render(context).strip())
        each, here = values.pop("each", ({},)), here_in(context)
        return SafeString("".join([self._filled_in(context, here, values | one) for one in each]))

    def _filled_in(self, context: Context, here: object, values: dict[str, Any]) -> str:
        are_texts = [isinstance(value, str) if value else None for value in values.values()]
        kind = here, *values, *are_texts
        if kind not in self.drawn:
            self.drawn[kind] = self._draw(context, dict(zip(values, are_texts, strict=True)))
        parts, blanks = self.drawn[kind]
        texts = {name: _escaped(values[name]) for name in set(blanks)}
        parts = parts.copy()
        parts[1::2] = [texts[name] for name in blanks]
        return "".join(parts)

    def _draw(self, context: Context, is_text: dict[str, bool | None]) -> tuple[list[str], list[str]]:
        """Text before, between and after the blanks, in between each blank's name; and these names by themselves."""
        template = context.template.engine.get_template(self.include.template.resolve(context))  # type: ignore[union-attr]
        told = {name: SafeString(f"\ue000{name}\ue001") if one else one is False or "" for name, one in is_text.items()}
        drawn = template.render(context.new(told))
        parts = self.BLANK.split(self.BETWEEN_LINES.sub(lambda found: found[1] or "\n", drawn))
        return parts, parts[1::2]


def _escaped(text: str) -> str:
    return text.__html__() if isinstance(text, SafeData) else html.escape(text)


class Here(NamedTuple):
    """Language and place of the site, on which texts and addresses depend."""

    language: str | None
    prefix: str
    urlconf: str | None
    app: str | None


def here_in(context: Context) -> Here:
    """Asked for once a page, as each part of it stands behind a lock: thirty times took a fortieth of a page."""
    here: Here | None = getattr(context, "here", None)
    if here is None:
        here = Here(get_language(), get_script_prefix(), get_urlconf(), _app(context))
        context.here = here  # type: ignore[attr-defined]
    return here


class LanguageNode(Node):
    """`{% language %}`, inside which texts are asked for anew."""

    def __init__(self, node: i18n.LanguageNode) -> None:
        self.node = node
        self.nodelist = node.nodelist

    def render(self, context: Context) -> str:
        here, context.here = here_in(context), None  # type: ignore[attr-defined]
        said: str = self.node.render(context)
        context.here = here  # type: ignore[attr-defined]
        return said


@register.tag
def language(parser: Parser, token: Token) -> Node:
    return LanguageNode(i18n.language(parser, token))


def _memoised_where(
    names_nothing: Callable[[Any], bool], tag: Callable[[Parser, Token], Node], where: Callable[[Context], object]
) -> Any:
    def compiled(parser: Parser, token: Token) -> Node:
        node = tag(parser, token)
        return MemoisedNode(node, where) if names_nothing(node) else node

    return compiled


def _is_text(node: i18n.TranslateNode) -> bool:
    text = node.filter_expression
    return text.var.literal is not None and not (text.filters or node.asvar or node.message_context)


def _is_file(node: static.StaticNode) -> bool:
    """True for a file whose address stays: some storages sign theirs for a time."""
    kind = import_string(storages.backends[STATICFILES_STORAGE_ALIAS]["BACKEND"])  # type: ignore[index]
    return issubclass(kind, StaticFilesStorage) and not (node.path.is_var or node.path.filters or node.varname)


class AddressNode(Node):
    """`{% url %}` of a view that is named outright, with what stands in its address."""

    def __init__(self, node: URLNode) -> None:
        self.view_name, self.args, self.asvar = node.view_name.var, node.args, node.asvar

    def render(self, context: Context) -> str:
        args = tuple(arg.resolve(context) for arg in self.args)
        try:
            found = address(self.view_name, args, here_in(context))
        except NoReverseMatch:
            if not self.asvar:
                raise
            found = ""
        if not self.asvar:
            return conditional_escape(found) if context.autoescape else found
        context[self.asvar] = found
        return ""


def _app(context: Context) -> str | None:
    """Instance of an app in which an address is looked for first: keys in the portal, or keys in Django admin."""
    request: Any = getattr(context, "request", None)
    match = getattr(request, "resolver_match", None)
    app: str | None = getattr(request, "current_app", match.namespace if match else None)
    return app


@lru_cache(maxsize=1024)
def address(view: str, args: tuple[Any, ...], here: Here) -> str:
    """URL of a view there, with what stands in it."""
    return reverse(view, args=args, current_app=here.app)


@register.tag("url")
def memoised_url(parser: Parser, token: Token) -> Node:
    node = url(parser, token)
    view = node.view_name
    if not isinstance(view.var, str) or view.filters or node.kwargs:
        return node
    return AddressNode(node) if node.args or node.asvar else MemoisedNode(node, here_in)


class IncludedNode(IncludeNode):
    """`{% include %}` of a template that is named outright: looked up once, not once a page."""

    found: Any = None

    def render(self, context: Context) -> SafeString:
        if self.found is None:
            name = construct_relative_path(str(self.origin.template_name), self.template.var)
            self.found = context.template.engine.get_template(name)  # type: ignore[union-attr]
        with context.push(**{name: value.resolve(context) for name, value in self.extra_context.items()}):
            rendered: SafeString = self.found.render(context)
            return rendered


@register.tag("include")
def memoised_include(parser: Parser, token: Token) -> Node:
    node = do_include(parser, token)
    if isinstance(node.template.var, str) and not (node.template.filters or node.isolated_context):
        return IncludedNode(node.template, extra_context=node.extra_context)
    return node


class ExtendingNode(ExtendsNode):
    """`{% extends %}` of a template that is named outright: it and its blocks are looked up once, not once a page."""

    found: Any = None

    def render(self, context: Context) -> SafeString:
        if self.found is None:
            parent = self.get_parent(context)
            extends_again = any(isinstance(node, ExtendsNode) for node in parent.nodelist)
            blocks = [] if extends_again else parent.nodelist.get_nodes_by_type(BlockNode)
            self.found = parent, {block.name: block for block in blocks if isinstance(block, BlockNode)}
        parent, blocks = self.found
        if BLOCK_CONTEXT_KEY not in context.render_context:
            context.render_context[BLOCK_CONTEXT_KEY] = BlockContext()
        context.render_context[BLOCK_CONTEXT_KEY].add_blocks(self.blocks)
        context.render_context[BLOCK_CONTEXT_KEY].add_blocks(blocks)
        with context.render_context.push_state(parent, isolated_context=False):
            rendered: SafeString = parent._render(context)
            return rendered


@register.tag("extends")
def memoised_extends(parser: Parser, token: Token) -> Node:
    node = do_extends(parser, token)
    name: Any = node.parent_name
    return ExtendingNode(node.nodelist, name) if isinstance(name.var, str) and not name.filters else node


register.tag("translate", _memoised_where(_is_text, i18n.do_translate, lambda context: here_in(context).language))
register.tag("static", _memoised_where(_is_file, static.do_static, lambda context: here_in(context).prefix))


@register.tag
def include_fixed(parser: Parser, token: Token) -> Node:
    """Memoised `{% include %}` of a template that needs no variables, and is given none: the same for everybody."""
    included = do_include(parser, token)
    included.isolated_context = True
    return MemoisedNode(included, here_in)


@register.tag
def include_stencil(parser: Parser, token: Token) -> StencilNode:
    """`{% include %}` of a template that uses nothing but what `with` gives it, see `StencilNode`."""
    return StencilNode(do_include(parser, token))


@register.tag
def stencil(parser: Parser, token: Token) -> StencilNode:
    """The same around what stands between it and `{% endstencil %}`: that is drawn each time, and given as `body`."""
    include, body = do_include(parser, token), parser.parse(("endstencil",))
    parser.delete_first_token()
    return StencilNode(include, body)
