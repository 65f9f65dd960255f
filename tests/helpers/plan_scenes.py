"""The pages about plans in each state worth looking at: scenes of the table of pages."""

from decimal import Decimal

from plans.models import PaymentIssue, Plan, PlanFeature, PlanRecord, PlanRequest
from portal.models import User
from sandbox.metering import samples
from tests.helpers.stage import Scene, Stage, at, enters, fault, setting, state

ANN, CLERK = "ann@acme.test", "clerk@portal.test"
ACME = "/plans/production/consumer/acme/"
TURNED_ON = setting(PLANS="zuplo", KEYS_PANELS="plans.web.panels.PlanPanels")
OWN_PLANS = setting(PLANS="portal", KEYS_PANELS="plans.web.panels.PlanPanels")


def plans_of_zuplo(stage: Stage) -> None:
    """Ann's consumers: one well within its plan, one near its limit, one used up, one without a plan."""
    TURNED_ON(stage)
    metering = stage.sandbox.metering
    metering.add_plans(*samples.three_plans(), samples.plan("contract", "Contract", samples.fee("1") | {"price": {}}))
    for name, title, plan, used in (
        ("acme", "Acme Inc", "pro", 320),
        ("globex", "Globex", "free", 870),
        ("initech", "Initech", "free", 1004),
    ):
        stage.sandbox.add_consumer(name, label=title, managers=[ANN], keys=[{"description": "Server"}])
        subscription = metering.subscribe(name, plan, email=ANN)
        metering.use(subscription, used)
    stage.sandbox.add_consumer("umbrella", label="Umbrella", managers=[ANN])


def plans_in_admin(stage: Stage) -> None:
    OWN_PLANS(stage)
    User.objects.filter(email=CLERK).update(is_staff=True, is_superuser=True)
    for order, (key, name, amount) in enumerate(
        (("free", "Free", None), ("pro", "Pro", "49"), ("team", "Team", "149"))
    ):
        plan = Plan.objects.create(key=key, name=name, order=order, amount=amount and Decimal(amount))
        PlanFeature.objects.create(plan=plan, key="api_requests", name="API requests", limit=10 ** (order + 3))
    stage.sandbox.add_consumer("acme", label="Acme Inc", managers=[ANN], metadata={"plan": "free"})
    acme = PlanRecord(environment="production", consumer="acme", consumer_id=stage.sandbox.consumer("acme")["id"])
    acme.keep(plan_key="free", plan_name="Free", used_percent=87, used_feature="API requests")
    acme.keep(stripe_subscription="sub_1", stripe_plan="team")
    PaymentIssue.objects.create(
        kind=PaymentIssue.Kind.WITHDRAWN_PLAN, stripe_subscription="sub_1", email=ANN, consumer="acme", plan_name="Team"
    )
    PlanRequest.objects.create(
        email=ANN, environment="production", consumer="acme", plan_key="pro", plan_name="Pro", words="We grow"
    )


VISITOR = Scene(
    "plans-visitor",
    (
        state("page", at("/plans/")),
        state("outage", setting(ZUPLO_API_URL="http://127.0.0.1:9"), at("/plans/production/")),
    ),
    prepare=plans_of_zuplo,
)
NEWCOMER = Scene(
    "plans-newcomer",
    (
        state("keys", at("/keys/")),
        state("start", at("/plans/production/start/free/")),
        state("start-refused", enters("main form", label="")),
        state("started", enters("main form", label="Server")),
        state("request", at("/plans/production/request/pro/")),
    ),
    person="newcomer@acme.test",
    prepare=plans_of_zuplo,
)
MANAGER = Scene(
    "plans-manager",
    (
        state("page", at("/plans/")),
        state("choose", at("/plans/production/choose/free/")),
        state("keys", at("/keys/")),
        state("subscription", at(ACME)),
        state("none", at("/plans/production/consumer/umbrella/")),
        state("change", at(ACME + "change/")),
        state("downgrade", at(ACME + "change/free/")),
        state("request", at(ACME + "request/business/")),
        state("requested", enters("main form", words="We grow")),
        state("cancel", at(ACME + "cancel/")),
        state("cancel-refused", enters("main form", plan_name="Free")),
        state("canceled", at("/plans/production/consumer/globex/cancel/"), enters("main form", plan_name="Free")),
        state("usage-unknown", fault("GET", "*/access", "status", status=500, times=0), at(ACME)),
    ),
    person=ANN,
    prepare=plans_of_zuplo,
)
ADMIN = Scene(
    "plans-admin",
    (
        state("plans", at("/admin/plans/plan/")),
        state("add-plan", at("/admin/plans/plan/add/")),
        state("requests", at("/admin/plans/planrequest/")),
        state("answer", lambda stage: stage.page.goto(_answer())),
        state("answer-refused", enters("#content form", answer="")),
        state("subscriptions", at("/admin/plans/planrecord/")),
        state("plan", at("/admin/plans/planrecord/plan/production/acme/")),
        state("issues", at("/admin/plans/paymentissue/")),
        state("issue", lambda stage: stage.page.goto(_issue())),
    ),
    person=CLERK,
    prepare=plans_in_admin,
)


def _answer() -> str:
    return f"/admin/plans/planrequest/{PlanRequest.objects.get().pk}/answer/"


def _issue() -> str:
    return f"/admin/plans/paymentissue/{PaymentIssue.objects.get().pk}/change/"


SCENES = [VISITOR, NEWCOMER, MANAGER]
