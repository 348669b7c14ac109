#!/usr/bin/env bash
# Runs every test. Those in modules called `docker` need an engine and the image that caches run by default; where
# either is missing they are left out, and a line says so.
#
#   FLOCI_AZ_TEST_DOCKER=required    that they cannot run is a failure
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

obstacle=$(obstacle)
if [ -z "$obstacle" ]; then
    exec cargo test --release --locked --workspace --no-fail-fast
fi
if [ "${FLOCI_AZ_TEST_DOCKER:-}" = required ]; then
    say "the tests with Docker are required (FLOCI_AZ_TEST_DOCKER), and cannot run: $obstacle"
    exit 1
fi
cargo test --release --locked --workspace --no-fail-fast -- --skip docker::
say "left out: the tests with Docker, because $obstacle"
