"""URL routes of the API Keys page and of each verb; the environment is part of all but the first."""

from django.urls import path, register_converter

from keys.types import ID, NAME
from keys.web import history, views

app_name = "keys"


class NameConverter:
    """A consumer's name; anything else is no address of ours."""

    regex = NAME.pattern

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class IdConverter(NameConverter):
    regex = ID.pattern


register_converter(NameConverter, "name")
register_converter(IdConverter, "id")

_consumer = "<slug:environment>/<name:name>/"
_key = _consumer + "<id:key_id>/"

urlpatterns = [
    path("", views.page, name="page"),
    path("activity/", history.page, name="activity"),  # no environment may have this name
    path("<slug:environment>/", views.page, name="environment"),
    path("<slug:environment>/activity/", history.page, name="activity_in"),
    path("<slug:environment>/activity.csv", history.export, name="activity_csv"),
    path("<slug:environment>/create/", views.create, name="create"),
    path(_consumer + "create/", views.create, name="create_in"),
    path(_consumer + "rename/", views.rename_consumer, name="rename_consumer"),
    path(_consumer + "rotate-all/", views.rotate_all, name="rotate_all"),
    path(_key, views.key_page, name="key"),
    path(_key + "reveal/", views.reveal, name="reveal"),
    path(_key + "copy/", views.copy, name="copy"),
    path(_key + "try/", views.try_key, name="try"),
    path(_key + "rotate/", views.rotate, name="rotate"),
    path(_key + "rename/", views.rename, name="rename"),
    path(_key + "end/", views.change_end, name="end"),
    path(_key + "delete/", views.delete, name="delete"),
]
