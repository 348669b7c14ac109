#!/usr/bin/env bash
# Brings the real clients that `make test-clients` drives: the Azure command line and Python's Azure libraries
# (tests/clients/azure.txt, in target/azure), and those of Node (tests/clients/node/package-lock.json, in target/node).
#
# Never installs anything of them elsewhere, and runs no install script of an npm package. Minutes and 850 MB the first
# time; nothing the second.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'floci-az: %s\n' "$*" >&2; }

python_clients() {
    local wanted=tests/clients/azure.txt venv=target/azure
    # The copy is made last, so that what was interrupted is made anew.
    cmp -s "$wanted" "$venv/azure.txt" && return
    # Debian's python3 comes without the part of it that makes virtual environments.
    python3 -c 'import ensurepip, venv' 2>/dev/null ||
        scripts/package.sh 'python3 with venv' apt-get='python3 python3-venv' dnf=python3 apk=python3 brew=python3
    say "making $venv, which takes a minute or a few: $(paste -sd ' ' "$wanted")"
    rm -rf "$venv"
    python3 -m venv "$venv"
    if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted"; then
        say "The packages of $wanted could not be installed into $venv: pip says why, above."
        say "Repeat the command once pip can reach its index."
        exit 1
    fi
    cp "$wanted" "$venv/azure.txt"
    say "$venv is ready: $(du -sh "$venv" | cut -f 1)"
}

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

python_clients
node_clients
