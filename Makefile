# The commands of this project. `make` alone lists them; the text after `##` is the list.
#
# Guarantees: `make test` is all tests, with nothing left to install by hand on Debian or Ubuntu as root; `make lint` and
# `make test` together are what CI runs. Deliberately no build logic: that is Cargo's.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

CARGO_DENY_VERSION := 0.20.2
CARGO_AUDIT_VERSION := 0.22.2
ADVISORIES := https://github.com/RustSec/advisory-db
CARGO_FUZZ_VERSION := 0.13.2
MDBOOK_VERSION := 0.5.4
# Per target.
FUZZ_SECONDS ?= 60
# For making a corpus smaller, at most.
FUZZ_KEEP_SECONDS ?= 120
FUZZ := target/fuzz
STACK := target/stack
STACK_PORT ?= 8008

# nextest runs each test in its own process, which suits tests that start servers, but no examples of the documentation.
NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo yes)

.PHONY: help demo test lint check bench compare fuzz gallery docs package try-package openapi reference editor stack setup clean-stack

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
	cargo check --locked --no-default-features
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

check: lint ## lint, and licences, sources, doubles and known flaws of all dependencies (cargo-deny, cargo-audit)
	@cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny@$(CARGO_DENY_VERSION)
	cargo deny --locked check --hide-inclusion-graph bans licenses sources
	@if ! timeout 20 git ls-remote --quiet $(ADVISORIES) HEAD >/dev/null 2>&1; then \
		echo 'check: $(ADVISORIES) cannot be reached from here: known flaws of dependencies were NOT looked for, neither by'; \
		echo 'check: cargo-deny nor by cargo-audit; CI does both'; \
		exit 0; \
	fi; \
	set -x; \
	cargo deny --locked check --hide-inclusion-graph advisories; \
	cargo audit --version >/dev/null 2>&1 || cargo install --locked cargo-audit@$(CARGO_AUDIT_VERSION); \
	cargo audit

bench: ## Measure acceptance, delivery, rendering and memory, each beside its limit on this machine
	benches/with-postgres.sh cargo bench --locked

ORIGINAL ?= $(error ORIGINAL is not set: the path of a checkout of the original relay; see docs/src/reference/comparison.md)
ORIGINAL_PYTHON ?= python3

compare: ## The same hour on this relay and on the original, which ORIGINAL=path names: what is lost, doubled, late
	cargo build --release --locked
	cargo run --release --locked --example compare -- --original $(ORIGINAL) --python $(ORIGINAL_PYTHON)

# Without a sanitizer: it looks for faults of unsafe code, this crate has none, and it doubles the build. The lock file of the
# relay is copied, so that what is fuzzed is what is shipped. Afterwards the corpus keeps only what reaches something new.
# $(1) target, $(2) folders of further seeds, $(3) bytes of the longest input, $(4) further options
define fuzz_one
	@mkdir -p $(FUZZ)/corpus/$(1) $(FUZZ)/found
	cargo fuzz run -s none --target-dir $(FUZZ) $(1) $(FUZZ)/corpus/$(1) fuzz/seeds/$(1) $(2) \
		-- -max_total_time=$(FUZZ_SECONDS) -max_len=$(3) -timeout=20 $(4) -artifact_prefix=$(FUZZ)/found/
	@timeout $(FUZZ_KEEP_SECONDS) cargo fuzz cmin -s none --target-dir $(FUZZ) $(1) $(FUZZ)/corpus/$(1) -- -max_len=$(3) \
		|| echo 'fuzz: the corpus of $(1) was not made smaller within $(FUZZ_KEEP_SECONDS) seconds'
endef

fuzz: ## Look for inputs, templates and matchers that break the relay, FUZZ_SECONDS each (needs g++)
	@cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz@$(CARGO_FUZZ_VERSION)
	@cp Cargo.lock fuzz/Cargo.lock
	$(call fuzz_one,parse_render,src/samples src/samples/webhooks,65536,-dict=fuzz/words)
	$(call fuzz_one,templates,templates,16384,-dict=fuzz/words)
	$(call fuzz_one,matchers,,2048,)

gallery: setup ## Picture every template with every sample, wide and narrow, in target/gallery; and the README's pictures
	cargo test --locked --test it gallery:: -- --ignored --nocapture

docs: ## Build the documentation as a site, in target/docs
	@mdbook --version >/dev/null 2>&1 || cargo install --locked mdbook@$(MDBOOK_VERSION)
	mdbook build docs --dest-dir $(CURDIR)/target/docs

package: ## Build the .deb and the .rpm into target/packages, of PROGRAM=path if that is given (cargo-deb, cargo-generate-rpm)
	packaging/build.sh $(PROGRAM)

try-package: ## Install, start and remove that .deb in a Debian of its own (root, lintian, mmdebstrap)
	packaging/try-deb.sh

# $(1) words of the command, $(2) the file
define write_anew
	@target/debug/grafana-matrix-relay $(1) > $(STACK)/written.new
	@mv $(STACK)/written.new $(2)
endef

reference: ## Write anew from the code: the references of templates, settings and metrics, and .env.example
	@mkdir -p $(STACK)
	cargo build --quiet --locked
	$(call write_anew,templates reference,templates/REFERENCE.md)
	$(call write_anew,document settings,docs/src/reference/settings.md)
	$(call write_anew,document metrics,docs/src/reference/metrics.md)
	$(call write_anew,document environment,.env.example)

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
