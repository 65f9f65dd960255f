"""Transactions: in projects with ATOMIC_REQUESTS no view of ours is one, so that the audit log keeps what failed."""

from collections.abc import Iterator

import pytest
from django.contrib.admin.sites import site
from django.urls import URLPattern, URLResolver, get_resolver

PARTS = ["keys.urls", "plans.urls", "keys.staff.urls"]
APPS = {"keys", "plans"}
DATABASE_ALONE = {
    "keys.web.views.moved": "it asks for nothing: it only redirects",
    "keys.staff.audit_log.AuditEventAdmin.export": "it reads the audit log",
    "plans.admin.PlanRecordAdmin.export": "it reads the records of plans",
    "plans.admin.PlanRecordAdmin.changelist_view": "it reads the records of plans",
    "plans.admin.PlanRequestAdmin.change_view": "it reads a request, or leads to the page that answers it",
}


def patterns(within: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for one in within:
        if isinstance(one, URLResolver):
            yield from patterns(one.url_patterns)
        else:
            yield one


def views() -> Iterator[tuple[str, set[str]]]:
    """Each view of ours by its dotted name, and the databases in which it is no transaction."""
    found = [one for part in PARTS for one in patterns(get_resolver(part).url_patterns)]
    for model, admin in site._registry.items():
        found += admin.get_urls() if model._meta.app_label in APPS else []
    for one in found:
        if not one.callback.__module__.startswith("django."):
            name = f"{one.callback.__module__}.{one.callback.__qualname__}"
            yield name, getattr(one.callback, "_non_atomic_requests", set())


@pytest.mark.urls("portal.urls")
def test_no_view_that_asks_the_key_service_or_keeps_a_record_is_one_transaction() -> None:
    found = list(views())
    assert len(found) > 60, "the views are looked for in vain"
    assert {name for name, free in found if "default" not in free} == {*DATABASE_ALONE}
