"""Invitations to private plans: kept here, and told to Zuplo, which has no list of them, where plans are kept there."""

import logging

from keys.conf import settings
from keys.errors import ApiError, ApiRefused, NotFound, OddAnswer, OutcomeUnknown
from plans.models import Invitation
from plans.service.on_behalf import subscriptions_for_portal

logger = logging.getLogger(__name__)


def send(invitation: Invitation) -> list[str]:
    """Tell of an invitation wherever its plan is and it was not told yet; the environments where that failed.

    One whose answer is lost is not sent again: it may be there, and nobody can look.
    """
    failed = []
    for environment in settings.ZUPLO_BUCKETS:
        if environment in invitation.sent:
            continue
        try:
            source = subscriptions_for_portal(environment).source
            if plan := source.plan(invitation.plan_key):
                invitation.sent[environment] = source.invite(plan, invitation.email)
        except (OddAnswer, OutcomeUnknown):
            invitation.sent[environment] = ""
        except ApiRefused as refusal:
            if refusal.code == 409:  # it is there
                invitation.sent[environment] = ""
            else:
                failed.append(environment)
        except ApiError as problem:
            logger.warning("the invitation %s was not sent: %s", invitation.pk, problem)
            failed.append(environment)
    invitation.save(update_fields=["sent"])
    return failed


def take_back(invitation: Invitation) -> list[str]:
    """Take it back wherever it was told of; the environments where it may still stand."""
    left = []
    for environment, invite_id in invitation.sent.items():
        if not invite_id or environment not in settings.ZUPLO_BUCKETS:
            continue
        try:
            subscriptions_for_portal(environment).source.take_back_invitation(invite_id)
        except NotFound:
            continue
        except ApiError as problem:
            logger.warning("the invitation %s was not taken back: %s", invitation, problem)
            left.append(environment)
    return left
