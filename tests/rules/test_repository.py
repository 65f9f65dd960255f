"""Repository hygiene: rules for all files of the project."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command
from django.template.loader import get_template
from django.test import override_settings

from keys.access import Actor
from keys.errors import NotAllowed

ROOT = Path(__file__).resolve().parent.parent.parent
IGNORED = {".git", ".venv", ".demo", "node_modules", "staticfiles", "screenshots", "__pycache__"}


def files(*patterns: str) -> list[Path]:
    """The files that git knows or would take, or all where there is no git."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    names = listed.stdout.splitlines() if listed.returncode == 0 else []
    found = [ROOT / name for name in names] or [path for pattern in patterns for path in ROOT.rglob(pattern)]
    return [path for path in found if path.is_file() and not IGNORED & set(path.parts)]


def texts(*patterns: str) -> dict[str, str]:
    found = {}
    for path in files(*patterns):
        try:
            found[str(path.relative_to(ROOT))] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
    return found


def test_no_file_holds_what_looks_like_a_real_key():
    """H7: they are minted at run time."""
    shape = re.compile(r"zpka_[0-9a-f]{32}_[0-9a-f]{8}")
    assert [name for name, text in texts("*").items() if shape.search(text)] == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_dependency_is_pinned_with_hashes(name):
    """H7: nothing else is installed than what was looked at."""
    lines = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert len(lines) > 20
    pinned = re.compile(r"[a-z0-9.\[\],-]+==[\w.!+]+( ; [^#]+?)?( +--hash=sha256:[0-9a-f]{64})+ *")
    assert [line for line in lines if not pinned.fullmatch(line)] == []


def test_no_merge_was_left_half_done():
    """A catalog with both sides in it still compiles for some tools, and says each text twice."""
    marker = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
    assert [name for name, text in texts("*").items() if marker.search(text)] == []


def test_templates_hold_no_script_or_style_of_their_own():
    forbidden = re.compile(
        r"""\sstyle\s*=|\son[a-z]+\s*=\s*["']|<style|javascript:|<script(?![^>]*\ssrc=)|\|safe\b""", re.I
    )
    hits = [
        f"{name}: {match.group()}"
        for name, text in texts("templates/*", "*/templates/*").items()
        for match in forbidden.finditer(re.sub(r"\{#.*?#\}", "", text))
    ]
    assert hits == []


def test_our_scripts_are_short_and_none_of_their_lines_is_long():
    """Lines that the formatter of Python would break hide how much there is to read: nobody counts with them."""
    scripts = {name: text.splitlines() for name, text in texts("static/keys/js/*").items()}
    assert len(scripts) == 4
    assert [f"{name}: {line}" for name, lines in scripts.items() for line in lines if len(line) > 120] == []
    assert sum(len(lines) for lines in scripts.values()) <= 600


def test_our_stylesheets_are_short():
    """Those that all pages are made of; plans have one of their own."""
    styles = [text for name, text in texts("static/keys/css/*").items() if not name.endswith("/plans.css")]
    assert len(styles) == 6
    assert sum(bool(line.strip()) for text in styles for line in text.splitlines()) <= 2_300


def test_every_template_can_be_read():
    names = [name.partition("templates/")[2] for name in texts("templates/*", "portal/templates/*", "keys/templates/*")]
    assert names
    for name in names:
        get_template(name)


def variables_in_the_code() -> set[str]:
    modules = ("settings", "config/environment", "config/sso_providers")
    settings = "".join((ROOT / "portal" / f"{name}.py").read_text() for name in modules)
    settings = re.sub(
        r'f"OIDC_\{(upper|provider\.upper\(\))\}_', '"OIDC_ACME_', settings
    )  # each provider has its own name in the middle
    readers = r"""\b(?:text|needed|flag|number|names|web_address|key_format)\(\s*"([A-Z_]+)\""""
    zuplo = re.search(r"_zuplo = \((.*?)\)", settings)[1]
    gunicorn = re.findall(r"""(?:environ\.get|_number)\(["']([A-Z_]+)""", (ROOT / "gunicorn.conf.py").read_text())
    domains = re.findall(r'"([A-Z_]+_DOMAINS)"', settings)
    return {*re.findall(readers, settings), *domains, *re.findall(r"[A-Z_]+", zuplo), *gunicorn}


def test_every_variable_is_written_down_and_no_other():
    code = variables_in_the_code()
    assert {"SECRET_KEY", "ZUPLO_BUCKETS", "PORT", "EMAIL_URL"} <= code
    example = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    pages = (ROOT / "docs" / "configuration.md").read_text()
    documented = set(re.findall(r"^\| `([A-Z_]+)`", pages, re.MULTILINE))
    assert example - {"POSTGRES_PASSWORD"} == code
    assert documented == code


