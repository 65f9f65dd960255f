"""Memoised template tags: those of Django's `i18n` and `static` and of heroicons, for `{% load keys %}`.

Texts, files, addresses and icons that a template names are the same each time, so they are looked up once for each
language (and set of URLs, where a site has several). To look them up anew took a fifth of a page.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.conf import STATICFILES_STORAGE_ALIAS
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.files.storage import storages
from django.template import Library, Node
from django.template.base import Parser, Token
from django.template.context import Context
from django.template.defaulttags import URLNode, url
from django.template.loader_tags import do_include
from django.templatetags import i18n, static
from django.urls import get_script_prefix, get_urlconf
from django.utils.module_loading import import_string
from django.utils.translation import get_language
from heroicons.templatetags import heroicons

INDENTATION = re.compile(r"\s*\n\s*")

register = Library()
register.tags |= i18n.register.tags | static.register.tags
register.filters |= i18n.register.filters
for _draw in (heroicons.heroicon_micro, heroicons.heroicon_mini, heroicons.heroicon_outline, heroicons.heroicon_solid):
    register.simple_tag(lru_cache(maxsize=256)(_draw))


class MemoisedNode(Node):
    """Memoised node: the output of another one, kept for each language, and place of the site."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.said: dict[tuple[str | None, ...], str] = {}

    def render(self, context: Context) -> str:
        here = get_language(), get_script_prefix(), get_urlconf()
        if here not in self.said:
            self.node.origin = self.origin  # which the parser tells the outer node only
            self.said[here] = INDENTATION.sub("\n", self.node.render(context))
        return self.said[here]


def _memoised_where(names_nothing: Callable[[Any], bool], tag: Callable[[Parser, Token], Node]) -> Any:
    def compiled(parser: Parser, token: Token) -> Node:
        node = tag(parser, token)
        return MemoisedNode(node) if names_nothing(node) else node

    return compiled


def _is_text(node: i18n.TranslateNode) -> bool:
    text = node.filter_expression
    return text.var.literal is not None and not (text.filters or node.asvar or node.message_context)


def _is_file(node: static.StaticNode) -> bool:
    """True for a file whose address stays: some storages sign theirs for a time."""
    kind = import_string(storages.backends[STATICFILES_STORAGE_ALIAS]["BACKEND"])  # type: ignore[index]
    return issubclass(kind, StaticFilesStorage) and not (node.path.is_var or node.path.filters or node.varname)


def _is_address(node: URLNode) -> bool:
    view = node.view_name
    return not (view.is_var or view.filters or node.args or node.kwargs or node.asvar)


register.tag("translate", _memoised_where(_is_text, i18n.do_translate))
register.tag("static", _memoised_where(_is_file, static.do_static))
register.tag("url", _memoised_where(_is_address, url))


@register.tag
def include_fixed(parser: Parser, token: Token) -> Node:
    """Memoised `{% include %}` of a template that needs no variables, and is given none: the same for everybody."""
    included = do_include(parser, token)
    included.isolated_context = True
    return MemoisedNode(included)
