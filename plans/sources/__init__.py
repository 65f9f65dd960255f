"""The sources of plans, and which one is in use."""

from django.http import Http404

from keys.conf import settings
from keys.zuplo.client import DeveloperAPI
from plans.sources.base import Source
from plans.sources.portal import PortalSource
from plans.sources.zuplo import ZuploSource


def has_plans() -> bool:
    return bool(settings.PLANS != "off")


def source_for(api: DeveloperAPI, environment: str) -> Source:
    """The source that the operator chose; without one there are no pages about plans."""
    if settings.PLANS == "portal":
        return PortalSource(api, environment)
    if settings.PLANS == "zuplo":
        return ZuploSource(api, environment)
    raise Http404
