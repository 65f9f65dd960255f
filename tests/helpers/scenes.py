"""Every page and dialog of the portal, in each state worth looking at: the table behind the checks and the pictures."""

from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.utils import timezone

from keys.models import Action, AuditEvent, MutedReminders, Outcome
from portal.models import User
from sandbox import Sandbox
from tests.helpers.oidc_provider import Provider, settings_for
from tests.helpers.people import last_code
from tests.helpers.stage import (
    Scene,
    Stage,
    Step,
    ask,
    at,
    by,
    click,
    enters,
    fault,
    fill,
    follow,
    held,
    send,
    setting,
    state,
    with_chip,
)

LOGIN, SIGNUP, RESET = "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"
EMAIL, DELETE, SESSIONS = "/accounts/email/", "/accounts/delete/", "/accounts/sessions/"
SET, CHANGE = "/accounts/password/set/", "/accounts/password/change/"
FACTORS, CODES = "/accounts/2fa/", "/accounts/2fa/recovery-codes/"
PASSKEY, APP = "/accounts/2fa/webauthn/add/", "/accounts/2fa/totp/activate/"
STEP_UP = "/accounts/step-up/code/"
ANN, BEN, CLERK = "ann@acme.test", "ben@acme.test", "clerk@portal.test"
WRONG = "AAAA-AAAA"
GOOGLE = {"OAUTH_PKCE_ENABLED": True, "APPS": [{"client_id": "portal", "secret": "secret"}]}

# What is there before


def in_days(days: float) -> str:
    return (timezone.now() + timedelta(days=days)).isoformat()


def some_keys(sandbox: Sandbox) -> None:
    """One consumer with keys in every state, one with a single key, and one with none."""
    managers = [ANN, BEN, "carla.fernandez-quintero@acme.test", "dev+ci@acme.test"]
    keys: list[dict[str, Any]] = [
        {"description": "Production server", "createdOn": in_days(-20)},
        {
            "description": "CI of the mobile application, with a rather long label",
            "createdOn": in_days(-50),
            "expiresOn": in_days(40),
        },
        {"description": "Laptop", "createdOn": in_days(-88), "expiresOn": in_days(2.2)},
        {"description": "", "createdOn": in_days(-400)},
        {"description": "Old laptop", "createdOn": in_days(-93), "expiresOn": in_days(-3)},
    ]
    sandbox.add_consumer("acme", label="Acme Inc", managers=managers, keys=keys)
    reporting = {"description": "Reporting", "createdOn": in_days(-59)}
    plan = {"plan": "pro", "seats": 25}
    sandbox.add_consumer("globex", label="Globex", managers=managers[:2], keys=[reporting], metadata=plan)
    sandbox.add_consumer("mobile-apps-of-a-very-long-company-name", managers=managers[:1])


def keys_of_acme(stage: Stage) -> None:
    some_keys(stage.sandbox)


def ben_is_known(stage: Stage) -> None:
    stage.make_person(BEN)


def many_consumers(stage: Stage) -> None:
    """More than a page of them, in several environments."""
    first, second = stage.sandbox.buckets[:2]
    stage.settings.ZUPLO_BUCKETS = {"production": first, "preview": second}
    for number in range(30):
        keys = [{"description": "Server"}] if number < 3 else []
        stage.sandbox.add_consumer(f"team-{number}", label=f"Team {number}", managers=[ANN], keys=keys)


def many_keys(stage: Stage) -> None:
    """More than a page of them in one consumer, some expired, and one that was rotated."""
    stage.settings.KEYS_PER_CONSUMER = 100
    live = [{"description": f"Worker {number}", "createdOn": in_days(-90 + number)} for number in range(27)]
    over = [{"description": f"Old worker {number}", "expiresOn": in_days(-number - 1)} for number in range(3)]
    stage.sandbox.add_consumer("fleet", label="Fleet", managers=[ANN, BEN], keys=[*live, *over])


