#!/bin/sh
# Debian packages that some tests and targets need; everything else works without them.
#   sh scripts/apt.sh                 PostgreSQL, for the tests in biomass_pipeline_tests/deployment
#   sh scripts/apt.sh docker          buildah and debootstrap as well: docker-build without an engine
#   sh scripts/apt.sh browser         chromium as well
# Installs only what is missing, and only as root; says what to do otherwise, and never fails a build.
set -eu

missing=
need() { # need PACKAGE FILE...: one of the files shows that it is there
    package=$1
    shift
    for file in "$@"; do
        # The pattern is one of the shell's.
        # shellcheck disable=SC2086
        set -- $file
        [ -e "$1" ] && return 0
    done
    missing="$missing $package"
}

need postgresql '/usr/lib/postgresql/*/bin/postgres' /usr/local/bin/postgres /usr/bin/postgres
for purpose in "$@"; do
    case $purpose in
        docker)
            need buildah /usr/bin/buildah
            need debootstrap /usr/sbin/debootstrap
            ;;
        browser) need chromium /usr/bin/chromium ;;
        *)
            echo "apt: '$purpose' is neither docker nor browser" >&2
            exit 2
            ;;
    esac
done

[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" -ne 0 ]; then
    echo "apt: not here:$missing. Tests that need them are skipped; as root on Debian: sh scripts/apt.sh $*" >&2
    exit 0
fi
echo "apt: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# A server that starts by itself would take port 5432 of this machine.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] ||
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
# shellcheck disable=SC2086  # several words on purpose
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >/dev/null; then
    echo "apt: could not install$missing; tests that need them are skipped" >&2
fi
