"""Static files finder: bundles of stylesheets and scripts that pages always name together.

A browser that has never been here asks three times instead of six, and for no comments. The sources stay what they are,
with their comments, and so does the address of each: a host project of `keys`, and Django admin, name them one by one.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

from django.contrib.staticfiles import finders
from django.core.files.storage import FileSystemStorage

BUNDLES = {
    "keys/css/site.css": ("tokens.css", "base.css", "components.css"),
    "keys/css/page.css": ("keys.css",),
    "keys/js/shell.js": ("site.js",),
    "keys/js/page.js": ("copy.js", "keys.js"),
}
"""Each with the files beside it of which it is made, in their order."""

COMMENT = re.compile(
    r"^[ \t]*(/\*(?:(?!\*/).)*\*/|//[^\n]*)\n+|[ \t]+/\*(?:(?!\*/)[^\n])*\*/$", re.DOTALL | re.MULTILINE
)
INDENT = re.compile(r"^\s+", re.MULTILINE)


class BundleFinder(finders.BaseFinder):
    """Makes a bundle when somebody looks for it: `collectstatic` once, a development server each time."""

    def check(self, **_kwargs: Any) -> list[Any]:
        return []

    def find(self, path: str, find_all: bool = False, **_kwargs: Any) -> Any:
        found = [self._made(path)] if path in BUNDLES else []
        return found if find_all else next(iter(found), [])

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, FileSystemStorage]]:
        for name in BUNDLES:
            self._made(name)
            yield name, FileSystemStorage(_folder().name)

    def _made(self, name: str) -> str:
        with MAKING:
            made = Path(_folder().name, name)
            text = bundled(name)
            if not made.exists() or made.read_text(encoding="utf-8") != text:
                made.parent.mkdir(parents=True, exist_ok=True)
                part = made.with_suffix(".part")
                part.write_text(text, encoding="utf-8")
                part.replace(made)  # at once: somebody may be reading it
            return str(made)


MAKING = Lock()
"""One bundle at a time: a browser asks for all at once, and of two folders made at once one goes, with its files."""


@cache
def _folder() -> TemporaryDirectory[str]:
    """One for all finders, as of two requests at once each may make one, and Django drops one of these.

    Made when a bundle is wanted: where all is read-only, the files were collected before.
    """
    return TemporaryDirectory(prefix="portal-bundles-")


def bundled(name: str) -> str:
    """The sources one after the other, without indents, and without comments but those behind code with `//`."""
    folder, _, _file = name.rpartition("/")
    text = "".join(_source(f"{folder}/{part}") for part in BUNDLES[name])
    return INDENT.sub("", COMMENT.sub("", text))


def _source(name: str) -> str:
    path = finders.find(name)
    if not path:
        raise FileNotFoundError(f"{name} is in none of the folders of static files.")
    return Path(path).read_text(encoding="utf-8")
