"""Answers of any shape on the screens of colleagues: never a failure of ours, no key unasked, no harm."""

from typing import Any

import pytest
from django.http import HttpResponseBase
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import Sandbox
from tests.helpers.faults import NIGHTLY
from tests.helpers.staff import ACME, LIST, forms, screens
from tests.helpers.verbs import FULL_KEY, acme
from tests.zuplo.test_hostile_answers import HARMFUL, ODD, SOUND, answer, any_shape

pytestmark = pytest.mark.django_db
on_all_screens = settings(any_shape, max_examples=200 if NIGHTLY else 8)  # each of which asks for twenty pages


def is_harmless(response: HttpResponseBase) -> None:
    text = response.getvalue().decode()
    assert response.status_code in {200, 403, 404, 422, 502, 503}
    assert not FULL_KEY.search(text)
    assert not HARMFUL.search(text.removeprefix("\ufeff").replace("\r\n", "\n"))


@on_all_screens
@given(found=st.lists(SOUND | ODD, min_size=1, max_size=3))
def test_lists_and_files_of_any_shape_are_no_failure(found: list, sandbox: Sandbox, sam_client: Client) -> None:
    """E1, F2, G3: a consumer that cannot be read hides no other."""
    sandbox.reset()
    acme(sandbox)
    urls = [url for url in screens(sandbox).values() if url.startswith(LIST) and "name=" not in url]
    answer(sandbox, "GET", "*/consumers", {"data": found})
    for url in urls:
        is_harmless(sam_client.get(url))


@on_all_screens
@given(found=SOUND | ODD)
def test_a_consumer_of_any_shape_is_no_failure(found: Any, sandbox: Sandbox, sam_client: Client) -> None:
    """E1, F2, G3: on its page, and in each form of a change."""
    sandbox.reset()
    acme(sandbox)
    urls = [ACME, LIST + "?name=acme", *forms(sandbox).values()]
    answer(sandbox, "GET", "*/consumers/acme", found)
    for url in urls:
        is_harmless(sam_client.get(url))