def history_of_acme(stage: Stage) -> None:
    """A week in which people of Acme, support and an admin did what there is to do, with every outcome."""
    some_keys(stage.sandbox)
    ann, day = User.objects.get(email=ANN), timedelta(days=1)
    by_staff = {"staff_email": CLERK, "reason": "Ticket 4711: cannot find the key of the build server"}
    key = {"key_label": "Production server", "key_ending": "9f3c", "address": "192.0.2.17"}
    long = {"key_label": "CI of the mobile application, with a rather long label", "key_ending": "07ab"}
    far = {"email": BEN, "address": "2001:db8:85a3:8d3:1319:8a2e:370:7348"}
    mine = {"user": ann, "email": ANN}
    kept = next(one for one in stage.sandbox.keys("acme") if one["description"] == "Production server")
    here = {"key_id": kept["id"], "key_label": kept["description"], "key_ending": kept["key"][-4:]}
    rotated = {"new_ending": "c41d", "new": "gone", "label": "Production server", "old": {kept["id"]: in_days(2)}}
    names = {"a": ["CI", "07ab"], "b": ["Laptop", "5e2d"], kept["id"]: [here["key_label"], here["key_ending"]]}
    all_of = {"new_ending": "0b7e", "new": "new", "old": {"a": in_days(-1)}, "names": names}
    limit = {"refusal": "Acme Inc can have 4 keys."}
    for number, (action, facts) in enumerate(
        [
            (Action.ASK_FOR_ACCESS, {"email": "mia@acme.test"}),
            (Action.ROTATE, mine | here | {"facts": rotated}),
            (Action.ROTATE_ALL, far | {"facts": all_of}),
            (Action.REVEAL, mine | key),
            (Action.COPY, far | long),
            (Action.SUPPORT_ENDED, mine | by_staff | {"consumer": "", "environment": "", "facts": {"how": "stopped"}}),
            (Action.REVEAL, mine | by_staff | key | {"outcome": Outcome.REFUSED}),
            (Action.SUPPORT, mine | by_staff | {"consumer": "", "environment": "", "facts": {"until": in_days(1)}}),
            (Action.CREATE, mine | {"outcome": Outcome.REFUSED, "facts": limit}),
            (Action.CHANGE_END, far | long | {"outcome": Outcome.UNCONFIRMED}),
            (Action.ROTATE, far | key | {"outcome": Outcome.PARTLY, "facts": {"new_ending": "77e0"}}),
            (Action.DELETE, mine | long | {"outcome": Outcome.FAILED, "consumer": "globex"}),
            (Action.RENAME_CONSUMER, far),
        ]
    ):
        at_what_time = timezone.now() - number * day / 3
        common = {"environment": "production", "consumer": "acme", "outcome": Outcome.DONE, "started_at": at_what_time}
        AuditEvent.objects.create(action=action, **common | facts)


def people_of_acme(stage: Stage) -> None:
    history_of_acme(stage)
    people = [ANN, BEN, "carla.fernandez-quintero@acme.test", "no address"]
    stage.sandbox.set_managers("acme", people)
    facts = {"address": "carla.fernandez-quintero@acme.test"}
    AuditEvent.objects.create(
        action=Action.ADD_MANAGER,
        environment="production",
        consumer="acme",
        outcome=Outcome.DONE,
        email=BEN,
        facts=facts,
    )


def a_key_with_a_past(stage: Stage) -> None:
    """The first key took the place of the third, and was copied by a colleague; an old one has leaked."""
    some_keys(stage.sandbox)
    gateway_plays(stage)
    ann, key_of = User.objects.get(email=ANN), {key["description"]: key for key in stage.sandbox.keys("acme")}
    server, laptop, old = (key_of[label] for label in ("Production server", "Laptop", "Old laptop"))
    rotated = {"new": server["id"], "new_ending": server["key"][-4:], "old": {laptop["id"]: laptop["expiresOn"]}}
    leaked = {"found": "In a public repository, https://git.test/acme/app/blob/main/deploy.sh", "ends": in_days(-3)}
    for days, key, action, facts in (
        (20, laptop, Action.ROTATE, {"user": ann, "email": ANN, "address": "192.0.2.17", "facts": rotated}),
        (3, server, Action.COPY, {"email": BEN, "address": "2001:db8:85a3:8d3:1319:8a2e:370:7348"}),
        (2, server, Action.REVEAL, {"user": ann, "email": ANN, "address": "192.0.2.17"}),
        (3, old, Action.CHANGE_END, {"email": CLERK, "staff_email": CLERK, "facts": leaked}),
    ):
        about = {"key_id": key["id"], "key_label": key["description"], "key_ending": key["key"][-4:]}
        when = {"started_at": timezone.now() - timedelta(days=days), "outcome": Outcome.DONE}
        common = {"environment": "production", "consumer": "acme"}
        AuditEvent.objects.create(action=action, **common | about | when | facts)


