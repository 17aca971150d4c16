#!/bin/sh
# Every gate, by hand as in CI. Stops at the first that fails.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
gate() {
    printf 'gate: %s\n' "$*"
    "$@"
}
gate ruff format --check --quiet .
gate ruff check --quiet .
gate mypy
gate lint-imports
gate deptry .
gate vulture
gate codespell
gate python scripts/licences.py
