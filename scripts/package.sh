#!/usr/bin/env bash
# Installs one thing with this system's package manager: apt-get, dnf, apk or brew, whichever there is.
#
#   scripts/package.sh WHAT MANAGER=PACKAGES...
#   scripts/package.sh 'a linker' apt-get='gcc libc6-dev' dnf=gcc apk='gcc musl-dev'
#
# PACKAGES may name alternatives, the best one first: 'valkey|redis'. Works as root or with a sudo that asks for no
# password; where neither is given, says which command would do it and fails.
#
# Never asks a question, never removes or upgrades a package on its own account, never adds a source of packages.
set -euo pipefail

say() { printf 'floci-az: %s\n' "$*" >&2; }

what=$1
shift
manager='' packages=''
for choice in "$@"; do
    if command -v "${choice%%=*}" >/dev/null; then
        manager=${choice%%=*}
        packages=${choice#*=}
        break
    fi
done
if [ -z "$manager" ]; then
    say "$what is missing, and none of the package managers known here (${*%%=*}) is on PATH."
    say "Install $what with the means of this system, and repeat the command."
    exit 1
fi

# Homebrew refuses to run as root; the others refuse to run without.
become=()
if [ "$manager" != brew ] && [ "$(id -u)" != 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        say "$what is missing, and installing it needs root. Run this, and repeat the command:"
        [ "$manager" = apk ] && verb=add || verb=install
        say "    sudo $manager $verb ${packages//|/ || sudo $manager $verb }"
        exit 1
    fi
    become=(sudo -n)
fi
# bash 3.2, which macOS has, takes an empty array for an unset one: hence the + below.
as_root() { ${become[@]+"${become[@]}"} "$@"; }

# A package manager that another process is using is waited for.
install() {
    case $manager in
    apt-get) as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@" ;;
    dnf) as_root dnf --quiet --assumeyes install "$@" ;;
    apk) as_root apk add --quiet --wait 300 "$@" ;;
    brew) brew install --quiet "$@" ;;
    esac
}

install_any() {
    local IFS='|' alternative
    for alternative in $packages; do
        IFS=' '
        # shellcheck disable=SC2086 # PACKAGES is a list
        if install $alternative >"$log" 2>&1; then
            say "$what is installed: $alternative"
            return 0
        fi
    done
    return 1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
say "installing $what with $manager"
install_any && exit 0
# Lists that were never read, or that name what is no longer there, are the usual reason.
case $manager in
apt-get) as_root apt-get -qq -o DPkg::Lock::Timeout=300 update >"$log" 2>&1 && install_any && exit 0 ;;
apk) as_root apk update --quiet >"$log" 2>&1 && install_any && exit 0 ;;
esac
cat "$log" >&2
say "$what could not be installed: $manager says why, above. Install one of: $packages"
exit 1
