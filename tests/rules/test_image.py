"""The container image holds what the settings name, and nothing that it does not need."""

from pathlib import Path

from django.conf import settings

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
LET_IN = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}


def copied() -> set[str]:
    """Files that the first stage takes from the project."""
    lines = [line.split()[1:] for line in DOCKERFILE.splitlines() if line.startswith("COPY ") and "--from" not in line]
    return {name for *names, _target in lines for name in names}


def test_every_folder_of_the_settings_is_in_the_image():
    named = [*settings.STATICFILES_DIRS, *settings.TEMPLATES[0]["DIRS"], *getattr(settings, "LOCALE_PATHS", [])]
    folders = {Path(path).relative_to(ROOT).parts[0] for path in named if Path(path).exists()}
    assert folders | {"portal", "keys", "manage.py", "gunicorn.conf.py", "requirements.txt"} <= copied()


def test_what_is_copied_is_let_in_and_nothing_else_is():
    assert copied() == LET_IN
    assert not LET_IN & {"sandbox", "tests", "bench", ".env", ".git"}


def test_the_image_runs_as_nobody_special_and_its_base_is_pinned():
    assert "ARG PYTHON=3." in DOCKERFILE
    assert DOCKERFILE.count("FROM python:${PYTHON}") == 2
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert "\nUSER 10001\n" in last
    assert "pip" not in last
