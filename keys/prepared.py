"""Prepared queries: SQL that Django puts together once, and that is sent with other values each time.

To put it together took several times as long as SQLite took to answer it. The query stays one of the ORM's: its
conditions are written as ever, with a `Blank` where a value will stand. Nothing of an answer is kept.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection
from django.db.models import Expression, Field, QuerySet


class Blank(Expression):
    """Placeholder: stands in a condition for the value of that name; the field says how a database writes it."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", [self]


class Prepared:
    """A query by `values_list`; `build` makes it, of as many names for blanks as there are several values."""

    def __init__(self, build: Callable[[list[str]], QuerySet[Any, Any]]) -> None:
        self.build = build
        self._known: dict[tuple[str, int], tuple[str, Sequence[Any], dict[int, Any]]] = {}

    def rows(self, several: Sequence[Any] = (), **values: Any) -> list[list[Any]]:
        """The rows for these values."""
        # The last one fills up to a power of two: so few queries serve all numbers.
        room = 1 << (len(several) - 1).bit_length() if several else 0
        known = self._known.get((connection.vendor, room)) or self._prepare(room)
        sql, places, converters = known
        values |= {str(number): several[min(number, len(several) - 1)] for number in range(room)}
        with connection.cursor() as cursor:
            cursor.execute(sql, [self._written(place, values) for place in places])
            rows = [list(row) for row in cursor.fetchall()]
        for column, (functions, expression) in converters.items():
            for row in rows:
                for function in functions:
                    row[column] = function(row[column], expression, connection)
        return rows

    def _prepare(self, room: int) -> tuple[str, Sequence[Any], dict[int, Any]]:
        compiler = self.build([str(number) for number in range(room)]).query.get_compiler(connection=connection)
        sql, places = compiler.as_sql()
        converters = compiler.get_converters([column for column, *_sql in compiler.select])
        self._known[connection.vendor, room] = known = sql, places, converters
        return known

    def _written(self, place: Any, values: dict[str, Any]) -> Any:
        if not isinstance(place, Blank):
            return place
        return place.output_field.get_db_prep_value(values[place.name], connection)
