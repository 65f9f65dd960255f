"""Time zone of a visitor: a cookie that the page's script sets, and UTC where there is none.

Times that a page tells, and those that somebody types into it, are in this zone, and the page says which it is. Django
admin is in UTC throughout: colleagues compare what they see there with logs.
"""

from datetime import UTC, tzinfo

from django.http import HttpRequest

from keys import times
from keys.conf import settings
from keys.web.portal_or_admin import in_admin


def time_zone_of(request: HttpRequest) -> tzinfo:
    return UTC if in_admin(request) else times.zone(request.COOKIES.get(settings.KEYS_TIME_ZONE_COOKIE, ""))
