"""System checks: what can be told wrong about the settings only once Django is loaded; each with the cure."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def collected_static_files(**_kwargs: Any) -> list[CheckMessage]:
    """Check for the manifest of collectstatic, by which pages name their files outside debug mode."""
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    if settings.DEBUG or "Manifest" not in settings.STORAGES["staticfiles"]["BACKEND"] or manifest.exists():
        return []
    return [
        Error(
            "The static files haven't been collected.",
            hint="Run: manage.py collectstatic --noinput",
            id="portal.E003",
        )
    ]


@register()
def private_database(**_kwargs: Any) -> list[CheckMessage]:
    """File modes of SQLite: who may read the file sees codes, mails and the audit log; who may write, does anything."""
    database = settings.DATABASES["default"]
    if settings.DEBUG or "sqlite" not in database["ENGINE"]:
        return []
    file = Path(database["NAME"]).resolve()  # a link's own folder says nothing about the file
    files = [file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))]
    return [
        Error(
            f"The database file {one} can be read by every user of this machine.",
            hint=f"Run: chmod 600 {one} (and chmod 700 {one.parent})",
            id="portal.E004",
        )
        for one in files
        if one.exists() and one.stat().st_mode & 0o006 and _everybody_gets_to(one)
    ]


def _everybody_gets_to(file: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in file.parents)
