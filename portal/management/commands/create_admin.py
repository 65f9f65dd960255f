"""manage.py create_admin EMAIL: the first person who may enter Django admin."""

from argparse import ArgumentParser
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction
from django.urls import reverse

from portal.models import User


class Command(BaseCommand):
    """Django's own createsuperuser leaves the address unproved; here whoever has the shell vouches for it."""

    help = "Give the person with this email address all rights; makes the account if there is none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        email = email.strip().lower()
        try:
            validate_email(email)
        except ValidationError:
            raise CommandError(f"{email!r} is no email address.") from None
        with transaction.atomic():
            made = make_admin(email)
        self.stdout.write(f"{email} {'is now' if made else 'already was'} an admin.")
        self.stdout.write(f"Sign in by a mailed code at {settings.PORTAL_URL}{reverse('admin:index')}")


def make_admin(email: str) -> bool:
    """Make or promote the account; True if anything had to be changed."""
    address = EmailAddress.objects.select_related("user").filter(email=email, verified=True).first()
    if address is None:
        # Whoever signed up with the address and never proved it may still sit before the code page.
        unproved = User.objects.filter(email=email)
        if unproved.filter(emailaddress__verified=True).exists():
            raise CommandError(f"{email} is the unproved address of an account with another one. Remove it there.")
        unproved.delete()
        user = User.objects.create_superuser(email)
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
        return True
    user = address.user
    if user.is_superuser and user.is_staff and user.is_active:
        return False
    user.is_superuser = user.is_staff = user.is_active = True
    user.save(update_fields=["is_superuser", "is_staff", "is_active"])
    return True
