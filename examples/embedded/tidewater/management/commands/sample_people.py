"""manage.py sample_people PASSWORD: people to try the example with: sam is staff, una's address is not proved."""

from argparse import ArgumentParser

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from tidewater.people import note_proof_of_address

PEOPLE = ["ann@acme.test", "ben@acme.test", "new@startup.test", "mallory@evil.test", "sam@tidewater.test"]


class Command(BaseCommand):
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("password")

    def handle(self, *, password: str, **options: object) -> None:
        users = get_user_model().objects
        if users.exists():
            return
        for email in PEOPLE:
            note_proof_of_address(users.create_user(email.partition("@")[0], email, password))
        users.filter(username="sam").update(is_staff=True, is_superuser=True)
        users.create_user("una", "ann@acme.test", password)  # Ann's address, typed in by somebody else
