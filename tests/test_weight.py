"""What a browser loads for the keys page, cold and compressed."""

import gzip
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from django.contrib.staticfiles import finders
from django.test import Client

from sandbox import Sandbox
from tests.verbs import acme

pytestmark = pytest.mark.django_db


def served(url: str) -> int:
    """Bytes as whitenoise serves them; fonts are compressed already."""
    content = Path(finders.find(url.removeprefix("/static/"))).read_bytes()
    return len(content) if url.endswith(".woff2") else len(gzip.compress(content))


def test_the_keys_page_is_light_and_asks_no_other_host(sandbox: Sandbox, ann_client: Client) -> None:
    acme(sandbox)
    response = ann_client.get("/keys/")
    page = BeautifulSoup(response.content, "html.parser")
    links = page.select("link[rel=stylesheet], link[rel=preload]")
    urls = [link["href"] for link in links] + [script["src"] for script in page.select("script[src]")]
    assert all(url.startswith("/static/") for url in urls)
    weights = {url: served(url) for url in urls}
    assert len(gzip.compress(response.content)) + sum(weights.values()) <= 110_000, weights
    own = {url: weight for url, weight in weights.items() if "htmx" not in url and not url.endswith(".woff2")}
    assert sum(own.values()) <= 25_000, own
