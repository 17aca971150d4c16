#!/bin/sh
# Creates .venv from pyproject.toml and constraints.txt: uv where it works, pip otherwise.
# Run by make, and only when one of those two files changed.
set -eu
cd "$(dirname "$0")/.."

need_kb=$((8 * 1024 * 1024))
free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
if [ ! -x .venv/bin/biomass ] && [ "$free_kb" -lt "$need_kb" ]; then
    echo "setup: $(pwd) has $((free_kb / 1024 / 1024)) GB of free disk, but the installation" \
        "needs 8 GB (torch with its GPU libraries). Free some space and run make again." >&2
    exit 1
fi
if [ "$(uname -s)-$(uname -m)" = Darwin-x86_64 ]; then
    echo "setup: there is no current torch for Intel Macs. Use Linux, or a Mac with Apple silicon." >&2
    exit 1
fi

# The first interpreter of 3.11 or newer.
python=
for candidate in ${PYTHON:-} python3.11 python3 python3.12 python3.13 python; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "setup: no Python 3.11 or newer on the PATH. Install one, or name it: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi

# Compiled bytecode: without it every start takes seconds longer.
unset PYTHONDONTWRITEBYTECODE
export UV_SYSTEM_CERTS=1 UV_COMPILE_BYTECODE=1 UV_LINK_MODE="${UV_LINK_MODE:-hardlink}"
export VIRTUAL_ENV="$PWD/.venv"

[ -x .venv/bin/python ] || "$python" -m venv .venv
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    .venv/bin/python -m pip install --quiet --disable-pip-version-check uv >/dev/null 2>&1 || true
    [ -x .venv/bin/uv ] && uv=.venv/bin/uv
fi
what="-c constraints.txt -e .[dev]"
echo "setup: installing into .venv (once, about a minute)"
# shellcheck disable=SC2086  # two words on purpose
if [ -z "$uv" ] || ! "$uv" pip install --quiet --python .venv/bin/python $what; then
    echo "setup: uv is not usable here, falling back to pip"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check $what
fi
touch .venv/.stamp
