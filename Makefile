# Two commands on a fresh machine: `make demo` and `make test`. Both set .venv up themselves.
.DEFAULT_GOAL := help
STAMP := .venv/.stamp
BIN := .venv/bin
# Processes that share the tests.
WORKERS ?= 2
# PYTHONDONTWRITEBYTECODE may be set outside; without bytecode every start is seconds slower.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test lint coverage docs lock ui docker-build docker-smoke apt clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@sh scripts/setup.sh

setup: $(STAMP)  ## Create .venv (done by the other targets as well)

demo: $(STAMP)  ## Run the whole graph on generated photos and print the score table
	@$(BIN)/biomass demo

test: $(STAMP)  ## Run the tests
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile --cov --cov-report=

lint: $(STAMP)  ## Run every gate: format, lint, types, layers, dependencies, dead code, spelling
	@sh scripts/lint.sh

coverage: $(STAMP)  ## After `make test`: branch coverage of the domain rooms, at least 95 %
	@$(BIN)/coverage report --skip-covered --fail-under=95

docs: $(STAMP)  ## Build the documentation into site/, strictly
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/: $(BIN)/python -m http.server --bind 127.0.0.1 --directory site 8000"

lock: $(STAMP)  ## Recompute constraints.txt from pyproject.toml
	@sh scripts/lock.sh

ui: $(STAMP)  ## Open Dagster on 127.0.0.1:3000
	@$(BIN)/biomass ui

docker-build:  ## Build the image; ACCELERATOR=cuda for NVIDIA GPUs
	@sh docker/build.sh $(or $(ACCELERATOR),cpu)

docker-smoke: $(STAMP)  ## Start the image's containers on generated photos, launch two jobs, clear away
	@sh docker/smoke.sh

apt:  ## As root on Debian: install PostgreSQL, for the tests that start one
	@sh scripts/apt.sh

clean:  ## Remove .venv and caches (never data/)
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