def a_colleague_who_supports(stage: Stage) -> None:
    stage.make_person(ANN)
    clerk = User.objects.get(email=CLERK)
    clerk.is_staff = True
    clerk.save()
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "support_user"]))
    history_of_acme(stage)


def page_of_key(label: str) -> Step:
    def step(stage: Stage) -> None:
        key = next(key for key in stage.sandbox.keys("acme") if key["description"] == label)
        at(f"/keys/production/acme/{key['id']}/")(stage)

    return step


def deleted(stage: Stage) -> None:
    """The key whose page this is; and the page again."""
    page = stage.page.url
    stage.page.goto(f"{page}delete/")
    send("main form")(stage)
    stage.page.goto(page)


def looks_as_ann(stage: Stage) -> None:
    ann = User.objects.get(email=ANN)
    stage.page.goto(f"/admin/portal/user/{ann.pk}/support/")
    stage.page.locator("[name=reason]").fill("Ticket 4711: cannot find the key of the build server")
    follow("#content form.form button")(stage)


def more_addresses(stage: Stage) -> None:
    ann = User.objects.get(email=ANN)
    EmailAddress.objects.create(user=ann, email="ann@home.test", verified=True)
    EmailAddress.objects.create(user=ann, email="ann.with-a-long-name@a-company-of-that-name.test", verified=False)


def one_connection(stage: Stage) -> None:
    SocialAccount.objects.create(user=User.objects.get(email=ANN), provider="acme", uid="42")


def a_colleague(stage: Stage) -> None:
    User.objects.filter(email=CLERK).update(is_staff=True)


def no_consumers(stage: Stage) -> None:
    stage.sandbox.reset()


def no_clipboard(stage: Stage) -> None:
    script = "for (const way of ['write', 'writeText']) navigator.clipboard[way] = () => Promise.reject()"
    stage.page.evaluate(f"() => {{ {script} }}")


def calm(stage: Stage) -> None:
    """No more faults; and nothing remembered of them."""
    stage.sandbox.clear_faults()
    cache.clear()


def gateway_plays(stage: Stage) -> None:
    """The sandbox is the API behind the gateway too."""
    stage.settings.GATEWAY_URL, stage.settings.GATEWAY_TEST_PATH = stage.sandbox.url, "/_sandbox/hello"


def gateway_refuses_for_the_plan(stage: Stage) -> None:
    stage.settings.GATEWAY_TEST_PATH, stage.settings.PLANS_URL = "/used-up", "/plans/"
    problem = {"detail": 'API Key has exceeded the allowed limit for "api_requests" meter.'}
    stage.sandbox.fault("GET", "/used-up", "status", status=403, body=problem)


def keys_are_hidden(stage: Stage) -> None:
    """As in a bucket that shows a key only to whoever makes it."""
    stage.sandbox.set(retrievable="masked")


def asks_for_no_page(stage: Stage) -> None:
    stage.page.evaluate("() => void htmx.ajax('GET', '/nowhere/', '#main')")
    stage.page.locator("#notices [data-notice=error]").wait_for()


def keys_of_acme_and_ben(stage: Stage) -> None:
    keys_of_acme(stage)
    ben_is_known(stage)


def others_turn_them_off(stage: Stage) -> None:
    MutedReminders.objects.all().delete()
    ben, consumer = User.objects.get(email=BEN), {"environment": "production", "consumer": "acme"}
    for email in (BEN, "carla.fernandez-quintero@acme.test", "dev+ci@acme.test"):
        MutedReminders.objects.create(user=ben, email=email, **consumer)


def nobody_else_has_them_on(stage: Stage) -> None:
    """Since the page was opened."""
    ben = User.objects.get(email=BEN)
    MutedReminders.objects.create(user=ben, email=BEN, environment="production", consumer="globex")


def too_large(stage: Stage) -> None:
    stage.page.goto(LOGIN)
    fill("main [name=login]", "x" * 70_000)(stage)
    send(by(LOGIN))(stage)


def chip(stage: Stage) -> None:
    with_chip(stage.page)


def cookies_are_lost(stage: Stage) -> None:
    stage.page.context.clear_cookies()


