"""Probes learn whether the portal lives and whether it can serve, and nothing else."""

import socket
import threading

import pytest
from django.db import connection
from django.test import Client

TRUTH = ["database ok", "cache ok", "key service ok"]
UPSTREAM = "key service unreachable or not accepting the portal's token"


def lines(response) -> list[str]:
    return response.text.splitlines()


def test_the_process_says_that_it_lives(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        response = client.get("/healthz")
    assert (response.status_code, response.text) == (200, "ok\n")
    assert not response.cookies


def test_it_is_ready_when_all_neighbours_are(client, db, sandbox):
    response = client.get("/readyz")
    assert (response.status_code, lines(response)) == (200, TRUTH)
    assert not response.cookies


def test_an_unreachable_key_service_is_told_apart_from_own_trouble(client, db):
    """H5: by the line that names it."""
    response = client.get("/readyz")
    assert (response.status_code, lines(response)) == (503, ["database ok", "cache ok", UPSTREAM])


def test_a_refused_token_is_trouble(client, db, sandbox, settings):
    settings.ZUPLO_API_KEY = "not-the-token"
    assert lines(client.get("/readyz"))[-1] == UPSTREAM
    assert client.get("/healthz").status_code == 200


def test_a_cache_that_is_down_is_named(client, db, sandbox, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "portal.backends.redis_cache.ForgivingRedisCache",
            "LOCATION": "redis://127.0.0.1:9/0",
            "OPTIONS": {"socket_connect_timeout": 1},
        }
    }
    response = client.get("/readyz")
    assert (response.status_code, lines(response)) == (503, ["database ok", "cache failed", "key service ok"])


def test_a_database_that_is_down_is_named(client, sandbox):
    """Outside of a test's database nothing may be asked, so every question fails."""
    response = client.get("/readyz")
    assert (response.status_code, lines(response)[0]) == (503, "database failed")


def test_the_key_service_is_not_asked_more_often_by_being_asked_about(client, db, sandbox):
    for _ in range(20):
        client.get("/readyz")
    assert len(sandbox.journal()) == 1


def test_a_silent_key_service_is_asked_once_at_a_time_and_holds_nobody_up(db, settings):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(20)
        settings.ZUPLO_API_URL = f"http://127.0.0.1:{silent.getsockname()[1]}"
        answers: list[tuple[int, list[str]]] = []

        def ask() -> None:
            response = Client().get("/readyz")
            answers.append((response.status_code, lines(response)))

        askers = [threading.Thread(target=ask) for _ in range(5)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert answers == [(503, ["database ok", "cache ok", UPSTREAM])] * 5
        silent.setblocking(False)
        calls = 0
        while True:
            try:
                silent.accept()[0].close()
                calls += 1
            except BlockingIOError:
                break
        assert calls <= 2
    connection.close()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_may_ask_by_address_over_plain_http(client, db, sandbox, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]
    assert client.get(path, headers={"host": "10.0.0.7:8000"}).status_code == 200
    assert client.head(path).status_code == 200
    assert client.post(path).status_code == 405
    assert client.get("/", headers={"host": "10.0.0.7:8000"}).status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_answers_hold_no_configuration(client, db, sandbox, settings, path):
    """H5: nor versions."""
    response = client.get(path)
    assert response["Content-Type"].startswith("text/plain")
    assert response["Cache-Control"] == "no-store"
    for value in (sandbox.url, sandbox.token, sandbox.account, sandbox.bucket, "sqlite", "5.2"):
        assert value not in response.text
