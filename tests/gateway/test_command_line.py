"""Zuplo's own command-line program on the sandbox: a second check that its answers are read as they are meant."""

from tests.helpers import zuplo


def test_it_learns_who_it_is(home, account) -> None:
    told = zuplo.cli(home, "whoami", "--api-key", account.token, ZUPLO_DEVELOPER_API_ENDPOINT=account.url)
    assert account.account in told


def test_it_finds_a_projects_buckets_by_their_tags(home, account) -> None:
    arguments = ("bucket", "list", "--account", account.account, "--api-key", account.token)
    for project, found in (("demo", account.buckets), ("other", [])):
        told = zuplo.cli(home, *arguments, "--project", project, ZUPLO_DEVELOPER_API_ENDPOINT=account.url)
        assert [name for name in account.buckets if f"'{name}'" in told] == found
        assert ("PRODUCTION" in told) == bool(found)
