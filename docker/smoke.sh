#!/bin/sh
# Starts the containers on generated photos, launches two jobs, and clears everything away:
#   sh docker/smoke.sh
#   ENGINE        docker or podman (with compose), or buildah; the first that is installed
#   BIOMASS_IMAGE what to start, biomass-pipeline:latest; build it first (sh docker/build.sh)
set -eu
cd "$(dirname "$0")/.."

engine=${ENGINE:-}
for candidate in docker podman buildah; do
    [ -n "$engine" ] || ! command -v "$candidate" >/dev/null 2>&1 || engine=$candidate
done
python=.venv/bin/python
[ -x "$python" ] || python=python3
case $engine in
    '')
        echo "smoke: no docker, podman or buildah here. Install one (Debian: sh scripts/apt.sh docker)." >&2
        exit 1
        ;;
    buildah) exec "$python" scripts/smoke_image.py "${BIOMASS_IMAGE:-biomass-pipeline:latest}" ;;
esac

folder=$(mktemp -d)
port=${BIOMASS_PORT:-3999}
cat >"$folder/env" <<END
DAGSTER_POSTGRES_PASSWORD=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
BIOMASS_PROJECT=$folder/project
BIOMASS_PORT=$port
BIOMASS_IMAGE=${BIOMASS_IMAGE:-biomass-pipeline:latest}
END
mkdir -m 777 "$folder/project"
compose() {
    "$engine" compose --project-name biomass-smoke --env-file "$folder/env" --file docker/compose.yaml "$@"
}
clear_away() {
    compose down --volumes --timeout 30 >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap clear_away EXIT

"$engine" run --rm --volume "$folder/project:/made" "${BIOMASS_IMAGE:-biomass-pipeline:latest}" python -c '
from pathlib import Path
from biomass_pipeline.synthetic import SyntheticSpec, write_photos
write_photos(Path("/made"), spec=SyntheticSpec(n_photos=24, n_sessions=6, n_states=2))
Path("/made/biomass.yaml").write_text(
    "data: {images: photos, labels: train.csv}\nfolds: {n_folds: 2}\nbackbone: {name: colour-texture}\n"
)'
compose up --detach --no-build --wait --wait-timeout 300
PYTHONPATH=. "$python" -c '
import sys
from biomass_pipeline_tests.deployment.client import Client
client = Client(int(sys.argv[1]))
client.loaded()
for job in ("observe", "prepare"):
    client.finished(client.launch(job))
    print("ended well:", job)
' "$port"
