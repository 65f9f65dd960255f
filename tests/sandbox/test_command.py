"""The command line, the sample data, and state that outlives a restart."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from sandbox import Sandbox
from sandbox.seed import email_of

ROOT = Path(__file__).parents[2]
USUAL_TOKEN = "sandbox-token"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its URL."""
    command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = re.search(r"http://[\d.:]+", process.stdout.readline())
        yield process, url[0]
    finally:
        process.terminate()
        process.communicate(timeout=10)


def get(url: str, path: str, token: str = USUAL_TOKEN) -> requests.Response:
    return requests.get(url + path, headers={"authorization": f"Bearer {token}"}, timeout=5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_without_a_word(number):
    with running() as (process, url):
        assert get(url, "/v1/who-am-i").ok
        process.send_signal(number)
        out, errors = process.communicate(timeout=10)
    assert process.returncode == 0
    assert out == errors == ""


def test_a_taken_port_is_said_in_a_sentence(sandbox):
    port = sandbox.url.rpartition(":")[2]
    done = run("--port", port)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"The sandbox cannot listen on 127.0.0.1:{port}: Address already in use.\n"


def test_a_file_that_is_no_database_is_said_in_a_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database " * 100)
    for path in (tmp_path / "notes.txt", tmp_path / "no" / "such" / "folder.db"):
        done = run("--port", "0", "--db", str(path))
        assert done.returncode == 1
        assert done.stderr.startswith(f"The sandbox cannot use {path}: ")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("--set=colour=red", "roll_scope"),
        ("--set=roll_scope=some", "none_ending, unexpired, all"),
        ("--port=x", "65535"),
    ],
)
def test_a_wrong_argument_names_the_allowed_ones(argument, named):
    done = run(argument)
    assert done.returncode == 2
    assert named in done.stderr


def test_help_explains_every_switch():
    text = run("--help").stdout
    assert "roll_scope: none_ending | unexpired | all" in text
    assert "edge_ttl: 60 | 0" in text


def test_names_token_and_switches_are_as_asked(tmp_path):
    options = ("--account", "other", "--bucket", "my-keys", "--set", "sort=oldest", "--set", "rate=50")
    with running(*options, SANDBOX_TOKEN="from-the-environment") as (_, url):
        token = "from-the-environment"
        assert get(url, "/v1/who-am-i").status_code == 401
        assert get(url, "/v1/who-am-i", token).json()["account"] == "other"
        buckets = get(url, "/v1/accounts/other/key-buckets", token).json()["data"]
        assert [b["name"] for b in buckets] == ["my-keys", "my-keys-preview", "my-keys-working-copy"]
        switches = get(url, "/_sandbox").json()["switches"]
        assert (switches["sort"], switches["rate"]) == ("oldest", "50")


def test_the_state_outlives_a_restart(tmp_path):
    path = str(tmp_path / "state.db")
    with running("--db", path, "--seed") as (_, url):
        bucket = "/v1/accounts/acme-account/key-buckets/zprj-demo-production"
        requests.delete(
            url + f"{bucket}/consumers/globex", headers={"authorization": f"Bearer {USUAL_TOKEN}"}, timeout=5
        )
        before = get(url, f"{bucket}/consumers?include-api-keys=true&key-format=visible").json()
        of_bucket = get(url, bucket).json()
    with running("--db", path, "--seed") as (_, url):
        assert get(url, f"{bucket}/consumers?include-api-keys=true&key-format=visible").json() == before
        assert get(url, bucket).json() == of_bucket
    assert len(before["data"]) == 2


def test_the_samples_are_three_consumers_with_six_keys_once():
    with Sandbox() as sandbox:
        assert sandbox.seed()
        assert not sandbox.seed()
        consumers = {consumer["name"]: consumer for consumer in sandbox.consumers()}
        assert list(consumers) == ["acme", "acme-mobile", "globex"]
        keys = {c["name"]: [key["description"] for key in c["apiKeys"]] for c in consumers.values()}
        assert sorted(keys["acme"]) == ["CI pipeline", "Laptop", "Production server"]
        assert sorted(keys["acme-mobile"]) == ["Old backend", "iOS app"]
        assert keys["globex"] == ["Reporting"]
        emails = {name: {m["email"] for m in c["managers"]} for name, c in consumers.items()}
        assert emails == {
            "acme": {"ann@acme.test", "ben@acme.test"},
            "acme-mobile": {"ann@acme.test"},
            "globex": {"ann@acme.test", "ben@acme.test"},
        }
        ended = [k for c in consumers.values() for k in c["apiKeys"] if not sandbox.authorizes(k["key"])]
        assert [key["description"] for key in ended] == ["Old backend"]
        assert all(c["tags"] and c["metadata"]["plan"] for c in consumers.values())
        assert [c["name"] for c in sandbox.consumers(bucket="zprj-demo-preview")] == ["acme-preview"]


def test_many_consumers_are_filled_up_to_the_number(tmp_path):
    path = str(tmp_path / "many.db")
    with running("--db", path, "--seed", "--seed-consumers", "500") as (process, url):
        found = get(
            url,
            "/v1/accounts/acme-account/key-buckets/zprj-demo-production/consumers"
            f"?manager-email={email_of(100)}&include-api-keys=true&include-managers=true",
        ).json()["data"]
        assert 1 <= len(found) <= 2
        assert all(1 <= len(c["apiKeys"]) <= 3 for c in found)
        process.terminate()
        assert "500" not in process.communicate(timeout=10)[0]
    with Sandbox(db=path) as sandbox:
        sandbox.seed_consumers(500)
        assert len(sandbox.consumers()) == 500
        sandbox.seed_consumers(600)
        consumers = sandbox.consumers()
        assert len(consumers) == 600
        assert {len(c["managers"]) for c in consumers} == {1, 2}
