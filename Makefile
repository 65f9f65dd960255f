# Every target sets up what it needs: a machine with python3 (3.11 or newer) and make is enough.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := uv==0.13.9

.PHONY: help demo embedded test services pooled nightly lint screenshots messages bench lock clean

help:  ## Say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.run  ## Run the portal on a sandbox of the Developer API, with sample people and keys
	@exec $(BIN)/python -m portal.demo --port "$${PORT:-8000}" --sandbox-port "$${SANDBOX_PORT:-8001}"

embedded: $(VENV)/.tools  ## Run examples/embedded with the wheel on the sandbox; PLANS=portal with plans
	@rm -rf .embedded/*.whl .embedded/environment
	$(BIN)/pip wheel -q --disable-pip-version-check --no-deps --wheel-dir .embedded .
	$(PYTHON) -m venv .embedded/environment
	.embedded/environment/bin/pip install -q --disable-pip-version-check "$$(echo .embedded/*.whl)[plans]"
	@exec examples/embedded/run

test: $(VENV)/.dev  ## Run the tests; the browser tests need Debian's chromium, those of the gateway GATEWAY=required
	$(BIN)/python -m pytest $(PARALLEL)

# A worker for each core and two more, up to eight: each has a database, a sandbox and what else a test needs of its own.
PARALLEL ?= --numprocesses=auto --maxprocesses=8
# Dozens of processes start in a run: each would compile everything for itself where bytecode is not kept.
test services pooled nightly: export PYTHONDONTWRITEBYTECODE :=

services: $(VENV)/.dev  ## Run the tests on a PostgreSQL and a Redis of their own, from Debian's packages
	SERVICES=required .ci/services $(BIN)/python -m pytest $(PARALLEL) -m "services or not (browser or gateway or processes)"

pooled: $(VENV)/.dev  ## Run the same tests, but those of processes, through PgBouncer in transaction mode
	POOLED=1 SERVICES=required .ci/services $(BIN)/python -m pytest $(PARALLEL) -m "not (browser or gateway or processes)"

nightly: $(VENV)/.dev  ## Try out all faults at every verb, and 10,000 random sequences; takes two to four hours on two cores
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest $(PARALLEL) --override-ini=faulthandler_timeout=3600 $(wildcard tests/*/test_faults.py tests/*/test_random_sequences.py tests/*/test_hostile_answers.py)

lint: $(VENV)/.dev  ## Check style, types and templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy portal keys plans sandbox bench
	$(BIN)/djlint --quiet --lint $(TEMPLATES)
	$(BIN)/djhtml --check --tabwidth 2 $$(find $(TEMPLATES) -name '*.html')
	$(BIN)/python manage.py makemigrations --check --dry-run

TEMPLATES := templates keys/templates portal/templates

screenshots: $(VENV)/.dev  ## Take a picture of every page and state, into screenshots/; LANGUAGE=de in German
	BROWSER=required $(BIN)/python -m pytest tests/browser/screenshots.py

messages: $(VENV)/.dev  ## Bring the catalogs up to date with the texts, and compile them; needs Debian's gettext
	$(BIN)/python manage.py makemessages --all $(FOUND)
	$(BIN)/python manage.py compilemessages --verbosity=0 --ignore .venv --ignore .pytest_cache

FOUND := --no-location --no-obsolete --no-wrap --extension html,txt,py $(addprefix --ignore=,.venv .embedded examples tests sandbox bench staticfiles styleguide*)

bench: $(VENV)/.dev  ## Measure the pages beside a bare Django page; writes bench.txt, takes seven minutes
	$(BIN)/python -m bench.pages --write bench.txt

lock: $(VENV)/.tools  ## Resolve the pinned, hashed dependencies anew
	$(BIN)/uv pip compile -q --upgrade $(LOCK) $(EXTRAS) pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q --upgrade $(LOCK) $(EXTRAS) pyproject.toml --group dev -o requirements-dev.txt
	$(BIN)/uv pip compile -q --upgrade $(LOCK) tests/providers/requirements.in -o tests/providers/requirements.txt

EXTRAS := --extra portal --extra plans --extra stripe
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

clean:  ## Forget the data of demo and example, and the virtual environment
	rm -rf $(VENV) .demo .embedded .mypy_cache .pytest_cache .ruff_cache

$(VENV)/.tools:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON."; exit 1; }
	@echo "Setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check $(UV) || echo "uv is not to be had here; pip does it, more slowly."
	@touch $@

# uv where it works, pip where it does not; both check the hashes.
install = @if [ -x $(BIN)/uv ] && $(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r $(1); then touch $@; \
	else $(BIN)/pip install -q --disable-pip-version-check --require-hashes -r $(1) && touch $@; fi

$(VENV)/.run: requirements.txt | $(VENV)/.tools
	$(call install,requirements.txt)

$(VENV)/.dev: requirements-dev.txt | $(VENV)/.tools
	$(call install,requirements-dev.txt)
