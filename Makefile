# make demo   sets up and plays the main job        make test    sets up and runs the tests
# make check  style, types, layers, contracts       make clean   forgets what was set up here
# make check-deep  long campaigns, proofs and mutants (about three hours on two cores)
# make prove  what halmos proves of the contracts (minutes)                make mutants  mutation testing (an hour)
# make coverage  which branches of the contracts the tests take
# make screenshots  every page into docs/screenshots
# make test-ipfs  the stores on a real IPFS daemon, which it installs into the user's cache
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
TORCH := 2.13.0
## Files of tests that run at a time: two take both cores of a small machine.
JOBS ?= 2
CHAIN := hardhat-free-local-chain
FORGE = $(shell $(PY) -m scripts.forge)
PIP := $(PY) -m pip --disable-pip-version-check install --quiet
SLITHER := build/slither
HALMOS := build/halmos
## Every loop of a proof ends within 9 rounds, or halmos says so. Its own profile compiles whole byte code into each test.
PROVE = PATH="$$PATH:$$(dirname $(FORGE))" FOUNDRY_PROFILE=symbolic $(HALMOS)/bin/halmos --forge-build-out build/symbolic/out --loop 9 \
	--solver-timeout-assertion 10m
# Apart from forge's own output, which slither would wipe. Excluded there: timestamp (deadlines are block time by design),
# shadowing-local (a parameter named as the protocol names it), and the two reentrancies that move no money and that the transient
# guard, which slither cannot read, excludes anyway.
SLITHERED = PATH="$$(dirname $(FORGE)):$$PATH" FOUNDRY_OUT=build/slither-out FOUNDRY_CACHE_PATH=build/slither-out/cache FOUNDRY_SCRIPT=scripts

.PHONY: help setup dev demo test test-ipfs screenshots check check-deep prove mutants coverage clean

help:
	@sed -n 's/^# //p' Makefile

setup: $(VENV)/.base $(CHAIN)/node_modules/.done
dev: $(VENV)/.dev $(CHAIN)/node_modules/.done

demo: setup
	@$(VENV)/bin/crowdproof demo

# the tests start hundreds of processes, and each would compile every module anew
test: export PYTHONDONTWRITEBYTECODE :=
test: dev
	$(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --ignore tests/browser
	$(PY) -m pytest tests/browser
	$(FORGE) test

screenshots: dev
	SCREENSHOTS=docs/screenshots $(PY) -m pytest tests/browser/test_pages.py

test-ipfs: dev
	$(PY) -m scripts.ipfs install
	$(PY) -m scripts.ipfs run -- $(PY) -m pytest tests/adapters/test_content.py tests/adapters/test_kubo.py

check: dev $(SLITHER)/.done
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PY) -m scripts.vectors --check
	$(PY) -m scripts.clients --check
	$(FORGE) fmt --check
	FORGE_SNAPSHOT_CHECK=true $(FORGE) test --match-contract GasTest
	FOUNDRY_PROFILE=check $(FORGE) test --match-path 'tests/contracts/invariants/*'
	$(FORGE) lint
	$(SLITHERED) $(SLITHER)/bin/slither . --config-file tests/contracts/slither.json

check-deep: dev
	$(PY) -m pytest -m deep
	$(PY) -m tests.campaign.soak --minutes 30
	$(PY) -m tests.model --calls 100000
	FOUNDRY_PROFILE=deep $(FORGE) test
	$(MAKE) prove coverage mutants

prove: dev $(HALMOS)/.done
	$(PROVE)

mutants: dev
	$(PY) -m scripts.mutants --sample 600 --jobs $$(nproc) --json build/mutants.json

coverage: dev
	$(FORGE) coverage --no-match-contract 'GasTest' --no-match-coverage 'tests/|node_modules/' --report summary | tee build/coverage.txt
	@awk -F'[|%]' '/^\| Total/ {split($$0, part, "|"); if (part[5] + 0 < 98) {print "branch coverage below 98 %"; exit 1}}' build/coverage.txt

clean:
	rm -rf $(VENV) build $(CHAIN)/node_modules

$(VENV)/.base: requirements/base.lock pyproject.toml
	@scripts/requirements.sh $(PYTHON)
	@echo "setting up $(VENV) (a few minutes the first time)"
	@[ -x $(PY) ] || $(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements/base.lock
	@$(PIP) torch==$(TORCH)
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.base requirements/dev.lock
	@$(PIP) --require-hashes -r requirements/dev.lock
	@touch $@

$(CHAIN)/node_modules/.done: $(CHAIN)/package-lock.json
	@scripts/requirements.sh $(PYTHON)
	@cd $(CHAIN) && npm ci --silent
	@touch $@

## Development tools with needs of their own; halmos (AGPL) is only run, never imported or shipped.
$(SLITHER)/.done $(HALMOS)/.done: build/%/.done: requirements/%.lock
	@[ -x build/$*/bin/python ] || $(PYTHON) -m venv build/$*
	@build/$*/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r $<
	@touch $@
