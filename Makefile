# The two commands of the README need nothing but make and a Python of 3.11 or newer:
#   make demo   a small shop that survives having its workers killed
#   make test   everything that must hold before a change is merged

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
DEV    := $(VENV)/.dev
DEMO   := $(VENV)/.demo

.PHONY: help demo test lint format types layers migrations docs tests unit test-pg15 golden bench bench-peers build clean

help:
	@sed -n 's/^\([a-z0-9-]*\):.*##/  make \1 	/p' $(MAKEFILE_LIST)

demo: $(DEMO) ## the shop, on a PostgreSQL that it brings along
	@$(BIN)/python -m examples.shop

test: lint types layers tests ## all of it: lint, types, layers, migrations, docs, tests

lint: $(DEV) ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(DEV) ## let ruff put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(DEV) ## mypy --strict and pyright
	$(BIN)/mypy
	$(BIN)/pyright

layers: $(DEV) ## who may import whom
	$(BIN)/lint-imports --no-cache

tests: $(DEV) ## the tests, on an embedded PostgreSQL 18
	$(BIN)/pytest

migrations: $(DEV) ## only the tests of the schema's history
	$(BIN)/pytest tests/migrations

docs: $(DEV) ## run every example of README.md and docs/
	$(BIN)/pytest tests/docs

unit: $(DEV) ## only what needs no database
	$(BIN)/pytest tests/unit

# An older server: the programs named by GENDURABLE_TEST_PG_BIN, or those that pg_config knows.
PG_BIN = $(or $(GENDURABLE_TEST_PG_BIN),$(wildcard /usr/lib/postgresql/15/bin),$(shell pg_config --bindir 2>/dev/null))
test-pg15: $(DEV) ## the tests on the PostgreSQL that is installed here
	@if [ -x "$(PG_BIN)/initdb" ]; then \
	  echo "PostgreSQL in $(PG_BIN)"; GENDURABLE_TEST_PG_BIN="$(PG_BIN)" $(BIN)/pytest; \
	else \
	  echo "skipped: no initdb; name a PostgreSQL's bin directory in GENDURABLE_TEST_PG_BIN"; \
	fi

golden: $(DEV) ## write the texts of all statements anew, to be read in the diff
	GENDURABLE_UPDATE_GOLDEN=1 $(BIN)/pytest -q tests/queries/test_golden.py

bench: $(DEV) ## throughput and latency, beside their floors; BENCH="jobs steps --rounds 3"
	$(BIN)/python -m benchmarks $(BENCH)

bench-peers: $(DEV) ## the same work on other engines, each in an environment of its own
	$(BIN)/python -m benchmarks.peers $(BENCH)

build: $(DEV) ## the wheel and the source distribution
	$(PIP) wheel --no-deps -w dist .

clean: ## remove the virtual environment and what tools left behind
	rm -rf $(VENV) .venv-peers build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(DEMO): pyproject.toml | $(BIN)/python
	$(PIP) install -q -e '.[demo]'
	@touch $@

$(DEV): pyproject.toml | $(BIN)/python
	$(PIP) install -q -e '.[dev]'
	@touch $@ $(DEMO)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "gendurable needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
