#!/bin/sh
# Recomputes constraints.txt for every platform and extra. No registry's address may get into it.
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .venv/bin/uv)
[ -x "$uv" ] || command -v "$uv" >/dev/null || .venv/bin/python -m pip install --quiet uv
UV_SYSTEM_CERTS=1 "$uv" pip compile --quiet --universal --no-emit-index-url --all-extras --no-header \
    --no-annotate --python-version 3.11 pyproject.toml -o constraints.txt
if grep -n '://' constraints.txt; then
    echo "lock: constraints.txt holds an address; do not commit it" >&2
    exit 1
fi
