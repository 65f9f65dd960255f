"""Two versions behind one balancer, as while a new one is rolled out: a page's files may be asked of the other one."""

import re
from collections.abc import Iterator

import pytest
import requests

from bench.serving import Portal
from tests.helpers.processes import in_production, install
from tests.helpers.round_robin import RoundRobin


@pytest.fixture(scope="module")
def balanced(production: Portal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoundRobin]:
    new = in_production(install(tmp_path_factory.mktemp("new"), "new"), production.folder)
    with new, RoundRobin([production.port, new.port]) as balancer:
        yield balancer


def test_whoever_is_asked_has_the_files_of_either_page(balanced: RoundRobin) -> None:
    headers = {"X-Forwarded-Proto": "https"}
    marks, controls = set(), set()
    for _look in range(4):
        page = requests.get(f"{balanced.url}/accounts/login/", headers=headers, timeout=30)
        files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
        assert len(files) >= 5
        for file in files:
            for _machine in balanced.served:
                answer = requests.get(balanced.url + file, headers=headers, timeout=30)
                assert answer.status_code == 200, file
                assert answer.headers["Content-Type"].partition(";")[0] in KINDS[file.rpartition(".")[2]], file
                if file.startswith("/static/keys/js/shell."):
                    marks.add((file, answer.text.strip()[-9:]))
                    controls.add(answer.headers["Cache-Control"])
    assert len(marks) == 4, "each of the two files came from each of the two versions"
    assert "no-store" in controls, "what another version names is kept in no cache"
    assert any("immutable" in control for control in controls)


def test_what_neither_version_has_is_not_found(balanced: RoundRobin) -> None:
    for name in (
        "keys/js/nothing.0123456789ab.js",
        "keys/js/site.js.0123456789ab",
        "../manage.0123456789ab.py",
        "keys/js/site.xyz.js",
    ):
        answer = requests.get(f"{balanced.url}/static/{name}", headers={"X-Forwarded-Proto": "https"}, timeout=30)
        assert answer.status_code == 404, name


KINDS = {"js": {"text/javascript"}, "css": {"text/css"}, "woff2": {"font/woff2"}, "svg": {"image/svg+xml"}}
