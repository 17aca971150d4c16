#!/bin/sh
# What pyproject.toml allows at the least is held to work: its lower bounds, resolved by uv, in an
# environment of their own, and the tests that meet other libraries.
#   sh scripts/test_oldest.sh lock    writes constraints-oldest.txt anew
set -eu
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .venv/bin/uv)
export UV_SYSTEM_CERTS=1 UV_LINK_MODE="${UV_LINK_MODE:-hardlink}"
if [ "${1:-}" = lock ]; then
    # Direct dependencies at their lower bounds, what they need as new as it may be.
    "$uv" pip compile --quiet --resolution lowest-direct --no-emit-index-url --no-header \
        --no-annotate --python-version 3.11 --extra test pyproject.toml -o constraints-oldest.txt
    if grep -n '://' constraints-oldest.txt; then
        echo "test-oldest: constraints-oldest.txt holds an address; do not commit it" >&2
        exit 1
    fi
    exit 0
fi
[ -x .oldest/bin/python ] || "$uv" venv --quiet --python 3.11 .oldest
"$uv" pip install --quiet --python .oldest/bin/python -c constraints-oldest.txt -e '.[test]'
# Warnings that later releases mended are no errors here.
OMP_NUM_THREADS=1 .oldest/bin/python -m pytest -q -W default --no-cov \
    biomass_pipeline_tests/store biomass_pipeline_tests/mil biomass_pipeline_tests/imaging \
    biomass_pipeline_tests/manifest biomass_pipeline_tests/orchestration/test_graph.py \
    biomass_pipeline_tests/orchestration/test_staleness.py \
    biomass_pipeline_tests/assets/test_whole_graph.py biomass_pipeline_tests/cli/test_running.py