def test_a_shell_reads_the_example_word_for_word(tmp_path):
    """By the line of the page about deployment: a shell's own way stumbles over spaces and angle brackets."""
    every = re.sub(r"^#([A-Z_]+=)", r"\1", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    (tmp_path / "env").write_text(every)
    (tmp_path / "current").mkdir()
    (line,) = re.findall(r"^while IFS= .*$", (ROOT / "docs" / "deployment.md").read_text(), re.MULTILINE)
    command = ["sh", "-euc", f"{line}\nenv"]
    read = subprocess.run(command, cwd=tmp_path / "current", env={}, capture_output=True, text=True, check=True)
    values = [words for words in every.splitlines() if words and not words.startswith("#")]
    assert set(values) <= set(read.stdout.splitlines())
    assert "DEFAULT_FROM_EMAIL=Example Portal <portal@example.com>" in values


def test_links_in_the_documents_lead_somewhere():
    broken = [
        f"{name}: {target}"
        for name, text in texts("*.md").items()
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
        if not ((ROOT / name).parent / target).exists()
    ]
    assert broken == []


def test_the_readme_leads_to_every_document():
    read_me = (ROOT / "README.md").read_text()
    assert [name for name in texts("*.md") if name != "README.md" and f"]({name})" not in read_me] == []


def test_the_documents_name_only_modules_that_are_there():
    """A bare name counts where the same line has named its folder."""
    missing = []
    for name, text in texts("*.md").items():
        for line in text.splitlines():
            paths = re.findall(r"`([\w./]+\.py)`", line)
            folders = [Path(), *(ROOT / path for path in re.findall(r"`((?:\w+/)+)`", line))]
            folders += [(ROOT / path).parent for path in paths if "/" in path]
            folders += [ROOT / top for top in ("keys", "portal")]
            missing += [f"{name}: {path}" for path in paths if not any((ROOT / one / path).exists() for one in folders)]
    assert missing == []


def test_a_docstring_names_its_pattern_first():
    """Readers search for what they know: no sentence begins by hiding the noun. Tests say outcomes, and are exempt."""
    vague = re.compile(r'^ *"""(?:What|Whether|Whoever|How it|That) ', re.MULTILINE)
    code = {name: text for name, text in texts("*.py").items() if not re.search(r"/test_\w+\.py$", name)}
    assert len(code) > 100
    assert {name: vague.findall(text) for name, text in code.items() if vague.search(text)} == {}


def test_the_architecture_names_every_package():
    page = (ROOT / "docs" / "architecture.md").read_text()
    packages = {
        Path(name).parent for name in texts("portal/*.py", "keys/*.py", "plans/*.py", "sandbox/*.py", "bench/*.py")
    }
    unnamed = {"migrations", "commands", "de", "en", "es"}  # by whose names everybody knows what they are
    assert sorted(str(path) for path in packages if path.name not in unnamed and f"`{path}/`" not in page) == []


def test_examples_of_the_environment_file_stand_word_for_word():
    """Neither quotes nor what follows a value are taken off by all that read the file."""
    blocks = re.findall(r"```ini\n(.*?)```", (ROOT / "docs" / "sign-in.md").read_text(), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert "OIDC_ACME_NAME=Acme account" in lines
    assert [line for line in lines if not re.fullmatch(r"[A-Z_]+=[^\s\"'#][^\"'#]*|# .*", line)] == []


def test_the_example_of_own_provisioning_works(settings):
    page = (ROOT / "docs" / "customising.md").read_text()
    example: dict = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], example)  # noqa: S102, our own page
    rule = example["Provisioning"]()
    known = Actor(user_id=1, emails=("ann@acme.com", "ann@home.test"))
    stranger = Actor(user_id=2, emails=("mallory@evil.test",))
    rule.may_create(known, None)
    with pytest.raises(NotAllowed, match="no contract"):
        rule.may_create(stranger, None)
    made = rule.new_consumer(known)
    assert made.metadata == {"plan": "pro"}
    assert re.fullmatch(r"[a-z0-9-]{1,128}", made.name)
    assert [manager["email"] for manager in made.managers] == ["ann@acme.com"]


def test_static_files_name_only_files_that_are_there(tmp_path):
    """Production gives each file a name by its content, and stops on a reference to nothing."""
    storage = {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    with override_settings(STATIC_ROOT=tmp_path, STORAGES={"staticfiles": storage}):
        call_command("collectstatic", "--noinput", "--verbosity=0")
    assert (tmp_path / "staticfiles.json").exists()


def test_migrations_are_complete(db):
    call_command("makemigrations", "--check", "--dry-run", "--verbosity=0")


@pytest.mark.xdist_group("rules")
def test_groups_of_tests_stay_on_one_worker(request):
    """pytest-xdist notes the group in the test's id; where it does not, it takes no notice of groups at all."""
    assert ("PYTEST_XDIST_WORKER" in os.environ) == request.node.nodeid.endswith("@rules")
