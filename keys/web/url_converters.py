"""URL converters: a consumer's name and a key's id; anything else is no address of ours."""

from django.urls import register_converter

from keys.types import ID, NAME


class NameConverter:
    regex = NAME.pattern

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class IdConverter(NameConverter):
    regex = ID.pattern


# Their names are for the whole site, in which a host project may have an `id` of its own.
register_converter(NameConverter, "keys_name")
register_converter(IdConverter, "keys_id")
