"""People of the example, known by a UUID: `keys` takes users of any model, with primary keys of any kind."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class Person(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
