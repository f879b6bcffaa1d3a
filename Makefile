# Each target stands alone on a fresh machine with Rust, a C and C++ compiler, make, python3 and pip.
.DEFAULT_GOAL := help
.PHONY: help demo test lint servers shells peers bench bench-codec bench-migration bench-inspect bench-transfer fuzz package dist clean

# Cargo need not be on PATH: rustup's own folder comes last.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

# Which test servers to fetch; nothing means all.
SERVERS ?=
# Most tests wait for servers most of the time: even two cores bear six at once.
export RUST_TEST_THREADS ?= $(shell n=$$(nproc); echo $$((n > 6 ? n : 6)))
# Which of the peers' suites to run; nothing means all.
PEERS ?=
# How long each fuzz target runs.
FUZZ_SECONDS ?= 60

CARGO_FUZZ := $(CURDIR)/target/tools/bin/cargo-fuzz
# The fuzz targets are a workspace of their own; formatting and lints hold for it too.
MANIFESTS := Cargo.toml fuzz/Cargo.toml

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Start six servers, form a cluster, move slots under live writes, show that nothing was lost
	@scripts/servers.sh valkey-9.1
	@cargo build --package redis-trib --package redistrib-benches --bin redis-trib --bin demo
	@"$${CARGO_TARGET_DIR:-target}/debug/demo"

# Under nohup, or behind an &, programs are started with these signals ignored, and tests of signals would wait for ever.
test: servers shells ## Run every test, against real servers of six versions where servers matter
	env --default-signal=HUP,INT,QUIT cargo test --workspace

lint: ## Check formatting, clippy, rustdoc and that no files use each other in circles
	@scripts/circles.py
	@set -e; for manifest in $(MANIFESTS); do set -x; \
	    cargo fmt --all --check --manifest-path $$manifest; \
	    cargo clippy --workspace --all-targets --manifest-path $$manifest -- -D warnings; \
	    RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps --manifest-path $$manifest; \
	    { set +x; } 2>/dev/null; \
	done
	cargo clippy --package redistrib-ops --no-default-features -- -D warnings

servers: ## Fetch the test servers into target/servers (SERVERS="valkey-9.1 …" for some)
	@scripts/servers.sh $(SERVERS)

shells: ## Fetch the shells whose completions are tested into target/shells
	@scripts/shells.sh

peers: ## Run redis-cli's and valkey-cli's own test suites with this program (PEERS="valkey-9.1 redis-8.0/cluster …" for some)
	cargo build --package redis-trib --bin redis-trib
	@scripts/peers.sh $(PEERS)

bench: bench-codec bench-migration bench-inspect bench-transfer ## Run all the benches

bench-codec: ## Measure codec and model beside their rivals
	@scripts/servers.sh redis-7.0
	cargo bench --package redistrib-benches --bench codec

bench-migration: servers ## Compare the migration of slots with redis-cli and valkey-cli
	cargo build --release --package redis-trib --package redistrib-benches --bin redis-trib --bin bench-migration
	"$${CARGO_TARGET_DIR:-target}/release/bench-migration" --program "$${CARGO_TARGET_DIR:-target}/release/redis-trib"

bench-inspect: servers ## Measure check, info, a reshard and create on 100 to 4,000 nodes a 20 ms round trip away
	cargo build --release --package redis-trib --package redistrib-benches --bin redis-trib --bin bench-inspect
	"$${CARGO_TARGET_DIR:-target}/release/bench-inspect" --program "$${CARGO_TARGET_DIR:-target}/release/redis-trib"

bench-transfer: servers ## Compare copying keys with redis-cli's import and redis-benchmark
	cargo bench --package redistrib-benches --bench transfer

fuzz: $(CARGO_FUZZ) ## Fuzz every target for FUZZ_SECONDS each (60)
	@set -e; cd fuzz; for target in $$($(CARGO_FUZZ) list); do \
	    echo "fuzz: $$target for $(FUZZ_SECONDS) s"; \
	    mkdir -p corpus/$$target; \
	    $(CARGO_FUZZ) run --sanitizer none $$target $$(ls -d corpus/$$target seeds/$$target 2>/dev/null) -- -max_total_time=$(FUZZ_SECONDS); \
	done

$(CARGO_FUZZ):
	cargo install cargo-fuzz --locked --root target/tools

package: ## Pack the four crates as a registry would get them
	cargo package --quiet --allow-dirty --no-verify --package redistrib-resp --package redistrib-cluster-model \
	    --package redistrib-ops --package redis-trib

dist: ## Build a wheel, a tarball and a Debian package into target/dist, and try each in a clean place
	@packaging/dist.sh
	@packaging/check.sh

clean: ## Remove all that was built or fetched
	cargo clean
	rm -rf fuzz/target
