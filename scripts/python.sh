#!/usr/bin/env bash
# Brings Python packages for the tests, in a virtual environment below target.
#
#   scripts/python.sh                              the Redis clients: tests/clients/requirements.txt, in target/venv
#   scripts/python.sh REQUIREMENTS ENVIRONMENT     others, in another one
#
# Never installs a Python package outside of the environment, and nothing where it holds what is required already.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'floci-az: %s\n' "$*" >&2; }

wanted=${1:-tests/clients/requirements.txt}
venv=${2:-target/venv}
# The copy is made last, so that what was interrupted is made anew.
cmp -s "$wanted" "$venv/requirements.txt" && exit 0

# Debian's python3 comes without the part of it that makes virtual environments.
python3 -c 'import ensurepip, venv' 2>/dev/null ||
    scripts/package.sh 'python3 with venv' apt-get='python3 python3-venv' dnf=python3 apk=python3 brew=python3
say "making $venv, which can take minutes: $(paste -sd ' ' "$wanted")"
rm -rf "$venv"
python3 -m venv "$venv"
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted"; then
    say "The packages of $wanted could not be installed into $venv: pip says why, above."
    say "The tests need them. Repeat the command once pip can reach its index."
    exit 1
fi
cp "$wanted" "$venv/requirements.txt"
