"""URL routes of the API Keys page and of each verb.

No environment has the name of a page, and what stands behind an environment is a consumer.
"""

from django.urls import path

from keys.web import (
    history,
    people,
    reminders,
    url_converters,  # noqa: F401, it registers them
    views,
)

app_name = "keys"

_consumer = "<slug:environment>/<keys_name:name>/"
_key = _consumer + "<keys_id:key_id>/"

urlpatterns = [
    # What is asked for most comes first; no other address reads like one of these.
    path("", views.page, name="page"),
    path(_key + "reveal/", views.reveal, name="reveal"),
    path(_key + "copy/", views.copy, name="copy"),
    path("activity/", history.page, name="activity"),
    path("activity/<slug:environment>/", history.page, name="activity_in"),
    path("activity/<slug:environment>.csv", history.export, name="activity_csv"),
    path("ask/<slug:environment>/", people.ask_for_access, name="ask"),
    path("create/<slug:environment>/", views.create, name="create"),
    path("reminders/", reminders.page, name="reminders"),
    path("reminders/calendar/", reminders.make_address, name="make_calendar"),
    path("reminders/calendar/revoke/", reminders.revoke_address, name="revoke_calendar"),
    path("reminders/<slug:token>.ics", reminders.calendar, name="calendar"),
    path("reminders/<slug:environment>/", reminders.page, name="reminders_in"),
    path("<slug:environment>/", views.page, name="environment"),
    path("<slug:environment>/activity.csv", views.moved, {"name": "activity.csv"}),
    *(path(f"<slug:environment>/{name}/", views.consumer_or_moved, {"name": name}) for name in views.MOVED),
    path(_consumer, views.page, name="consumer"),
    path(_consumer + "people/", people.page, name="people"),
    path(_consumer + "people/add/", people.add, name="add_manager"),
    path(_consumer + "people/<keys_id:manager_id>/invite/", people.invite_again, name="invite_again"),
    path(_consumer + "people/<keys_id:manager_id>/remove/", people.remove, name="remove_manager"),
    path(_consumer + "create/", views.create, name="create_in"),
    path(_consumer + "reminders/", reminders.turn, name="reminders_of"),
    path(_consumer + "rename/", views.rename_consumer, name="rename_consumer"),
    path(_consumer + "rotate-all/", views.rotate_all, name="rotate_all"),
    path(_key, views.key_page, name="key"),
    path(_key + "copy/request/", views.copy, name="copy_request"),
    path(_key + "try/", views.try_key, name="try"),
    path(_key + "rotate/", views.rotate, name="rotate"),
    path(_key + "keep/", views.keep, name="keep"),
    path(_key + "rename/", views.rename, name="rename"),
    path(_key + "end/", views.change_end, name="end"),
    path(_key + "delete/", views.delete, name="delete"),
]