def code_of_the_app(stage: Stage) -> None:
    secret = stage.page.locator("#totp-secret").input_value()
    code = format_hotp_value(hotp_value(secret, int(timezone.now().timestamp()) // 30))
    stage.page.locator("[name=code]").fill(code)


def verb(name: str, sees: str = "#dialog[open] #dialog-title") -> Step:
    return ask(by(f"/{name}/", ROW), sees)


def keys_of_acme_and_an_odd_consumer(stage: Stage) -> None:
    keys_of_acme(stage)
    stage.sandbox.add_consumer("org.example", managers=[ANN])


# The table

KEYS = at("/keys/production/")
ROW = "[data-consumer=acme] [data-key]"
DIALOG = "#dialog form"
NEW_KEY = "#dialog [data-guard]"
NOTICE, TROUBLE = "#notices [data-notice=success]", "#notices [data-error]"
ADD = "main form:has([name=action_add])"
EARLY = "#dialog[open] [data-skeleton]"
DOWN = fault("*", "*", "status", status=503, times=0)
ODDLY = fault("GET", "*", "odd_object", times=0)
PATCH_FAILS = fault("PATCH", "*", "status", status=500)
CONFIRM = by("/code/confirm/")
NO_RESETS = setting(ACCOUNT_RATE_LIMITS={"reset_password": "1/m/ip"})

VISITOR = Scene(
    "visitor",
    (
        state("home", at("/")),
        state("sign-in", at(LOGIN)),
        state("sign-in-by-password", click("details.fold > summary")),
        state("sign-in-refused", enters(".fold form", login="nobody@acme.test", password="wrong")),
        state("sign-up", at(SIGNUP)),
        state("sign-up-refused", enters(by(SIGNUP), email="not an address")),
        state("sign-up-code", at(SIGNUP), enters(by(SIGNUP), email="new@acme.test")),
        state("code", cookies_are_lost, at(LOGIN), enters(by(LOGIN), login=BEN)),
        state("code-wrong", enters(CONFIRM, code=WRONG)),
        state("code-sent-anew", send("main form:has([value=resend])")),
        state("code-over", *3 * (enters(CONFIRM, code=WRONG),)),
        state("password-reset", cookies_are_lost, at(RESET)),
        state("password-reset-code", enters(by(RESET), email=BEN)),
        state("password-reset-new", enters(by("/reset/confirm/"), code=last_code)),
        state("password-changed", at("/accounts/password/reset/done/")),
        state("provider-cancelled", at("/accounts/3rdparty/login/cancelled/")),
        state("provider-failed", at("/accounts/3rdparty/login/error/")),
        state("account-closed", at("/accounts/inactive/")),
        state("sign-up-closed", setting(LOCAL_SIGN_UP=False), at(SIGNUP)),
        state("not-found", at("/nowhere/")),
        state("form-out-of-date", at(LOGIN), cookies_are_lost, enters(by(LOGIN), login=BEN)),
        state("not-a-page", at("/keys/production/acme/key/reveal/")),
        state("unreadable", at(f"{LOGIN}?{'a&' * 1001}")),
        state("too-large", too_large),
        state("too-many", NO_RESETS, *2 * (at(RESET), enters(by(RESET), email=BEN))),
        state("forbidden", setting(ROOT_URLCONF="tests.helpers.failing_urls"), at("/forbidden")),
        state("failed", at("/fail")),
    ),
    prepare=ben_is_known,
)
NEWCOMER = Scene(
    "newcomer",
    (
        state("home", at("/")),
        state("no-keys", KEYS),
        state("ask-for-access", click("details.fold > summary")),
        state("asked", enters(by("/ask/production/"), consumer="acme")),
        state("first-key", ask(by("/create/production/"))),
        state("first-key-made", fill(f"{DIALOG} [name=label]", "Server"), ask(DIALOG, NEW_KEY)),
    ),
    person=ANN,
)
PEOPLE = Scene(
    "people",
    (
        state("consumer", at("/keys/production/acme/")),
        state("list", ask(by("/acme/people/"))),
        state(
            "refused",
            fill(f"{DIALOG} [name=email]", "no address"),
            ask("#dialog .form", "#dialog .errorlist"),
        ),
        state("added", fill(f"{DIALOG} [name=email]", "zoe@acme.test"), ask("#dialog .form", NOTICE)),
        state("list-after", ask(by("/acme/people/"))),
        state("remove", ask("#dialog form[action$='/remove/']:not([method=post])", "#dialog .button-danger-fill")),
        state("page", at("/keys/production/acme/people/")),
        state("proof-needed", setting(STEP_UP_MINUTES=0), at("/keys/production/acme/people/")),
        state("staff-only", setting(KEYS_MANAGED_BY="staff"), at("/keys/production/acme/people/")),
    ),
    person=ANN,
    prepare=people_of_acme,
)
UNPROVED = Scene(
    "unproved",
    (
        state("keys", KEYS),
        state("addresses", at(EMAIL)),
    ),
    person=ANN,
    verified=False,
)
MANAGER = Scene(
    "keys",
    (
        state("page", KEYS),
        state("menu", click("[popovertarget=account-menu]")),
        state("menu-of-a-key", KEYS, click(f"{ROW} .more")),
        state("unfolded", KEYS, click(".ended summary"), click(".consumer-facts summary")),
        state("revealed", KEYS, verb("reveal", "[data-revealed]")),
        state("copied", KEYS, verb("copy", NOTICE)),
        state("copy-by-hand", KEYS, no_clipboard, verb("copy", "#copy-by-hand[open]")),
        state("create", KEYS, ask(by("/acme/create/"))),
        state("create-refused", ask(DIALOG, "#dialog .errorlist")),
        state("rotate", KEYS, verb("rotate")),
        state("rotate-all", KEYS, ask(by("/acme/rotate-all/"))),
        state("change-end", KEYS, verb("end")),
        state("rename", KEYS, verb("rename")),
        state("renamed", fill(f"{DIALOG} [name=label]", "Server"), ask(DIALOG, NOTICE)),
        state("rename-consumer", KEYS, ask(by("/acme/rename/"))),
        state("early", KEYS, held("/acme/rename/"), ask(by("/acme/rename/"), EARLY)),
        state("early-panel", KEYS, held(r"/acme/key_\w+/(\?|$)"), click(f"{ROW} strong a"), click(f"{EARLY} h2")),
        state("delete", KEYS, verb("delete")),
        state("delete-last", KEYS, ask(by("/delete/", "[data-consumer=globex] [data-key]"))),
        state("new-key", KEYS, verb("rotate"), ask(DIALOG, NEW_KEY)),
        state("new-key-half-done", KEYS, PATCH_FAILS, verb("rotate"), ask(DIALOG, "#dialog form.callout")),
        state("page-of-a-verb", at("/keys/production/acme/create/")),
        state("limit-reached", setting(KEYS_PER_CONSUMER=1), KEYS),
        state("limit-reached-page", at("/keys/production/acme/create/")),
        state("not-found", at("/keys/production/elsewhere/create/")),
        state("outage-in-dialog", KEYS, verb("rename"), DOWN, ask(DIALOG, "#dialog [data-error]")),
        state("outage", KEYS),
        state("shortcuts", calm, KEYS, click("[popovertarget=shortcuts]")),
        state("rotated", setting(KEYS_PER_CONSUMER=10), KEYS, verb("rotate"), ask(DIALOG, NEW_KEY), KEYS),
        state("quickstart-in-go", gateway_plays, KEYS, click(".request-name:has([value=go])")),
        state("tried", ask(by("/try/"), ".trial")),
        state("tried-in-vain", setting(GATEWAY_TEST_PATH="/elsewhere"), KEYS, ask(by("/try/"), ".trial")),
        state("tried-and-used-up", gateway_refuses_for_the_plan, KEYS, ask(by("/try/"), ".trial")),
        state("page-in-a-notice", asks_for_no_page),
        state("not-shown", keys_are_hidden, KEYS, verb("reveal", TROUBLE)),
        state("shown-once", setting(KEYS_SHOW_METADATA=["plan", "seats"]), KEYS),
        state("new-key-shown-once", verb("rotate"), ask(DIALOG, NEW_KEY)),
    ),
    person=ANN,
    prepare=keys_of_acme,
)
CROWD = Scene(
    "crowd",
    (
        state("first-page", KEYS),
        state("last-page", at("/keys/production/?page=2")),
        state("found", at("/keys/production/?find=team-7")),
        state("nothing-found", at("/keys/production/?find=nobody")),
        state("slow", KEYS, held("/preview/"), click(".segments a[href$='/preview/']"), click("[data-skeleton]")),
    ),
    person=ANN,
    prepare=many_consumers,
)
FLEET = "/keys/production/fleet/"
OLD = "[data-key][data-old]"
MANY_KEYS = Scene(
    "many-keys",
    (
        state("first-page", KEYS),
        state("rotated", ask(by("/rotate/", "[data-key]")), ask(DIALOG, NEW_KEY), KEYS),
        state("keep", ask(by("/keep/", OLD))),
        state("end-now", KEYS, ask(f"{OLD} [name=grace]")),
        state("second-page", at(f"{FLEET}?page=2")),
        state("last-page", at(f"{FLEET}?page=3")),
        state("found", at(f"{FLEET}?find=worker+2")),
        state("nothing-found", at(f"{FLEET}?find=nobody")),
    ),
    person=ANN,
    prepare=many_keys,
)
ACCOUNT = Scene(
    "account",
    (
        state("addresses", at(EMAIL)),
        state("address-refused", enters(ADD, email="nonsense")),
        state("address-code", at(EMAIL), enters(ADD, email="ann@home.test")),
        state("devices", at(SESSIONS)),
        state("password", at(SET)),
        state("password-refused", enters(by(SET), password1="1", password2="2")),
        state("delete", at(DELETE)),
        state("delete-refused", send(by(DELETE))),
        state("sign-out", at("/accounts/logout/")),
        state("factors", at(FACTORS)),
        state("passkey", chip, at(PASSKEY)),
        state("recovery-codes", enters(by(PASSKEY), name="Laptop")),
        state("app", at(APP)),
        state("app-refused", enters(by(APP), code="000000")),
        state("app-set-up", code_of_the_app, send(by(APP))),
        state("factors-set-up", at(FACTORS)),
        state("recovery-codes-anew", at(f"{CODES}generate/")),
        state("app-remove", at("/accounts/2fa/totp/deactivate/")),
        state("passkey-rename", at(FACTORS), follow("a[href$='/edit/']")),
        state("passkey-remove", at(FACTORS), follow("a[href$='/remove/']")),
        state("proof-by-passkey", setting(STEP_UP_MINUTES=0), at("/accounts/step-up/")),
        state("proof-by-app", at("/accounts/2fa/reauthenticate/")),
        state(
            "second-step", cookies_are_lost, at(LOGIN), enters(by(LOGIN), login=ANN), enters(CONFIRM, code=last_code)
        ),
    ),
    person=ANN,
)
PASSKEY_ALONE = Scene(
    "passkey-alone",
    (
        state("added", chip, at(PASSKEY), enters(by(PASSKEY), name="Laptop")),
        state(
            "second-step", cookies_are_lost, at(LOGIN), enters(by(LOGIN), login=ANN), enters(CONFIRM, code=last_code)
        ),
    ),
    person=ANN,
)
PROOF = Scene(
    "proof",
    (
        state("by-code", KEYS, send(by("/reveal/", ROW))),
        state("code", send(by(STEP_UP))),
        state("code-wrong", enters(by(STEP_UP), code=WRONG)),
    ),
    person=ANN,
    settings={"STEP_UP_MINUTES": 0},
    prepare=keys_of_acme,
)
PASSWORD = Scene(
    "password",
    (
        state("change", at(CHANGE)),
        state("proof", setting(STEP_UP_MINUTES=0), at("/accounts/step-up/")),
        state("proof-refused", enters(by("/reauthenticate/"), password="wrong")),
    ),
    person=ANN,
    password="open-sesame",
)
HISTORY = Scene(
    "history",
    (
        state("page", at("/keys/activity/production/")),
        state("filtered", at("/keys/activity/production/?consumer=acme&kind=made")),
        state("nothing-matches", at("/keys/activity/production/?kind=managers")),
        state("outage", DOWN, at("/keys/activity/production/")),
    ),
    person=ANN,
    prepare=history_of_acme,
)
REMINDERS = Scene(
    "reminders",
    (
        state("page", at("/keys/reminders/")),
        state("off", ask(by("/acme/reminders/"), NOTICE)),
        state("last-one-on", others_turn_them_off, at("/keys/reminders/")),
        state("refused", at("/keys/reminders/"), nobody_else_has_them_on, ask(by("/globex/reminders/"), TROUBLE)),
        state("calendar", at("/keys/reminders/"), send(by("/calendar/"))),
        state("calendar-made", at("/keys/reminders/")),
        state("calendar-revoked", send(by("/revoke/"))),
        state("outage", DOWN, at("/keys/reminders/")),
        state("none", calm, no_consumers, at("/keys/reminders/")),
    ),
    person=ANN,
    prepare=keys_of_acme_and_ben,
)
KEY = Scene(
    "key",
    (
        state("leaked", KEYS),
        state("worth-a-look", at("/keys/production/?only=endless")),
        state("panel", click(f"{ROW} strong a"), click("#dialog[open] .key-panel h2")),
        state("panel-revealed", ask("#dialog form[action$='/reveal/']", "[data-revealed]")),
        state("panel-rotate", ask("#dialog form[action$='/rotate/']", "#dialog [name=grace]")),
        state("page", page_of_key("Production server")),
        state("page-replaced", page_of_key("Laptop")),
        state("page-leaked", page_of_key("Old laptop")),
        state("page-gone", deleted),
        state("new-keys", KEYS, ask(by("/acme/rotate-all/")), ask(DIALOG, NEW_KEY)),
        state("page-not-found", at("/keys/production/acme/nowhere/")),
        state("page-outage", DOWN, page_of_key("Production server")),
    ),
    person=ANN,
    prepare=a_key_with_a_past,
)
ODD = Scene(
    "odd",
    (
        state("keys", ODDLY, KEYS),
        state("history", at("/keys/activity/production/")),
    ),
    person=ANN,
    prepare=keys_of_acme_and_an_odd_consumer,
)
NO_HISTORY = Scene("no-history", (state("page", at("/keys/activity/production/")),), person=ANN, prepare=keys_of_acme)
SUPPORT = Scene(
    "support",
    (
        state("keys", looks_as_ann, KEYS),
        state("menu", click("[popovertarget=account-menu]")),
        state("refused", at("/keys/production/acme/create/")),
        state("closed", at(EMAIL)),
        state("history", at("/keys/activity/production/")),
        state("reminders", at("/keys/reminders/production/")),
        state("no-keys", no_consumers, KEYS),
    ),
    person=CLERK,
    prepare=a_colleague_who_supports,
)
SIGN_IN = (cookies_are_lost, at(LOGIN), enters(by(LOGIN), login=BEN), enters(CONFIRM, code=last_code))
DEVICES = Scene(
    "devices",
    (state("two", *SIGN_IN, *SIGN_IN, at(SESSIONS)),),
    prepare=ben_is_known,
)
PROVIDERS = {"SOCIALACCOUNT_PROVIDERS": settings_for(Provider("http://127.0.0.1:9"), two=True, google=GOOGLE)}
COMPANY = Scene(
    "company",
    (
        state("sign-in", at(LOGIN)),
        state("bound", setting(PROVIDER_DOMAINS={"acme.test": "acme"}), enters(by(LOGIN), login=ANN)),
        state("failed", send("main form")),
        state("refused", at("/accounts/oidc/acme/login/callback/?error=invalid_scope")),
        state("sign-in-only", setting(LOCAL_SIGN_IN=False), at(LOGIN)),
    ),
    settings=PROVIDERS,
)
CONNECTIONS = Scene(
    "connections",
    (
        state("none", at("/accounts/3rdparty/")),
        state("one", one_connection, at("/accounts/3rdparty/")),
    ),
    person=ANN,
    settings=PROVIDERS,
)
ADDRESSES = Scene(
    "addresses",
    (
        state("several", at(EMAIL)),
        state("remove", follow("a[href$='/remove/']")),
    ),
    person=ANN,
    prepare=more_addresses,
)
COLLEAGUE = Scene("colleague", (state("delete", at(DELETE)),), person=CLERK, prepare=a_colleague)
SCENES = [
    VISITOR,
    NEWCOMER,
    PEOPLE,
    UNPROVED,
    MANAGER,
    CROWD,
    MANY_KEYS,
    ACCOUNT,
    PASSKEY_ALONE,
    PROOF,
    PASSWORD,
    DEVICES,
    HISTORY,
    NO_HISTORY,
    KEY,
    SUPPORT,
]
SCENES += [REMINDERS, ODD, COMPANY, CONNECTIONS, ADDRESSES, COLLEAGUE]
