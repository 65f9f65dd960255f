"""manage.py sample_people PASSWORD EMAIL...: fixtures of the demo, people with proved addresses."""

import functools
from argparse import ArgumentParser
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from portal.models import User


class Command(BaseCommand):
    help = "Make the tables and the sample people of the demo; only on a development machine."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("password")
        parser.add_argument("emails", nargs="+")

    def handle(self, *args: Any, password: str, emails: list[str], **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Sample people have a password that everybody knows: in debug mode only.")
        call_command("migrate", verbosity=0)
        # One hash for all of them: each takes as long as starting the portal.
        hashed, fits = make_password(password), functools.cache(functools.partial(check_password, password))
        for email in emails:
            user, made = User.objects.get_or_create(email=email)
            if made or not fits(user.password):
                user.password = hashed
            user.is_staff = user.is_superuser = email.startswith("sam@")
            user.save()
            EmailAddress.objects.update_or_create(user=user, email=email, defaults={"verified": True, "primary": True})
