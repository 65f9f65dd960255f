"""Template loader: pages without the indentation of their templates and their last newlines, a fiftieth of a page."""

import re

from django.template import Origin
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
