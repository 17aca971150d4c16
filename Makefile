# Two commands on a fresh machine: `make demo` and `make test`. Both set .venv up themselves.
.DEFAULT_GOAL := help
STAMP := .venv/.stamp
BIN := .venv/bin
# Processes that share the tests.
WORKERS ?= 2
# PYTHONDONTWRITEBYTECODE may be set outside; without bytecode every start is seconds slower.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test test-shuffled test-oldest mutants wheel-test lint coverage docs lock lock-hashes \
	licences sbom advisories freshness ui docker-build docker-smoke apt clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@sh scripts/setup.sh

setup: $(STAMP)  ## Create .venv (done by the other targets as well)

demo: $(STAMP)  ## Run the whole graph on generated photos and print the score table
	@$(BIN)/biomass demo

test: $(STAMP)  ## Run the tests
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --cov --cov-report=

test-shuffled: $(STAMP)  ## Run the tests in an order of chance, which is printed; SEED=N repeats one
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile -p randomly $(if $(SEED),--randomly-seed $(SEED))

test-oldest:  ## Run what meets other libraries on the oldest that pyproject.toml allows, in .oldest
	@sh scripts/test_oldest.sh

mutants: $(STAMP)  ## Break the code in small ways, by sample, and count what the tests notice
	@$(BIN)/python benchmarks/mutants.py

wheel-test: $(STAMP)  ## Build the wheel and run the demo from it, where there is no source tree
	@$(BIN)/python scripts/wheel_test.py

lint: $(STAMP)  ## Run every gate: format, lint, types, layers, dependencies, dead code, spelling
	@sh scripts/lint.sh

coverage: $(STAMP)  ## After `make test`: branch coverage of the domain rooms, at least 95 %
	@$(BIN)/coverage report --skip-covered --fail-under=95

docs: $(STAMP)  ## Build the documentation into site/, strictly
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/: $(BIN)/python -m http.server --bind 127.0.0.1 --directory site 8000"

lock: $(STAMP)  ## Recompute constraints.txt from pyproject.toml
	@sh scripts/lock.sh

lock-hashes: $(STAMP)  ## Write requirements.lock: the same with the hash of every file, for --require-hashes
	@sh scripts/lock_hashes.sh

licences: $(STAMP)  ## List what the product brings along, and refuse licences that do not fit
	@$(BIN)/python scripts/licences.py --page docs/reference/licences.md

sbom: $(STAMP)  ## Write dist/sbom.cdx.json: what the product brings along, as CycloneDX
	@$(BIN)/python scripts/sbom.py dist/sbom.cdx.json

advisories: $(STAMP)  ## Ask for known vulnerabilities of the pinned dependencies; skipped without network
	@sh scripts/advisories.sh

freshness: $(STAMP)  ## List direct dependencies without a release in eighteen months; skipped without network
	@$(BIN)/python scripts/freshness.py

ui: $(STAMP)  ## Open Dagster on 127.0.0.1:3000
	@$(BIN)/biomass ui

docker-build:  ## Build the image; ACCELERATOR=cuda for NVIDIA GPUs
	@sh docker/build.sh $(or $(ACCELERATOR),cpu)

docker-smoke: $(STAMP)  ## Start the image's containers on generated photos, launch two jobs, clear away
	@sh docker/smoke.sh

apt:  ## As root on Debian: install PostgreSQL, for the tests that start one
	@sh scripts/apt.sh

clean:  ## Remove .venv and caches (never data/)
	@rm -rf .venv .oldest .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
