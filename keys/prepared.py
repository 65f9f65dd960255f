"""Prepared queries: SQL that Django puts together once, and that is sent with other values each time.

To put it together took several times as long as SQLite took to answer it. The query stays one of the ORM's: its
conditions are written as ever, with a `Blank` where a value will stand. Nothing of an answer is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.models import CharField, Expression, Field, Model, QuerySet, TextField
from django.db.models.signals import post_save
from django.db.models.sql import InsertQuery, UpdateQuery

Row = TypeVar("Row", bound=Model)


class Blank(Expression):
    """Placeholder: stands in a condition for the value of that name; the field says how a database writes it."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name
        self.is_text = type(field) in {CharField, TextField}

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", [self]

    def written(self, value: Any, connection: Any) -> Any:
        """The value as the database takes it; a text, of which a list of names has a thousand, is so already."""
        if self.is_text and type(value) is str:
            return value
        return self.output_field.get_db_prep_value(value, connection)


class Prepared:
    """A query by `values_list`; `build` makes it, of as many names for blanks as there are several values."""

    def __init__(self, build: Callable[[list[str]], QuerySet[Any, Any]]) -> None:
        self.build = build
        self._known: dict[tuple[str, int], tuple[str, Sequence[Any], dict[int, Any]]] = {}

    def rows(self, several: Sequence[Any] = (), **values: Any) -> list[list[Any]]:
        """The rows for these values."""
        # The last one fills up to a power of two: so few queries serve all numbers.
        room = 1 << (len(several) - 1).bit_length() if several else 0
        connection = _connection()
        known = self._known.get((connection.vendor, room)) or self._prepare(connection, room)
        sql, places, converters = known
        filled = [*several, *list(several[-1:]) * (room - len(several))]
        values |= {str(number): value for number, value in enumerate(filled)}
        with connection.cursor() as cursor:
            cursor.execute(sql, _written(connection, places, values))
            rows = [list(row) for row in cursor.fetchall()]
        for column, (functions, expression) in converters.items():
            for row in rows:
                for function in functions:
                    row[column] = function(row[column], expression, connection)
        return rows

    def _prepare(self, connection: Any, room: int) -> tuple[str, Sequence[Any], dict[int, Any]]:
        compiler = self.build([str(number) for number in range(room)]).query.get_compiler(connection=connection)
        sql, places = compiler.as_sql()
        converters = compiler.get_converters([column for column, *_sql in compiler.select])
        self._known[connection.vendor, room] = known = sql, places, converters
        return known


class PreparedUpdate:
    """An `update()`: `build` makes the queryset, and says what its rows get."""

    def __init__(self, build: Callable[[], tuple[QuerySet[Any, Any], dict[str, Any]]]) -> None:
        self.build = build
        self._known: dict[str, tuple[str, Sequence[Any]]] = {}

    def count(self, **values: Any) -> int:
        """Update the rows for these values: how many they were."""
        connection = _connection()
        known = self._known.get(connection.vendor)
        if known is None:
            known = self._known[connection.vendor] = _sql_of_update(connection, *self.build())
        sql, places = known
        with connection.cursor() as cursor:
            cursor.execute(sql, _written(connection, places, values))
            return int(cursor.rowcount)


class PreparedSave(Generic[Row]):
    """`save()` for rows of a table without parents, and without fields that fill themselves. It sends `post_save`."""

    def __init__(self, model: type[Row]) -> None:
        self.model = model
        self._known: dict[tuple[str, ...], tuple[str, Sequence[Any]]] = {}

    def insert(self, row: Row) -> None:
        """Store a new row; it gets its primary key."""
        connection = _connection()
        with connection.cursor() as cursor:
            cursor.execute(*self._statement(connection, row, ()))
            (row.pk,) = cursor.fetchone()
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
        self._tell(row)

    def update(self, row: Row, *names: str) -> None:
        """Store these fields of a row."""
        connection = _connection()
        with connection.cursor() as cursor:
            cursor.execute(*self._statement(connection, row, names))
            if not cursor.rowcount:
                raise DatabaseError("the row is not there any more")
        self._tell(row, names)

    def _statement(self, connection: Any, row: Row, names: tuple[str, ...]) -> tuple[str, list[Any]]:
        kind = connection.vendor, *names
        if kind not in self._known:
            self._known[kind] = self._update(connection, names) if names else self._insert(connection)
        sql, places = self._known[kind]
        return sql, _written(connection, places, vars(row))

    def _insert(self, connection: Any) -> tuple[str, Sequence[Any]]:
        fields = [one for one in self.model._meta.concrete_fields if not (one.primary_key or one.generated)]
        query = InsertQuery(self.model)
        query.insert_values(fields, [self.model(**{one.attname: Blank(one.attname, one) for one in fields})])
        compiler: Any = query.get_compiler(connection=connection)
        compiler.returning_fields = [self.model._meta.pk]
        ((sql, places),) = compiler.as_sql()
        return sql, places

    def _update(self, connection: Any, names: tuple[str, ...]) -> tuple[str, Sequence[Any]]:
        blanks = {one.name: Blank(one.attname, one) for one in self.model._meta.concrete_fields}
        row = self.model._base_manager.filter(pk=blanks[self.model._meta.pk.name])
        return _sql_of_update(connection, row, {name: blanks[name] for name in names})

    def _tell(self, row: Row, names: tuple[str, ...] = ()) -> None:
        told = {"created": not names, "update_fields": frozenset(names) or None, "raw": False}
        post_save.send(self.model, instance=row, using=DEFAULT_DB_ALIAS, **told)


def _connection() -> Any:
    """The connection itself: `django.db.connection` asks at each look at it which thread this is."""
    return connections[DEFAULT_DB_ALIAS]


def _sql_of_update(connection: Any, rows: QuerySet[Any, Any], values: dict[str, Any]) -> tuple[str, Sequence[Any]]:
    query: Any = rows.query.chain(UpdateQuery)
    query.add_update_values(values)
    found: tuple[str, Sequence[Any]] = query.get_compiler(connection=connection).as_sql()
    return found


def _written(connection: Any, places: Sequence[Any], values: Mapping[str, Any]) -> list[Any]:
    """The parameters of a statement: where a blank stands, the value of its name."""
    return [place.written(values[place.name], connection) if isinstance(place, Blank) else place for place in places]
