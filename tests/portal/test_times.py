"""Times: in words, with the exact time behind them; in UTC as served."""

from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.utils import translation

from keys.times import in_words
from sandbox import Sandbox
from tests.helpers.verbs import in_time

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        ({"seconds": 0}, "just now"),
        ({"seconds": -20}, "just now"),
        ({"seconds": 20}, "in a moment"),
        ({"seconds": 45}, "in 1 minute"),
        ({"minutes": -1}, "1 minute ago"),
        ({"minutes": 59, "seconds": 50}, "in 1 hour"),
        ({"hours": -1, "minutes": -20}, "1 hour ago"),
        ({"hours": 23, "minutes": 59}, "in 23 hours"),
        ({"hours": 47}, "in 1 day"),
        ({"hours": 48}, "in 2 days"),
        ({"days": 2, "hours": 23, "minutes": 59, "seconds": 40}, "in 3 days"),
        ({"days": -20}, "2 weeks ago"),
        ({"days": -59}, "1 month ago"),
        ({"days": 6, "hours": 23}, "in 6 days"),
        ({"days": 7}, "in 7 days"),
        ({"days": 30}, "in 30 days"),
        ({"days": 89, "hours": 23}, "in 90 days"),
        ({"days": 99}, "in 99 days"),
        ({"days": 100}, "in 3 months"),
        ({"days": 180}, "in 6 months"),
        ({"days": 364}, "in 1 year"),
        ({"days": 366}, "in 1 year"),
        ({"days": 548}, "in 18 months"),
        ({"days": 725}, "in 2 years"),
        ({"days": 3650}, "in 10 years"),
        ({"days": -365}, "1 year ago"),
        ({"days": 366 * 3}, "in 3 years"),
        ({"days": 365 * 7000}, "in 6995 years"),
    ],
)
def test_a_distance_is_said_in_its_largest_fitting_unit(distance: dict, words: str) -> None:
    assert in_words(NOW + timedelta(**distance), NOW).replace("\xa0", " ") == words


@pytest.mark.parametrize(
    ("language", "words"),
    [("de", ["vor 3 Tagen", "in 7 Monaten", "in 1 Jahr"]), ("es", ["hace 3 días", "en 7 meses", "en 1 año"])],
)
def test_it_is_said_in_the_case_that_the_language_wants(language: str, words: list[str]) -> None:
    with translation.override(language):
        said = [in_words(NOW + timedelta(days=days), NOW).replace("\xa0", " ") for days in (-3, 213, 366)]
    assert said == words


@pytest.mark.django_db
def test_words_stand_before_the_exact_time_and_its_zone(sandbox: Sandbox, ann_client: Client) -> None:
    """On hover by the title, for screen readers by the text behind."""
    made, ends = in_time(days=-3), in_time(days=40)
    sandbox.add_consumer(
        "acme",
        managers=["ann@acme.test"],
        keys=[{"description": "CI", "createdOn": made.isoformat(), "expiresOn": ends.isoformat()}],
    )
    page = BeautifulSoup(ann_client.get("/keys/").content, "html.parser")
    created, ending = page.select("[data-key] time")
    assert created.get_text().startswith("3\xa0days ago")
    assert ending.get_text().startswith("in 40\xa0days")
    assert created["title"] == f"{made:%-d %b %Y, %H:%M} UTC"
    assert created.select_one("span").get_text() == f" ({created['title']})"
    assert abs(datetime.fromisoformat(created["datetime"]) - made) < timedelta(seconds=1)
