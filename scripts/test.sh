#!/usr/bin/env bash
# Runs every test. Those in modules called `docker` need an engine and the image that caches run by default, those in
# `registries` a registry; where any of that is missing they are left out, and a line says so.
#
#   FLOCI_AZ_TEST_DOCKER=required      that the first cannot run is a failure
#   FLOCI_AZ_TEST_REGISTRY=required    and that the second cannot
#
# Never starts an engine, and never makes an image under a name that is not ours: tests/images/valkey.sh does that, on
# request.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'floci-az: %s\n' "$*" >&2; }

image=valkey/valkey:8-alpine
pull_seconds=${FLOCI_AZ_TEST_PULL_SECONDS:-120}

# macOS has no timeout; there, the engine's own limits have to do.
bounded() { if command -v timeout >/dev/null; then timeout "$@"; else shift && "$@"; fi; }

# Why the tests with Docker cannot run; nothing if they can.
obstacle() {
    if ! command -v docker >/dev/null; then
        echo "there is no docker on PATH. Install Docker"
    elif ! bounded 10 docker version >/dev/null 2>&1; then
        echo "no Docker engine answers. Start it; docker version says what is wrong"
    elif ! docker image inspect "$image" >/dev/null 2>&1; then
        say "pulling $image, for at most $pull_seconds s"
        bounded "$pull_seconds" docker pull --quiet "$image" >/dev/null 2>&1 ||
            echo "the image $image is not here and cannot be pulled. tests/images/valkey.sh makes a stand-in"
    fi
}

# So that what is left out is said last, where it is read.
left_out=()
skipped=()
without() { # NAME VARIABLE REQUIRED MODULE WHY
    if [ "$3" = required ]; then
        say "the tests with $1 are required ($2), and cannot run: $5"
        exit 1
    fi
    skipped+=(--skip "$4")
    left_out+=("left out: the tests with $1, because $5")
}

obstacle=$(obstacle)
if [ -n "$obstacle" ]; then
    without Docker FLOCI_AZ_TEST_DOCKER "${FLOCI_AZ_TEST_DOCKER:-}" docker:: "$obstacle"
fi
if ! command -v docker-registry >/dev/null && ! command -v registry >/dev/null; then
    without 'a registry' FLOCI_AZ_TEST_REGISTRY "${FLOCI_AZ_TEST_REGISTRY:-}" registries:: \
        'there is no docker-registry on PATH. scripts/registry.sh brings it where it can be had'
fi
# bash 3.2, which macOS has, takes an empty array for an unset one: hence the + below.
failed=0
cargo test --release --locked --workspace --no-fail-fast -- ${skipped[@]+"${skipped[@]}"} || failed=$?
for line in ${left_out[@]+"${left_out[@]}"}; do say "$line"; done
exit "$failed"
