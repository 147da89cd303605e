# Attune: everything a developer does, from a fresh clone. `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.complete
NAME ?= default
WORKERS ?= 2
ARGS ?=
HOURS ?= 1
SEED ?= 1
CASES ?= 2000
FAULTS ?= 60
REPLAYS ?= 1
IMAGE_PYTHON := 3.11

.DEFAULT_GOAL := help
.PHONY: help setup up down doctor demo demo-break simulate watch test check format bench probes fuzz faults soak faults-short defects compose-check compose-up compose-down compose-test lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## everything into .venv and .attune: Python packages, Java, Kafka, PostgreSQL (no root, no Docker)

up: $(READY) ## start Kafka, PostgreSQL and the services in the background (NAME=other for a second stack)
	@$(BIN)/attune up --name $(NAME)

down: ## stop them; their data stays
	@if [ -x $(BIN)/attune ]; then $(BIN)/attune down --name $(NAME); else echo "nothing was running"; fi

doctor: ## say what this machine lacks, and how to get it
	@$(call need_python)
	@if [ -x $(BIN)/attune ]; then $(BIN)/attune doctor; else echo "no environment yet: make setup"; exit 1; fi

demo: $(READY) ## a day of a clinic from screening to the mail that left, then a check that nothing was lost
	@$(BIN)/attune demo $(ARGS)

demo-break: $(READY) ## the same day with a broker kill, a database crash and a poison message in the middle of it
	@$(BIN)/attune demo-break $(ARGS)

simulate: $(READY) ## a year of a city on real services, then judged from outside (SEED=1 BIRTHS=9000)
	@$(BIN)/attune simulate --seed $(or $(SEED),1) --births $(or $(BIRTHS),9000) $(ARGS)

watch: $(READY) ## show events as they happen (ARGS="--help" lists filters)
	@$(BIN)/attune watch $(ARGS)

test: $(READY) ## all tests, on real Kafka and PostgreSQL
	$(BIN)/pytest -n $(WORKERS) $(ARGS)

check: $(READY) ## format, lint, types, imports, contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy contracts/attune_contracts chassis services attune deploy faults fuzz bench
	$(BIN)/lint-imports
	$(BIN)/python -m attune_contracts.generate --check
	$(BIN)/python -m attune_contracts.compatibility

format: $(READY) ## put the sources into the form that check asks for
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

defects: $(READY) ## mistakes put into copies of the sources on purpose: does a test notice each? (ARGS="name ...")
	@$(BIN)/python -m faults.defects --workers $(WORKERS) $(ARGS)

bench: $(READY) ## speed and memory, into reports/bench.json
	@$(BIN)/python -m bench $(ARGS)

probes: $(READY) ## what we assume of Kafka, PostgreSQL and their clients, for when a version is raised
	@$(BIN)/pytest tests/probes $(ARGS)

fuzz: $(READY) ## hostile input by the hundred thousand, into reports/fuzz.json (ARGS="--seed 1 --requests 5000")
	@$(BIN)/python -m fuzz $(ARGS)

faults: $(READY) ## break a running system on purpose, and check that nothing is lost or twice (SEED=, CASES=, FAULTS=, REPLAYS=)
	@$(BIN)/python -m faults --seed $(SEED) --cases $(CASES) --faults $(FAULTS) --replays $(REPLAYS) $(ARGS)

soak: $(READY) ## 20 cases a second and a fault a minute for hours; does any service grow? reports/soak.json (HOURS=)
	@$(BIN)/python -m faults.soak --hours $(HOURS) $(ARGS)

faults-short: $(READY) ## the same in under four minutes
	@$(BIN)/python -m faults --seed $(SEED) --size short $(ARGS)

compose-check: $(READY) ## is docker-compose.yml valid? needs no engine
	@$(BIN)/python -m deploy.compose check

compose-up: $(READY) ## containers with development secrets; needs a Docker engine
	@$(BIN)/python -m deploy.compose up

compose-down: $(READY) ## stop the containers and remove their data
	@$(BIN)/python -m deploy.compose down

compose-test: $(READY) ## the demo's check against containers; needs a Docker engine
	@$(BIN)/python -m deploy.compose test

lock: $(READY) ## pin everything anew from requirements/*.in and the versions of the jars
	cd requirements && for name in setup runtime mail dev; do \
		UV_CUSTOM_COMPILE_COMMAND="make lock" ../$(BIN)/uv pip compile --quiet --universal --python-version $(IMAGE_PYTHON) \
			--generate-hashes --no-emit-index-url --no-emit-find-links $(ARGS) -o $$name.txt $$name.in || exit 1; \
	done
	$(BIN)/python -m attune.stack.jars lock

clean: ## remove the environment, what was fetched and all stacks with their data
	@if [ -x $(BIN)/attune ]; then $(BIN)/attune down --all --forget; fi
	rm -rf $(VENV) .attune

# Two files stand for the whole environment: the stamp below is written last, so an interrupted setup is done again.
$(READY): requirements/setup.txt requirements/dev.txt attune/stack/jars.lock
	@$(call need_python)
	@sh requirements/install.sh $(PYTHON) $(VENV)
	@$(BIN)/attune setup
	@touch $@

need_python = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	|| { echo "Python 3.11 or newer is needed; name one: make $@ PYTHON=python3.12"; exit 1; }
