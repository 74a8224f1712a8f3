# Everything a person or a CI needs; `make` alone lists it.

SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv/bin
STACK := $(VENV)/python -m include.local_stack
CANDIDATES := python3 python3.13 python3.12 python3.11 python3.14
ifndef PYTHON
PYTHON := $(shell for p in $(CANDIDATES); do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v $$p; break; }; done)
endif
# Measured files: what a fault in would lose or double data.
MEASURED := plugins/crm_warehouse/engine/*,plugins/crm_warehouse/clients/*,plugins/crm_warehouse/csv_files/*,plugins/crm_warehouse/operators/*

.PHONY: help setup lock up down status logs psql migrate demo check test test-fast prove clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

setup: ## Build .venv from the locked requirements (at once when nothing changed)
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found." \
	"Install one (apt-get install python3 python3-venv), or: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) include/local_stack/setup_env.py

lock: setup ## Resolve requirements*.in anew into requirements*.txt
	$(VENV)/uv pip compile -q --universal --generate-hashes --python-version 3.11 \
		--no-header --no-emit-index-url --upgrade requirements.in -o requirements.txt
	$(VENV)/uv pip compile -q --universal --generate-hashes --python-version 3.11 \
		--no-header --no-emit-index-url --upgrade requirements-dev.in -o requirements-dev.txt
	# The images' locks: what stands in the file is preferred, so versions agree.
	cp requirements.txt requirements-fab.txt
	$(VENV)/uv pip compile -q --universal --generate-hashes --python-version 3.11 \
		--no-header --no-emit-index-url requirements-fab.in -o requirements-fab.txt
	$(VENV)/uv pip compile -q --universal --generate-hashes --python-version 3.11 \
		--no-header --no-emit-index-url --upgrade \
		webhook_receiver/requirements.in -o webhook_receiver/requirements.txt

up: setup ## Start PostgreSQL and Airflow, and keep them running
	@$(STACK) up

down: ## Stop what `make up` or `make demo` started; data stays
	@if test -x $(VENV)/python; then $(STACK) down; \
	elif test -e "$${CRM_STACK_VAR:-.var}/stack/state.json"; then \
		$(MAKE) -s setup && $(STACK) down; \
	else echo "Nothing runs."; fi

status: setup ## Show each part, its process and its health
	@$(STACK) status

logs: setup ## Follow the logs, of one part with PART=scheduler
	@$(STACK) logs $(if $(PART),--part $(PART))

psql: setup ## Open the warehouse in psql
	@$(STACK) psql

migrate: setup ## Bring the tables of the warehouse up to date
	@$(STACK) migrate

demo: setup ## Load the sandbox CRMs into a fresh stack (PROSPECTS=n; KEEP=1 leaves it up)
	@$(VENV)/python -m include.local_stack.demo $(if $(KEEP),--keep) \
		$(if $(PROSPECTS),--prospects '$(PROSPECTS)')

check: setup ## Format, lint, types, floors
	$(VENV)/ruff format --check .
	$(VENV)/ruff check .
	$(VENV)/mypy
	$(VENV)/lint-imports

test: setup check ## Everything, with coverage
	@rm -f .coverage .coverage.*
	$(VENV)/python -m pytest -n 2 --dist loadfile -m 'not end_to_end and not proof' \
		--cov --cov-branch --cov-report=
	$(VENV)/python -m pytest -m 'end_to_end and not proof' \
		--cov --cov-branch --cov-append --cov-report=
	$(VENV)/coverage report --include='$(MEASURED)' --fail-under=90

test-fast: setup ## The tests without the whole stack
	$(VENV)/python -m pytest -n 2 --dist loadfile -m 'not end_to_end and not proof'

prove: setup ## Slow proofs: kills at every commit and at random, faults, the load at scale
	$(VENV)/python -m pytest -m proof -s
	$(VENV)/python -m tests.proof

clean: ## Stop the stack and remove all it made, databases included (asks; YES=1 does not)
	@test ! -d "$${CRM_STACK_VAR:-.var}" || { $(MAKE) -s setup && $(STACK) clean $(if $(YES),--yes); }
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage .coverage.* htmlcov
