"""Dispatch: takes each request past the journal and the faults to the API, or to the control endpoint."""

from datetime import timedelta
from threading import Event
from typing import Any
from urllib.parse import parse_qs

from sandbox.api import Api
from sandbox.database import Database
from sandbox.fault_effects import with_effect
from sandbox.faults import KINDS, Fault, Faults, made
from sandbox.http_messages import Answer, Document, Problem, Request
from sandbox.journal import Journal
from sandbox.switches import SWITCHES, Switches, checked

CONTROL_PATH = "/_sandbox"
GATEWAY_PATH = "/_sandbox/hello"
LONGEST_LEAP = 10 * 366 * 86_400

EXPLAINED: Document = {
    "choices": {name: {"allowed": one.allowed, "meaning": one.meaning} for name, one in SWITCHES.items()},
    "kinds": {name: {"options": sorted(one.options), "meaning": one.meaning} for name, one in KINDS.items()},
}


class Dispatcher:
    """Everything the server knows, free of sockets."""

    def __init__(self, database: Database, switches: Switches, *, account: str, buckets: list[str], token: str) -> None:
        self.database = database
        self.switches = switches
        self.faults = Faults()
        self.journal = Journal()
        self._buckets = buckets
        self._account = account
        self._api = Api(database, switches, account=account, token=token)
        self._add_buckets()

    def answer(self, request: Request) -> Answer | None:
        """The answer, or None when the connection is to be closed without one."""
        if request.path == CONTROL_PATH:
            return self._control(request)
        if request.path == GATEWAY_PATH:
            return self._hello(request)
        released = self.faults.released
        number = self.journal.open(request, authorized=self._api.accepts(request))
        fault = self.faults.due(request.method, request.path)
        answer = self._worked(request, fault, released) if fault else self._api.answer(request)
        self.journal.complete(
            number,
            status=answer.status if answer and not answer.silent else None,
            fault=fault.kind if fault else None,
            committed=answer is not None and answer.committed,
        )
        if answer is None or answer.silent:
            return None
        return answer if _held(fault, "after", released) else None

    def _worked(self, request: Request, fault: Fault, released: Event) -> Answer | None:
        """The answer under a fault; None if the call was let go while it was held."""
        if not fault.works:
            return with_effect(fault, Answer(200, {}))
        match fault.kind:
            case "delay" if not _held(fault, "before", released):
                return None
            case "filter_ignored":
                return self._api.answer(request.without("manager-email"))
            case "stale":
                return self._api.answer(request, past=True, seconds=fault.options["seconds"])
            case "doubled":
                answer = self._api.answer(request)
                self._api.answer(request)
                return answer
        return with_effect(fault, self._api.answer(request))

    # Control, by HTTP and in process

    def arm(self, fault: Fault) -> None:
        if fault.kind == "stale":
            self.database.keeps_copies = True
        self.faults.arm(fault)

    def clear_faults(self) -> None:
        self.faults.clear()
        self.database.forget_copies()

    def reset(self) -> None:
        """As at start, but empty. Held calls are let go, so that none reaches into what comes next."""
        self.faults.release()
        self.clear_faults()
        self.journal.clear()
        self.switches.reset()
        self._api.forget_rate()
        self.database.clock.offset = timedelta()
        with self.database.writing() as store:
            store.empty()
        self._add_buckets()

    def _add_buckets(self) -> None:
        with self.database.writing() as store:
            for name, kind in zip(self._buckets, ("production", "preview", "working-copy"), strict=True):
                if store.bucket(name) is None:
                    project = self._buckets[0].removesuffix("-production").removeprefix("zprj-")
                    kind_tag = kind.upper().replace("-", "_")
                    tags = {"account": self._account, "project": project, "environmentType": kind_tag}
                    store.add_bucket(name, description=f"Keys of {project}, {kind}", tags=tags)

    def _control(self, request: Request) -> Answer:
        try:
            if request.problem:
                raise request.problem
            if request.method == "POST":
                self._change(request.document)
            elif request.method != "GET":
                return Answer(405, {"error": "GET or POST."}, headers={"allow": "GET, POST"})
        except (Problem, ValueError, TypeError) as error:
            return Answer(400, {"error": str(error)})
        return Answer(200, self._state(with_journal=parse_qs(request.query).get("journal") != ["0"]))

    def _hello(self, request: Request) -> Answer:
        """Fake API behind the gateway: a word to whoever sends a key that works, in any bucket."""
        with self.database.reading() as store:
            rows = store.all("SELECT pk FROM buckets")
            keys = [store.key_by_value(row["pk"], request.bearer or "") for row in rows]
        key = next(
            (key for key in keys if key and (key["expires_on"] is None or key["expires_on"] > store.clock.now())), None
        )
        if key is None:
            return Answer(401, {"message": "This key does not work."})
        return Answer(200, {"message": f"Hello, {key['name']}!"})

    def _change(self, wish: Any) -> None:
        """Check all of it before any of it is done."""
        allowed = ("reset", "clear", "set", "faults", "clock")
        if not isinstance(wish, dict) or not set(wish) <= set(allowed):
            raise ValueError(f"The body must be an object of {', '.join(allowed)}.")
        clear, changes = wish.get("clear", []), wish.get("set", {})
        if not isinstance(clear, list) or not all(name in ("faults", "journal") for name in clear):
            raise ValueError("clear must be a list of faults, journal.")
        if not isinstance(changes, dict):
            raise ValueError("set must be an object of switches.")
        checked(changes)
        ahead = wish.get("clock")
        if ahead is not None and (not isinstance(ahead, int) or abs(ahead) > LONGEST_LEAP):
            raise ValueError(f"clock must be a whole number of seconds, at most {LONGEST_LEAP}.")
        specs = wish.get("faults", [])
        if not isinstance(specs, list) or not all(isinstance(spec, dict) for spec in specs):
            raise ValueError("faults must be a list of objects.")
        faults = [made(spec) for spec in specs]
        if wish.get("reset"):
            self.reset()
        if "faults" in clear:
            self.clear_faults()
        if "journal" in clear:
            self.journal.clear()
        self.switches.set(changes)
        if ahead is not None:
            self.database.clock.offset = timedelta(seconds=ahead)
        for fault in faults:
            self.arm(fault)

    def _state(self, *, with_journal: bool) -> Document:
        clock = round(self.database.clock.offset.total_seconds())
        document: Document = {"switches": self.switches.current, "faults": self.faults.as_list(), "clock": clock}
        if with_journal:
            document["journal"] = self.journal.as_list()
        return document | EXPLAINED


def _held(fault: Fault | None, moment: str, released: Event) -> bool:
    """Wait if the fault delays at this moment; False if the call was let go meanwhile, with nobody to answer."""
    if fault is None or fault.kind != "delay" or fault.when != moment:
        return True
    return not released.wait(fault.options["seconds"])
