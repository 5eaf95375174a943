# The commands of this project. `make` alone lists them; the text after `##` is the list.
#
# Guarantees: `make test` is all tests, with nothing left to install by hand on Debian or Ubuntu as root; `make lint` and
# `make test` together are what CI runs. Deliberately no build logic: that is Cargo's.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO_DENY_VERSION := 0.20.2
ADVISORIES := https://github.com/RustSec/advisory-db
CARGO_FUZZ_VERSION := 0.13.2
# Per target.
FUZZ_SECONDS ?= 60
FUZZ := target/fuzz
STACK := target/stack
STACK_PORT ?= 8008

# nextest runs each test in its own process, which suits tests that start servers, but no examples of the documentation.
NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo yes)

.PHONY: help demo test lint check bench fuzz gallery openapi editor stack setup clean-stack

help: ## List these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

demo: ## Try the relay without a homeserver: sample alerts in a room in your browser
	cargo run --release --locked -- demo

test: setup ## Install what the tests need and run all of them, the real Synapse and Alertmanager included
ifeq ($(NEXTEST),yes)
	cargo test --locked --doc
	cargo nextest run --locked $(if $(CI),--profile ci)
else
	cargo test --locked
endif

lint: ## Formatting, clippy and documentation, with warnings as errors
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

check: lint ## lint, and licences, sources, doubles and known flaws of all dependencies (cargo-deny)
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny@$(CARGO_DENY_VERSION)
	cargo deny --locked check --hide-inclusion-graph bans licenses sources
	@if timeout 20 git ls-remote --quiet $(ADVISORIES) HEAD >/dev/null 2>&1; \
	then cargo deny --locked check --hide-inclusion-graph advisories; \
	else echo 'check: $(ADVISORIES) cannot be reached from here: known flaws of dependencies were NOT looked for (CI does)'; fi

bench: ## Measure acceptance, delivery, rendering and memory, each beside its limit on this machine
	cargo bench --locked

# Without a sanitizer: it looks for faults of unsafe code, this crate has none, and it doubles the build. The lock file of the
# relay is copied, so that what is fuzzed is what is shipped.
fuzz: ## Look for inputs, templates and matchers that break the relay, FUZZ_SECONDS each (needs g++)
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz@$(CARGO_FUZZ_VERSION)
	@mkdir -p $(FUZZ)/corpus/parse_render $(FUZZ)/corpus/templates $(FUZZ)/corpus/matchers $(FUZZ)/found
	@cp Cargo.lock fuzz/Cargo.lock
	cargo fuzz run -s none --target-dir $(FUZZ) parse_render $(FUZZ)/corpus/parse_render fuzz/seeds/parse_render src/samples \
		-- -max_total_time=$(FUZZ_SECONDS) -timeout=20 -dict=fuzz/words -artifact_prefix=$(FUZZ)/found/
	cargo fuzz run -s none --target-dir $(FUZZ) templates $(FUZZ)/corpus/templates fuzz/seeds/templates templates \
		-- -max_total_time=$(FUZZ_SECONDS) -timeout=20 -dict=fuzz/words -artifact_prefix=$(FUZZ)/found/
	cargo fuzz run -s none --target-dir $(FUZZ) matchers $(FUZZ)/corpus/matchers fuzz/seeds/matchers \
		-- -max_total_time=$(FUZZ_SECONDS) -max_len=2048 -timeout=20 -artifact_prefix=$(FUZZ)/found/

gallery: setup ## Picture every template with every sample, wide and narrow, in target/gallery; and the README's pictures
	cargo test --locked --test it gallery:: -- --ignored --nocapture

openapi: ## Write openapi/openapi.yaml anew from the code
	@mkdir -p openapi $(STACK)
	cargo run --quiet --locked -- openapi > $(STACK)/openapi.yaml.new
	mv $(STACK)/openapi.yaml.new openapi/openapi.yaml

editor: ## Build the workshop's editor anew after a change in src/workshop/editor (needs Node; the result is committed)
	@src/workshop/editor/build.sh

stack: ## Run a real Synapse with a bot, a person and rooms; prints an .env; Ctrl-C ends it
	@tests/stack/setup.sh synapse
	@$(STACK)/synapse-venv/bin/python tests/stack/synapse.py run --pretty --dir $(STACK)/by-hand --port $(STACK_PORT)

setup: ## Install what the tests need (make test does it too)
	@tests/stack/setup.sh

clean-stack: ## Forget the Synapse of make stack, and the installed one
	rm -rf $(STACK)
