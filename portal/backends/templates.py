"""Template engine: Django's, without indents and last newlines, a fiftieth of a page, and without what pages leave.

A context of Django's holds itself, and with it all that a page is about, until the garbage collector comes by: of
somebody with a thousand consumers some megabytes.
"""

import re
from typing import Any

from django.template import Origin, TemplateDoesNotExist
from django.template.backends.django import DjangoTemplates, reraise
from django.template.backends.django import Template as DjangosTemplate
from django.template.context import make_context
from django.template.loaders import filesystem

KEPT_OR_INDENT = re.compile(
    r"(<(pre|textarea)\b.*?</\2>|{% *blocktrans.*?endblocktrans(?:late)? *%})|^[ \t]+", re.DOTALL | re.MULTILINE
)
"""Texts kept as they are, and indents that go. Lines stay, so that an error in a template is told with its line."""


class Loader(filesystem.Loader):
    def get_contents(self, origin: Origin) -> str:
        contents = super().get_contents(origin)
        if not origin.name.endswith(".html"):
            return contents
        return KEPT_OR_INDENT.sub(lambda found: found[1] or "", contents).rstrip()


class Template(DjangosTemplate):
    """One that lets go of what it was given as soon as it is drawn."""

    def render(self, context: Any = None, request: Any = None) -> Any:
        used = make_context(context, request, autoescape=self.backend.engine.autoescape)
        try:
            return self.template.render(used)
        except TemplateDoesNotExist as missing:
            reraise(missing, self.backend)
        finally:
            used.dicts.clear()


class Engine(DjangoTemplates):
    def get_template(self, template_name: str) -> Template:
        return Template(super().get_template(template_name).template, self)
