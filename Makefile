# The targets, and nothing else: what they bring is brought by scripts/, each of which says what it never does.

.DEFAULT_GOAL := help
.PHONY: help run test test-clients check build figures bench-data bench-contained

# One folder for all of them, wherever cargo is told to build otherwise: what is tested is what runs.
export CARGO_TARGET_DIR := $(CURDIR)/target

# Where rustup puts cargo, for a terminal that was open before.
export PATH := $(PATH):$(HOME)/.cargo/bin

help: ## Show this text.
	@echo 'floci-az: Azure Resource Manager on localhost, with WebAssembly components as resource providers.'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'Settings: FLOCI_AZ_* variables or floci-az.yml; target/release/floci-az settings shows them all.'

run: build ## Bring what is missing, build, and serve on http://localhost:4577.
	@scripts/server.sh
	@exec target/release/floci-az

test: ## Bring what is missing and run every test against real servers.
	@scripts/toolchain.sh
	@scripts/server.sh --program
	@scripts/python.sh
	@scripts/registry.sh
	@scripts/test.sh

test-clients: build ## Bring az and the Azure SDKs into target/, and run them against the gateway.
	@scripts/server.sh --program
	@scripts/clients.sh
	@python3 tests/clients/run.py

check: ## Check format, lints, documentation, licences and scripts.
	@scripts/toolchain.sh clippy rustfmt
	@scripts/check.sh

# With a test beside it: what the gateway depends on then has the features that the tests ask for, and is built once.
build: ## Build the gateway with its plugins into target/release/floci-az.
	@scripts/toolchain.sh
	cargo build --release --locked --workspace --bins --test tidy

figures: build ## Print what the gateway costs, against the same servers without it.
	@scripts/server.sh --program
	@python3 tests/figures.py

bench-data: build ## Print what the gateway's TLS costs, against the same server's own.
	@scripts/server.sh --program
	@python3 tests/bench_data.py

bench-contained: build ## Print how much slower a plugin is while another misbehaves.
	@FLOCI_AZ_TEST_FIGURES=1 cargo test --release --locked --workspace --test e2e -- --nocapture contained_figures
