"""Bucket names, cached: descriptions of the buckets behind the environments, asked for seldom and never waited for."""

import logging

from django.core.cache import cache

from keys.conf import settings
from keys.errors import ApiError
from keys.zuplo.client import DeveloperAPI
from keys.zuplo.transport import Deadline

logger = logging.getLogger(__name__)

SECONDS = 2
KEPT_FOR, TRIED_AGAIN_AFTER = 600, 60
_KEPT = "keys:buckets"


def environments() -> dict[str, str]:
    """The environments that are set up, each with the description of its bucket, "" where there is none."""
    labels = cache.get(_KEPT)
    if labels is None:
        labels = _fetch()
    return {environment: labels.get(bucket, "") for environment, bucket in settings.ZUPLO_BUCKETS.items()}


def _fetch() -> dict[str, str]:
    bucket = next(iter(settings.ZUPLO_BUCKETS.values()))
    try:
        labels = DeveloperAPI(bucket, Deadline(SECONDS)).buckets()
    except ApiError as problem:
        logger.info("the account's buckets could not be listed: %s", problem)
        cache.set(_KEPT, {}, TRIED_AGAIN_AFTER)
        return {}
    cache.set(_KEPT, labels, KEPT_FOR)
    return labels
