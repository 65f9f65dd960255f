"""URL routes of the API Key Service in Django admin: the verbs of the portal under the same names, and more."""

from django.urls import path
from django.views.generic import RedirectView

from keys.staff import consumers, leaks, reports
from keys.staff.decorators import for_staff
from keys.web import url_converters, views  # noqa: F401, the first registers itself

app_name = "keys"

# The names of environments and of consumers are free, so they stand where nothing else does.
_all = "consumers/<slug:environment>/"
_consumer = "consumer/<slug:environment>/<keys_name:name>/"
_key = _consumer + "<keys_id:key_id>/"

urlpatterns = [
    path("consumer/", consumers.first, name="page"),
    path("activity/", RedirectView.as_view(pattern_name="admin:keys_auditevent_changelist"), name="activity"),
    path(_all, consumers.page, name="environment"),
    path(_all + "create/", consumers.create, name="create"),
    path(_all + "find/", leaks.find, name="find"),
    path(_all + "look/<slug:topic>/", reports.look, name="look"),
    path(_all + "look/<slug:topic>.csv", reports.export, name="export"),
    path(_consumer, consumers.consumer, name="consumer"),
    path(_consumer + "change/", consumers.change, name="change_consumer"),
    path(_consumer + "delete/", consumers.delete, name="delete_consumer"),
    path(_consumer + "managers/add/", consumers.add_manager, name="add_manager"),
    path(_consumer + "managers/<keys_id:manager_id>/remove/", consumers.remove_manager, name="remove_manager"),
    path(_consumer + "create/", for_staff(views.create), name="create_in"),
    path(_consumer + "rename/", for_staff(views.rename_consumer), name="rename_consumer"),
    path(_consumer + "rotate-all/", for_staff(views.rotate_all), name="rotate_all"),
    path(_key, consumers.key, name="key"),
    path(_key + "reveal/", for_staff(views.reveal), name="reveal"),
    path(_key + "copy/", for_staff(views.copy, by_script=True), name="copy"),
    path(_key + "copy/request/", for_staff(views.copy, by_script=True), name="copy_request"),
    path(_key + "try/", for_staff(views.try_key), name="try"),
    path(_key + "rotate/", for_staff(views.rotate), name="rotate"),
    path(_key + "keep/", for_staff(views.keep), name="keep"),
    path(_key + "rename/", for_staff(views.rename), name="rename"),
    path(_key + "end/", for_staff(views.change_end), name="end"),
    path(_key + "delete/", for_staff(views.delete), name="delete"),
    path(_key + "leaked/", leaks.leaked, name="leaked"),
]
