"""Command line: python -m sandbox."""

import argparse
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from sandbox import ACCOUNT, BUCKET, Sandbox
from sandbox.seed import bar
from sandbox.switches import checked, explained

EPILOG = f"Switches, each with its readings, the likeliest first:\n\n{explained()}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; 1 if that cannot begin."""
    wish = _parser().parse_args(arguments)
    try:
        sandbox = Sandbox(
            wish.port,
            wish.db,
            host=wish.host,
            account=wish.account,
            bucket=wish.bucket,
            token=wish.token,
            switches=dict(wish.set),
        )
    except OSError as error:
        print(f"The sandbox cannot listen on {wish.host}:{wish.port}: {error.strerror}.", file=sys.stderr)
        return 1
    except sqlite3.Error as error:
        print(f"The sandbox cannot use {wish.db}: {error}.", file=sys.stderr)
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        _serve(sandbox, wish)
    return 0


def _serve(sandbox: Sandbox, wish: argparse.Namespace) -> None:
    """Fill it, then answer until interrupted."""
    if wish.seed:
        sandbox.seed()
    if wish.seed_consumers:
        sandbox.seed_consumers(wish.seed_consumers, bar())
    with sandbox:
        print(
            f"Sandbox of the Zuplo Developer API on {sandbox.url}"
            f" (account {sandbox.account}, bucket {sandbox.bucket}). Ctrl-C stops it.",
            flush=True,
        )
        threading.Event().wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="A stand-in for the keys and plans of Zuplo's Developer API.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=_port, default=8001, help="0 picks a free one (default 8001)")
    parser.add_argument("--db", metavar="PATH", help="keep the state in this file (default: in memory)")
    parser.add_argument("--account", default=ACCOUNT, help=f"default {ACCOUNT}")
    parser.add_argument("--bucket", default=BUCKET, help=f"default {BUCKET}")
    parser.add_argument(
        "--token",
        default=os.environ.get("SANDBOX_TOKEN") or "sandbox-token",
        help="the bearer token asked for (default: $SANDBOX_TOKEN, or sandbox-token)",
    )
    parser.add_argument("--seed", action="store_true", help="add sample consumers and plans, unless there are any")
    parser.add_argument("--seed-consumers", type=int, metavar="N", help="fill the bucket up to N consumers")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_switch,
        metavar="SWITCH=VALUE",
        help="choose a reading, see below",
    )
    return parser


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: give a number from 0 to 65535.")
    return int(text)


def _switch(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    try:
        return name, checked({name: value})[name]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
