#!/usr/bin/env bash
# Brings what caches run on: a Docker engine that answers, or a valkey or redis server on PATH.
#
#   scripts/server.sh              either of the two; none for FLOCI_AZ_RUNTIME=none
#   scripts/server.sh --program    the server, also where an engine answers
#
# Never installs or starts Docker, never touches a server that was there before. Where a package comes with a service of
# its own, that service is stopped: the gateway starts its own servers, on the ports that it chooses.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'floci-az: %s\n' "$*" >&2; }

server_is_here() { command -v valkey-server >/dev/null || command -v redis-server >/dev/null; }
# macOS has no timeout.
bounded() { if command -v timeout >/dev/null; then timeout "$@"; else shift && "$@"; fi; }
engine_answers() { command -v docker >/dev/null && bounded 10 docker version >/dev/null 2>&1; }

server_is_here && exit 0
if [ "${1:-}" != --program ]; then
    case ${FLOCI_AZ_RUNTIME:-} in
    # The gateway itself says what an engine lacks.
    none | docker) exit 0 ;;
    process) ;;
    *) engine_answers && exit 0 ;;
    esac
fi

if ! scripts/package.sh 'a valkey or redis server' apt-get='valkey-server|redis-server' dnf='valkey|redis' \
    apk='valkey|redis' brew='valkey|redis'; then
    [ "${1:-}" = --program ] && exit 1
    say "Caches run on Docker's engine or on such a server. Without either, caches can be managed, not connected to:"
    say "    FLOCI_AZ_RUNTIME=none FLOCI_AZ_SERVICES_REDIS_MOCKED=true make run"
    exit 1
fi
# Debian's packages start what they install.
if [ -d /run/systemd/system ]; then
    for service in valkey-server redis-server; do
        if systemctl --quiet is-active "$service"; then
            say "stopping the service $service that came with it: the gateway starts its own servers"
            become=''
            [ "$(id -u)" = 0 ] || become='sudo -n'
            $become systemctl --quiet disable --now "$service"
        fi
    done
fi
