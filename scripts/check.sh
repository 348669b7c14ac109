#!/usr/bin/env bash
# Checks what a reviewer should not have to: format, lints, documentation, dependencies, scripts. All of them are
# checked, and what failed is named at the end.
#
# Never changes a file. What is not installed and cannot be brought by rustup (cargo-deny, shellcheck) is left out, and
# a line says so.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'floci-az: %s\n' "$*" >&2; }

failed=()
check() {
    say "$*"
    "$@" || failed+=("$*")
}
# The release profile, so that the plugins that the gateway's build needs are built once for all targets of make.
check cargo fmt --all --check
check cargo clippy --release --locked --workspace --all-targets -- -D warnings
check cargo clippy --release --locked --package floci-az-redis --target wasm32-wasip2 -- -D warnings
# What plugin authors read may not point at what they cannot see; the gateway's pages are for those who work on it.
export RUSTDOCFLAGS='-D warnings'
check cargo doc --release --locked --no-deps --package floci-az-sdk --package floci-az-contract
RUSTDOCFLAGS+=' -A rustdoc::private_intra_doc_links'
check cargo doc --release --locked --no-deps --document-private-items --package floci-az --package floci-az-redis
if command -v cargo-deny >/dev/null; then
    # Not the advisories: they need the network, and change without a change here. cargo deny check advisories
    check cargo deny --locked check bans licenses sources
else
    say "left out: licences and sources of the dependencies. To have them: cargo install cargo-deny"
fi
if command -v shellcheck >/dev/null; then
    check shellcheck .ci/run scripts/*.sh tests/images/*.sh tests/clients/*.sh
else
    say "left out: the scripts. To have them: install shellcheck"
fi

if [ ${#failed[@]} -gt 0 ]; then
    printf 'floci-az: failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
