"""CSV export: streamed, and safe from CSV injection (cells that a spreadsheet would carry out as formulas)."""

import csv
import re
from collections.abc import Iterable, Iterator

from django.http import StreamingHttpResponse

FORMULA = re.compile(r"(^|[;\t\r\n])( *)(?=[=+\-@|%\t\r\n])")
"""CSV injection: where a text begins that a spreadsheet may carry out instead of showing it.

Also within a cell, after what ends one elsewhere: Excel in German or Spanish splits lines at semicolons.
"""


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line


def csv_response(name: str, header: Iterable[object], rows: Iterable[Iterable[object]]) -> StreamingHttpResponse:
    response = StreamingHttpResponse(_lines(header, rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _lines(header: Iterable[object], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield "\ufeff"  # without this mark Excel reads it in an alphabet of its own
    yield writer.writerow(list(header))
    for row in rows:
        yield writer.writerow([harmless_cell(value) for value in row])


def harmless_cell(value: object) -> str:
    return FORMULA.sub(r"\1'\2", str(value))
