"""manage.py check_api: a smoke test of the Developer API with the settings as they are."""

from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keys.conf import settings
from keys.errors import ApiError, ApiMisconfigured, NotFound
from keys.zuplo import circuit_breaker
from keys.zuplo.client import DeveloperAPI
from keys.zuplo.transport import Deadline

SECONDS = 9.5


class Command(BaseCommand):
    help = "Ask the Developer API who the token belongs to, and for each bucket; exit code 1 if anything fails."
    requires_system_checks = ()  # it may be the very first thing that an operator tries

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"The Developer API at {settings.ZUPLO_API_URL}")
        well = [self._tried("who-am-i", _whose, next(iter(settings.ZUPLO_BUCKETS.values())))]
        for environment, bucket in settings.ZUPLO_BUCKETS.items():
            well += [
                self._tried(f"bucket {bucket} ({environment})", _bucket, bucket),
                self._tried(f"a list in {bucket} ({environment})", _list, bucket),
            ]
        if not all(well):
            raise CommandError("API keys can't be served from this Developer API yet.")

    def _tried(self, what: str, ask: Callable[[DeveloperAPI], str], bucket: str) -> bool:
        try:
            with circuit_breaker.bypassed():  # whoever shares this cache may be at work with other settings
                found = ask(DeveloperAPI(bucket, Deadline(SECONDS)))
        except ApiError as problem:
            self.stdout.write(f"{what}: FAILED, {_advice(problem)}")
            return False
        self.stdout.write(f"{what}: ok{found}")
        return True


def _whose(api: DeveloperAPI) -> str:
    account = api.who_am_i()
    if account and account != settings.ZUPLO_ACCOUNT:
        raise ApiMisconfigured(f"the token is of the account {account[:64]!r}, and ZUPLO_ACCOUNT names another")
    return f", account {account}" if account else ", it does not say of which account"


def _bucket(api: DeveloperAPI) -> str:
    return "" if api.shows_keys() else ", but it shows keys at their creation only: they cannot be revealed later"


def _list(api: DeveloperAPI) -> str:
    api.check_list()
    return ""


def _advice(problem: ApiError) -> str:
    match problem:
        case NotFound():
            return f"{problem}: compare ZUPLO_ACCOUNT and the bucket with the Zuplo portal"
        case ApiMisconfigured():
            return f"{problem}: compare ZUPLO_API_KEY and ZUPLO_ACCOUNT with the Zuplo portal"
    return f"{problem}: is {settings.ZUPLO_API_URL} reachable from here?"
