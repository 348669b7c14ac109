#!/usr/bin/env bash
# Brings what builds the gateway and its plugins: a linker, the compilation target of the plugins, and the rustup
# components that are named.
#
#   scripts/toolchain.sh [COMPONENT...]
#
# Never installs Rust itself and never updates a toolchain: it says how.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'floci-az: %s\n' "$*" >&2; }

if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
    say "Rust is missing: there is no cargo on PATH. Install it as https://rustup.rs says, and repeat the command."
    exit 1
fi

needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
found=$(rustc --version | cut -d ' ' -f 2)
if ! awk -v needed="$needed" -v found="$found" 'BEGIN {
        split(needed, n, "."); split(found, f, ".")
        exit !(f[1] > n[1] || (f[1] == n[1] && f[2] + 0 >= n[2] + 0))
    }'; then
    say "Rust $found is installed here; floci-az is built with $needed or later. Run this, and repeat the command:"
    say "    rustup update stable"
    exit 1
fi

# rustc links through a C compiler's driver, for build scripts too.
if ! command -v cc >/dev/null; then
    case $(uname -s) in
    Darwin)
        say "a linker is missing. Run this, and repeat the command:"
        say "    xcode-select --install"
        exit 1
        ;;
    *) scripts/package.sh 'a linker (cc)' apt-get='gcc libc6-dev' dnf=gcc apk='gcc musl-dev' ;;
    esac
fi

# bring WHAT RUSTUP-COMMAND...
bring() {
    local what=$1
    shift
    if ! command -v rustup >/dev/null; then
        say "$what is missing, and this Rust was not installed by rustup, which could bring it."
        say "Install Rust as https://rustup.rs says, and repeat the command."
        exit 1
    fi
    say "$*"
    if ! "$@" >&2; then
        say "$what could not be brought: rustup says why, above. Repeat the command once it can reach its server."
        exit 1
    fi
}

target=wasm32-wasip2
[ -d "$(rustc --print target-libdir --target "$target" 2>/dev/null)" ] ||
    bring "the target $target" rustup target add "$target"

for component in "$@"; do
    # A rustup that lacks the component has the command all the same: only running it tells.
    cargo "${component#rust}" --version >/dev/null 2>&1 || bring "$component" rustup component add "$component"
done
