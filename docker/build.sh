#!/bin/sh
# Builds the image: sh docker/build.sh [cpu|cuda]
#   ENGINE           docker, podman or buildah; the first that is installed
#   BIOMASS_IMAGE    its name, biomass-pipeline:latest
#   BIOMASS_BASE     what it stands on, debian:bookworm-slim
#   BIOMASS_PIP_CONF a pip.conf for a registry of your own, and
#   BIOMASS_CA       a certificate bundle, /run/secrets/ca in that pip.conf; neither gets into the image
#   BUILD_OPTIONS    anything else for the engine
set -eu
cd "$(dirname "$0")/.."

accelerator=${1:-cpu}
case $accelerator in
    cpu | cuda) ;;
    *)
        echo "build: '$accelerator' is neither cpu nor cuda" >&2
        exit 2
        ;;
esac

engine=${ENGINE:-}
for candidate in docker podman buildah; do
    [ -n "$engine" ] || ! command -v "$candidate" >/dev/null 2>&1 || engine=$candidate
done
if [ -z "$engine" ]; then
    echo "build: no docker, podman or buildah here. Install one (Debian: sh scripts/apt.sh docker installs buildah)." >&2
    exit 1
fi

set -- --file docker/Dockerfile --tag "${BIOMASS_IMAGE:-biomass-pipeline:latest}" \
    --build-arg "BASE=${BIOMASS_BASE:-debian:bookworm-slim}" --build-arg "ACCELERATOR=$accelerator"
[ -z "${BIOMASS_PIP_CONF:-}" ] || set -- "$@" --secret "id=pip,src=$BIOMASS_PIP_CONF"
[ -z "${BIOMASS_CA:-}" ] || set -- "$@" --secret "id=ca,src=$BIOMASS_CA"
case $engine in
    # Where a container cannot be made inside a container; the health check needs docker's format.
    *buildah) set -- "$@" --format docker ${BUILDAH_ISOLATION:+--isolation "$BUILDAH_ISOLATION"} ;;
esac
# shellcheck disable=SC2086  # several words on purpose
exec $engine build "$@" ${BUILD_OPTIONS:-} .
