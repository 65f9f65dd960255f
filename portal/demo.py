"""python -m portal.demo: the portal on a sandbox of the Developer API, with sample people and keys.

It starts both servers as processes of their own, in an environment that holds nothing but what stands here:
whatever the shell knows of a real account, database or mail server is never touched.
"""

import argparse
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
PASSWORD = "open-sesame"  # noqa: S105, printed at each start, and good for loopback only
PEOPLE = {
    "ann@acme.test": "manages all three consumers, with six keys",
    "ben@acme.test": "manages Acme Inc and Globex",
    "new@startup.test": "a newcomer without keys",
    "sam@portal.test": "staff: /admin/ has the API Key Service, and Support on each person's page",
}
ACCOUNT, BUCKET, PREVIEW, TOKEN = (
    "acme-account",
    "zprj-demo-production",
    "zprj-demo-preview",
    "sandbox-token",
)
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TERM", "TMPDIR", "SYSTEMROOT")


class DemoFailed(Exception):
    """The demo cannot go on; the text is for the person at the terminal."""


def main(arguments: Sequence[str] | None = None) -> int:
    wish = _parser().parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        port, sandbox_port = _port("PORT", wish.port), _port("SANDBOX_PORT", wish.sandbox_port)
        _ports_are_free(port, sandbox_port)
        _run(Path(wish.state), port, sandbox_port, children, stopped)
    except DemoFailed as reason:
        _say(f"\n  {reason}\n")
        return 1
    finally:
        _stop(children.values())
    _say("\n  Stopped. `make demo` goes on where you left off; `make clean` forgets it all.\n")
    return 0


def _run(
    state: Path, port: int, sandbox_port: int, children: dict[str, subprocess.Popen[bytes]], stopped: threading.Event
) -> None:
    """Start one after the other, then wait for Ctrl-C, or for one of them to die."""
    state.mkdir(parents=True, exist_ok=True)
    environment = _environment(state, port, sandbox_port)
    _say("\n  Starting the sandbox and the portal ...")
    sandbox = ["-m", "sandbox", "--port", str(sandbox_port), "--db", str(state.resolve() / "sandbox.sqlite3"), "--seed"]
    sandbox += ["--account", ACCOUNT, "--bucket", BUCKET, "--token", TOKEN]
    children["sandbox"] = _start(sandbox, environment, quiet=True)
    _manage(["sample_people", PASSWORD, *PEOPLE], environment)
    _answers(sandbox_port, children, stopped)
    server = ["-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "--bind", f"{HOST}:{port}"]
    children["portal"] = _start([*server, "--workers=1", "--log-level=warning"], environment)
    _answers(port, children, stopped)
    if not stopped.is_set():
        _say(_summary(port, sandbox_port))
    while not stopped.wait(0.2):
        _all_alive(children)


def _environment(state: Path, port: int, sandbox_port: int) -> dict[str, str]:
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "DEBUG": "1",
        "DATABASE_URL": f"sqlite:///{state.resolve() / 'portal.sqlite3'}",
        "PORTAL_URL": f"http://{HOST}:{port}",
        "ZUPLO_API_URL": f"http://{HOST}:{sandbox_port}",
        "ZUPLO_ACCOUNT": ACCOUNT,
        "ZUPLO_BUCKETS": f"production:{BUCKET},preview:{PREVIEW}",
        "ZUPLO_API_KEY": TOKEN,
        # The sandbox plays the API behind the gateway too.
        "GATEWAY_URL": f"http://{HOST}:{sandbox_port}",
        "GATEWAY_TEST_PATH": "/_sandbox/hello",
        "PLANS": "zuplo",
        "KEYS_SHOW_METADATA": "seats",
        "PORTAL_DOCS_URL": "https://zuplo.com/docs/articles/api-key-management",
        "PORTAL_SUPPORT_URL": "mailto:help@portal.test",
        "LOG_LEVEL": "ERROR",
        "PYTHONUNBUFFERED": "1",
    }


def _start(arguments: list[str], environment: dict[str, str], *, quiet: bool = False) -> subprocess.Popen[bytes]:
    """Start Python with these arguments in a session of its own: Ctrl-C reaches it through us, in good order."""
    return subprocess.Popen(  # noqa: S603, our own interpreter and arguments
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if quiet else None,
        start_new_session=True,
    )


def _manage(arguments: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603, our own interpreter and arguments
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode:
        raise DemoFailed(f"`manage.py {arguments[0]}` failed. `make clean` starts over with an empty demo.")


def _answers(port: int, children: dict[str, subprocess.Popen[bytes]], stopped: threading.Event) -> None:
    """Wait until something answers over HTTP, for at most two minutes: a busy machine takes its time."""
    end = time.monotonic() + 120
    while time.monotonic() < end and not stopped.is_set():
        _all_alive(children)
        connection = http.client.HTTPConnection(HOST, port, timeout=2)
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            return
        connection.close()
        time.sleep(0.05)
    if not stopped.is_set():
        raise DemoFailed(f"Nothing answers on port {port}, two minutes after the start.")


def _all_alive(children: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, child in children.items():
        if child.poll() is not None:
            raise DemoFailed(f"The {name} has ended by itself (exit code {child.returncode}), so the demo ends.")


def _stop(children: Iterable[subprocess.Popen[bytes]]) -> None:
    running = [child for child in children if child.poll() is None]
    for child in running:
        child.send_signal(signal.SIGINT)
    for child in running:
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _port(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise DemoFailed(f"{name} is {value!r}. Use a number from 1 to 65535.")
    return int(value)


def _ports_are_free(port: int, sandbox_port: int) -> None:
    if port == sandbox_port:
        raise DemoFailed(f"PORT and SANDBOX_PORT are both {port}. Give each its own.")
    for name, number in (("PORT", port), ("SANDBOX_PORT", sandbox_port)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, number))
            except PermissionError:
                raise DemoFailed(
                    f"Port {number} may not be used by you. Choose another: make demo {name}=..."
                ) from None
            except OSError:
                raise DemoFailed(f"Port {number} is taken. Choose another: make demo {name}=...") from None


def _summary(port: int, sandbox_port: int) -> str:
    wide = max(map(len, PEOPLE))
    people = "\n".join(f"    {email:{wide}}   {PASSWORD}   {what}" for email, what in PEOPLE.items())
    return f"""
  The portal is ready:  http://{HOST}:{port}/

    {"email":{wide}}   {"password":{len(PASSWORD)}}   who
{people}

  Sign in with the password, or by a mailed code: codes appear here.
  Passkeys need a name instead of an address: http://localhost:{port}/ is the same portal.
  Plans and usage: http://{HOST}:{port}/plans/ (Acme Mobile has used up what it may).
  The Developer API is a sandbox on http://{HOST}:{sandbox_port}. Ctrl-C stops both.
"""


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m portal.demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", default="8000")
    parser.add_argument("--sandbox-port", default="8001")
    parser.add_argument("--state", default=str(ROOT / ".demo"), help="folder that keeps people and keys")
    return parser


if __name__ == "__main__":
    sys.exit(main())
