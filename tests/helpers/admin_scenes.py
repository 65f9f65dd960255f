"""The pages of ours in Django admin, in each state worth looking at: a scene of the table of pages."""

from django.contrib.auth.models import Permission
from django.utils import timezone

from keys.models import AuditEvent
from portal.models import OutgoingMail, User
from tests.helpers.scenes import ANN, CLERK, DOWN, ODDLY, calm, gateway_plays, history_of_acme, many_keys, no_clipboard
from tests.helpers.stage import Scene, Stage, Step, at, click, enters, fault, follow, send, state

ALL = "/admin/keys/consumers/production/"
ACME = "/admin/keys/consumer/production/acme/"
FLEET = "/admin/keys/consumer/production/fleet/"


def an_admin(stage: Stage) -> None:
    stage.make_person(ANN)
    User.objects.filter(email=CLERK).update(is_staff=True, is_superuser=True)
    stage.sandbox.add_consumer("initech", managers=["nobody@example.com"], tags={"plan": "pro"}, metadata={"seats": 5})
    history_of_acme(stage)
    now = timezone.now()
    mail = {"sender": "portal@acme.test", "created_at": now, "due_at": now, "useless_at": now}
    OutgoingMail.objects.create(recipients=[ANN], subject="A key was rotated", sent_at=now, **mail)
    OutgoingMail.objects.create(recipients=[ANN], subject="New sign-in", failed_at=now, trouble="refused", **mail)


def only_views(stage: Stage) -> None:
    User.objects.filter(email=CLERK).update(is_superuser=False)
    User.objects.get(email=CLERK).user_permissions.set(Permission.objects.filter(codename="view_consumer"))


def page_of_a_key(stage: Stage) -> None:
    stage.page.goto(f"{ACME}{stage.sandbox.keys('acme')[0]['id']}/")


def verb(name: str) -> Step:
    """The form of a verb on the first key, or what it brings where it has none."""
    way = f":is(a[href$='/{name}/'], form[action$='/{name}/'] button, button[formaction$='/{name}/'])"

    def step(stage: Stage) -> None:
        page_of_a_key(stage)
        follow(f"#content {way}")(stage)

    return step


def copies(sees: str) -> Step:
    def step(stage: Stage) -> None:
        stage.page.locator("[formaction$='/copy/']").first.click()
        stage.page.locator(sees).wait_for()

    return step


def copied_by_hand(stage: Stage) -> None:
    stage.page.goto(ACME)
    no_clipboard(stage)
    stage.page.locator("[formaction$='/copy/']").first.click()
    stage.page.locator("#copy-by-hand[open]").wait_for()


def found(stage: Stage) -> None:
    key = stage.sandbox.keys("acme")[0]["key"]
    enters("#content form", value=key)(stage)


def person(path: str) -> Step:
    def step(stage: Stage) -> None:
        stage.page.goto(f"/admin/portal/user/{User.objects.get(email=ANN).pk}/{path}")

    return step


def event(stage: Stage) -> None:
    stage.page.goto(f"/admin/keys/auditevent/{AuditEvent.objects.latest('pk').pk}/change/")


def an_odd_consumer(stage: Stage) -> None:
    stage.sandbox.add_consumer("org.example", managers=[ANN])


FORM = "#content form.form"
ADMIN = Scene(
    "admin",
    (
        state("index", at("/admin/")),
        state("consumers", at(ALL)),
        state("filtered", at(f"{ALL}?manager={ANN}")),
        state("none-found", at(f"{ALL}?name=nobody")),
        state("filter-refused", at(f"{ALL}?tag=plan")),
        state("consumer", at(ACME)),
        state("many-keys", many_keys, at(f"{FLEET}?page=3")),
        state("many-keys-none-found", at(f"{FLEET}?find=nothing")),
        state("rotated", at(FLEET), follow("[formaction$='/rotate/']"), send(FORM)),
        state("rotated-row", follow("#content .form-actions a")),
        state("consumer-unseen", at("/admin/keys/consumer/production/initech/")),
        state("consumer-gone", at("/admin/keys/consumer/production/gone/")),
        state("key", gateway_plays, page_of_a_key),
        state("try", verb("try")),
        state("reveal", verb("reveal")),
        state("copied", at(ACME), copies("#notices [data-notice=success]")),
        state("copy-refused", fault("GET", "*", "drop", times=2), copies("#notices [data-notice=error]")),
        state("copy-by-hand", copied_by_hand),
        state("rotate", verb("rotate")),
        state("end", verb("end")),
        state("rename", verb("rename")),
        state("delete", verb("delete")),
        state("rotate-all", at(ACME + "rotate-all/")),
        state("create-key", at(ACME + "create/")),
        state("create-key-refused", send(FORM)),
        state("created-key", enters(FORM, label="Server")),
        state("create-consumer", at(ALL + "create/")),
        state("create-consumer-refused", enters(FORM, name="Not a name", tags="plan")),
        state("change-consumer", at("/admin/keys/consumer/production/initech/change/")),
        state("change-consumer-refused", enters(FORM, metadata="{")),
        state("delete-consumer", at(ACME + "delete/")),
        state("delete-consumer-refused", enters(FORM, typed="globex")),
        state("add-manager", at(ACME + "managers/add/")),
        state("remove-manager", at(ACME), follow("#content a[href$='/remove/']")),
        state("look", at(f"{ALL}look/ending/")),
        state("look-ending", at(f"{ALL}look/ending/?days=90&from=0")),
        state("look-never", at(f"{ALL}look/never/?from=0")),
        state("look-old", at(f"{ALL}look/old/?days=30&from=0")),
        state("look-unseen", at(f"{ALL}look/unseen/?from=0")),
        state("search", at(f"{ALL}look/search/?words=acme&from=0")),
        state("search-nothing", at(f"{ALL}look/search/?words=nothing&from=0")),
        state("find", at(ALL + "find/")),
        state("found", found),
        state("leaked", verb("leaked")),
        state("leaked-refused", enters(FORM, found="")),
        state("users", at("/admin/portal/user/")),
        state("user", person("change/")),
        state("user-rights", click("#content summary")),
        state("user-saved", follow("[name=_save]")),
        state("add-user", at("/admin/portal/user/add/")),
        state("add-user-refused", send("#content form")),
        state("user-history", person("history/")),
        state("user-delete", person("delete/")),
        state("support", person("support/")),
        state("log", at("/admin/keys/auditevent/")),
        state("event", event),
        state("mails", at("/admin/portal/outgoingmail/")),
        state("odd-consumers", an_odd_consumer, ODDLY, at(ALL)),
        state("odd-consumer", at(ACME)),
        state("odd-look", at(f"{ALL}look/never/?from=0")),
        state("outage", calm, DOWN, at(ACME)),
        state("only-views", calm, only_views, at(ACME)),
        state("refused", at(ACME + "delete/")),
    ),
    person=CLERK,
    prepare=an_admin,
)
