"""Building blocks of the table of pages: scenes, the states in them, and the steps that lead to a state.

Steps name addresses and forms, never words: so the same table serves every language.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Locator, Page

from sandbox import Sandbox

Step = Callable[["Stage"], None]


@dataclass(frozen=True)
class State:
    """One thing that a person may see, and how to get there from the state before, or from anywhere."""

    name: str
    steps: tuple[Step, ...]


def state(name: str, *steps: Step) -> State:
    return State(name, steps)


@dataclass(frozen=True)
class Scene:
    """States that share a person, signed in once, and what is there before; the states come in this order."""

    name: str
    states: tuple[State, ...]
    person: str = ""
    verified: bool = True
    password: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    prepare: Step = lambda stage: None

    def __str__(self) -> str:
        return self.name


@dataclass
class Stage:
    """A page in which somebody may be signed in, and what the page stands on."""

    page: Page
    sandbox: Sandbox
    settings: Any
    make_person: Callable[..., Any]

    def states(self, scene: Scene) -> Iterator[str]:
        """Go through the scene; the name of each state once the page is in it."""
        for one in scene.states:
            for step in one.steps:
                step(self)
            yield f"{scene.name}-{one.name}"


# Steps


def at(path: str) -> Step:
    def step(stage: Stage) -> None:
        answer = stage.page.goto(path)
        if answer and "refresh" in answer.headers:
            stage.page.evaluate("stop()")  # one that tries again by itself stays while it is looked at

    return step


def fill(selector: str, value: str | Callable[[], str]) -> Step:
    """Type this into the field; without looking whether somebody could see it."""

    def step(stage: Stage) -> None:
        stage.page.locator(selector).first.fill(value if isinstance(value, str) else value(), force=True)

    return step


def click(selector: str) -> Step:
    """Press what stays on the page; `follow` is for the rest."""

    def step(stage: Stage) -> None:
        stage.page.locator(selector).first.click()

    return step


def follow(selector: str) -> Step:
    """Press what leads to another page, and wait for all of that: a click alone comes back when it begins."""

    def step(stage: Stage) -> None:
        with stage.page.expect_navigation():
            stage.page.locator(selector).first.click()

    return step


def send(form: str) -> Step:
    """Send the form, wherever its button is folded away, and wait for the page that answers."""

    def step(stage: Stage) -> None:
        with stage.page.expect_navigation():
            _submit(stage, form)

    return step


def enters(form: str, **fields: str | Callable[[], str]) -> Step:
    """Fill in the form and send it."""

    def step(stage: Stage) -> None:
        for name, value in fields.items():
            fill(f"{form} [name={name}]:not([type=hidden])", value)(stage)
        send(form)(stage)

    return step


def choose(place: Page | Locator, name: str) -> None:
    """Press a button in the menu of a row, or of a consumer."""
    place.get_by_role("button", name="More").first.click()
    place.get_by_role("button", name=name, exact=True).click()


def by(path: str, place: str = "main") -> str:
    """The form, or the button, that goes to this address; or the button of a row that names this verb."""
    return f"{place} :is([action$='{path}'], [formaction$='{path}'], [name=ask][value='{path.strip('/')}'])"


def ask(form: str, sees: str = "#dialog[open] #dialog-title") -> Step:
    """Send the form by htmx, and wait for what it brings."""

    def step(stage: Stage) -> None:
        _submit(stage, form)
        stage.page.locator(sees).first.wait_for()

    return step


def held(address: str) -> Step:
    """Let nothing answer at addresses of this pattern, as long as the page stays."""

    def step(stage: Stage) -> None:
        stage.page.route(re.compile(address), lambda route: None)

    return step


def setting(**values: Any) -> Step:
    def step(stage: Stage) -> None:
        for name, value in values.items():
            setattr(stage.settings, name, value)

    return step


def fault(method: str, path: str, kind: str, **options: Any) -> Step:
    def step(stage: Stage) -> None:
        stage.sandbox.fault(method, path, kind, **options)

    return step


def with_chip(page: Page, transport: str = "internal") -> Callable[[], Any]:
    """Plug in an authenticator that keeps passkeys, and has the right finger on it; the answer takes that off."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": transport,
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    chip = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
    return lambda: session.send("WebAuthn.setUserVerified", {"authenticatorId": chip, "isUserVerified": False})


def _submit(stage: Stage, form: str) -> None:
    """As a press on its button does; past the browser's own checks, to see the portal's."""
    script = """async (part) => {
        // Nobody is quick enough to press before htmx has taken over a form that it brought; this would be.
        const isTaken = () => !part.closest("[hx-get], [hx-post]") || "htmx-internal-data" in part;
        while ("htmx" in window && !isTaken()) await new Promise(requestAnimationFrame);
        if (part.matches("button")) return part.click();
        part.noValidate = true;
        part.requestSubmit(part.querySelector("button:not([type=button])"));
    }"""
    stage.page.locator(form).first.evaluate(script)
