#!/bin/sh
# Writes requirements.lock: constraints.txt with the hash of every file that may be installed.
#   pip install --require-hashes -r requirements.lock && pip install --no-deps .
# It is derived and large, so it is written where it is wanted, and not kept.
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .venv/bin/uv)
UV_SYSTEM_CERTS=1 "$uv" pip compile --quiet --universal --no-emit-index-url --all-extras --no-header \
    --no-annotate --python-version 3.11 --generate-hashes --constraint constraints.txt \
    pyproject.toml -o requirements.lock
if grep -n '://' requirements.lock; then
    echo "lock-hashes: requirements.lock holds an address; do not pass it on" >&2
    exit 1
fi
echo "requirements.lock: $(grep -c '==' requirements.lock) pins," \
    "$(grep -c -- --hash requirements.lock) hashes"
