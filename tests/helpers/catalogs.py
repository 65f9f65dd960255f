"""Reads the catalogs of texts, as translators write them and as the portal reads them."""

import ast
import gettext
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

LANGUAGES = ["de", "es"]
LOCALE = Path(settings.BASE_DIR) / "locale"


@dataclass
class Entry:
    context: str = ""
    id: str = ""
    plural: str = ""
    texts: dict[int, str] = field(default_factory=dict)
    is_fuzzy: bool = False

    @property
    def key(self) -> str:
        """As gettext looks it up."""
        return f"{self.context}\x04{self.id}" if self.context else self.id


def source(language: str, folder: Path = LOCALE) -> Path:
    return folder / language / "LC_MESSAGES" / "django.po"


def written(path: Path) -> list[Entry]:
    """The entries of a .po file, without its header."""
    return [entry for entry in _entries(path.read_text(encoding="utf-8")) if entry.id]


def compiled(language: str) -> dict[object, str]:
    """Translations in the .mo file for each text, or for each text and number of its plural form."""
    with source(language).with_suffix(".mo").open("rb") as file:
        return {key: text for key, text in gettext.GNUTranslations(file)._catalog.items() if key}


def _entries(text: str) -> Iterator[Entry]:
    line = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr)?(?:\[(\d)\])? ?(".*")')
    for block in re.split(r"\n{2,}", text):
        entry, name, number = Entry(is_fuzzy=bool(re.search(r"^#,.*\bfuzzy\b", block, re.M))), "", 0
        for found in filter(None, map(line.fullmatch, block.splitlines())):
            if found[1]:
                name, number = found[1], int(found[2] or 0)
            words = ast.literal_eval(found[3])
            if name == "msgctxt":
                entry.context += words
            elif name == "msgid":
                entry.id += words
            elif name == "msgid_plural":
                entry.plural += words
            else:
                entry.texts[number] = entry.texts.get(number, "") + words
        yield entry
