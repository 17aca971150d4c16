#!/bin/sh
# Asks the open database of advisories about every pinned dependency, of every platform and extra.
# Without network to it nothing can be said, and nothing fails.
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .venv/bin/uv)
export UV_SYSTEM_CERTS=1
# What it is asked with has to be fetched, and the database reached.
reached='import socket; socket.create_connection(("api.osv.dev", 443), timeout=10).close()'
if ! .venv/bin/python -c "$reached" 2>/dev/null; then
    echo "advisories: skipped: no network to the advisory service"
    exit 0
fi
"$uv" tool run --quiet 'pip-audit>=2.7' --requirement constraints.txt --no-deps --disable-pip \
    --vulnerability-service osv --progress-spinner off
