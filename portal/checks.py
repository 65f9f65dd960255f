"""System checks: what can be told wrong about the settings only once Django is loaded; each with the cure."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from keys.provisioning import Provisioning


@register()
def provisioning(**_kwargs: Any) -> list[CheckMessage]:
    path = settings.KEYS_PROVISIONING
    try:
        found = import_string(path)
    except ImportError as problem:
        return [
            Error(
                f"KEYS_PROVISIONING names {path}, which cannot be imported: {problem}.",
                hint="Write the dotted path of your class, and put its module where Python finds it.",
                id="portal.E001",
            )
        ]
    if not (isinstance(found, type) and issubclass(found, Provisioning)):
        return [
            Error(
                f"KEYS_PROVISIONING names {path}, which is no keys.provisioning.Provisioning.",
                hint="Derive your class from it.",
                id="portal.E002",
            )
        ]
    return []


@register()
def collected_static_files(**_kwargs: Any) -> list[CheckMessage]:
    """Check for the manifest of collectstatic, by which pages name their files outside debug mode."""
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    if settings.DEBUG or "Manifest" not in settings.STORAGES["staticfiles"]["BACKEND"] or manifest.exists():
        return []
    return [
        Error(
            "The static files have not been collected.",
            hint="Run: manage.py collectstatic --noinput",
            id="portal.E003",
        )
    ]
