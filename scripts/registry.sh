#!/usr/bin/env bash
# Brings the registry that the tests of images push to and pull from: Docker's own, as a program on PATH
# (docker-registry; Fedora calls it registry).
#
# Where it cannot be had, says so, and scripts/test.sh leaves those tests out; with FLOCI_AZ_TEST_REGISTRY=required, fails.
# Where the package comes with a service of its own, that service is stopped: the tests start their own registries, on
# ports that are free.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'floci-az: %s\n' "$*" >&2; }

if command -v docker-registry >/dev/null || command -v registry >/dev/null; then
    exit 0
fi
if ! scripts/package.sh 'a registry' apt-get=docker-registry dnf=docker-distribution apk=docker-registry; then
    [ "${FLOCI_AZ_TEST_REGISTRY:-}" = required ] && exit 1
    exit 0
fi
# Debian's packages start what they install.
if [ -d /run/systemd/system ] && systemctl --quiet is-active docker-registry; then
    say "stopping the service docker-registry that came with it: the tests start their own registries"
    become=''
    [ "$(id -u)" = 0 ] || become='sudo -n'
    $become systemctl --quiet disable --now docker-registry
fi
