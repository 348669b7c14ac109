#!/usr/bin/env bash
# Brings the real clients that `make test-clients` drives: the Azure command line and Python's Azure libraries
# (tests/clients/azure.txt, in target/azure), and those of Node (tests/clients/node/package-lock.json, in target/node).
#
# Never installs anything of them elsewhere, and runs no install script of an npm package. Minutes and 850 MB the first
# time; nothing the second.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'floci-az: %s\n' "$*" >&2; }

node_clients() {
    local wanted=tests/clients/node folder=target/node
    cmp -s "$wanted/package-lock.json" "$folder/installed.json" && return
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        scripts/package.sh 'node with npm' apt-get='nodejs npm' dnf='nodejs npm' apk='nodejs npm' brew=node
    fi
    say "making $folder: $(sed -n 's/^ *"\(.*\)": "\([0-9].*\)",\{0,1\}$/\1@\2/p' "$wanted/package.json" | paste -sd ' ' -)"
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$wanted/package.json" "$wanted/package-lock.json" "$folder"
    if ! npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error >&2; then
        say "The packages of $wanted/package-lock.json could not be installed into $folder: npm says why, above."
        say "Repeat the command once npm can reach its registry."
        exit 1
    fi
    cp "$wanted/package-lock.json" "$folder/installed.json"
}

scripts/python.sh tests/clients/azure.txt target/azure
node_clients
command -v ncat >/dev/null || scripts/package.sh ncat apt-get=ncat dnf=nmap-ncat apk=nmap-ncat brew=nmap
command -v valkey-cli >/dev/null || command -v redis-cli >/dev/null ||
    scripts/package.sh 'valkey-cli or redis-cli' apt-get='valkey-tools|redis-tools' dnf='valkey|redis' apk='valkey-cli|redis' brew='valkey|redis'
