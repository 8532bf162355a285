# The few commands of every day. Each installs what is missing on a Debian machine.

RUST     := packaging/with-rust
TARGET   := $(or $(CARGO_TARGET_DIR),target)
BOLSTER  := $(TARGET)/release/bolster
DATA     ?= bolster-data
LISTEN   ?= 127.0.0.1:8080
SECONDS  ?= 10
BENCH    ?=
FUZZ_SECONDS ?= 20

.PHONY: help run tools build test check unit vectors fuzz bench instructions

help:
	@echo 'make run     build Bolster and start it with sample data on http://$(LISTEN)/'
	@echo 'make test    run every check and every test'
	@echo 'make fuzz    feed broken input to every parser for $(FUZZ_SECONDS) seconds each'
	@echo 'make bench   measure this machine (BENCH=--quick for two minutes instead of many)'
	@echo 'make instructions  count instructions of the form engine, the same on a busy machine (valgrind)'
	@echo 'make build   only build: $(BOLSTER)'

run: build
	$(BOLSTER) --data $(DATA) serve --listen $(LISTEN) --demo

# Says what it installs, before other steps call it silently.
tools:
	@$(RUST) true

build: tools
	$(RUST) cargo build --locked --release --package bolster-server

test: check unit vectors

# Style and edges. Clippy and rustfmt are used where the toolchain has them.
check: tools
	@if $(RUST) cargo fmt --version >/dev/null 2>&1; then $(RUST) cargo fmt --all --check; else echo 'check: no rustfmt here'; fi
	@if $(RUST) cargo clippy --version >/dev/null 2>&1; then $(RUST) cargo clippy --locked --workspace --all-targets --quiet -- --deny warnings; else echo 'check: no clippy here'; fi
	@if $(RUST) cargo deny --version >/dev/null 2>&1; then $(RUST) cargo deny --all-features check bans licenses sources; fi
	$(RUST) cargo xtask tidy

unit: tools
	$(RUST) cargo test --locked --workspace

# The project's own vectors, every area that has a runner.
vectors: tools
	@for area in $$($(RUST) cargo xtask areas); do \
		if [ -d tests/vectors/$$area ]; then set -- "$$@" tests/vectors/$$area; fi; \
	done; \
	if [ $$# -gt 0 ]; then echo "vectors: $$*"; $(RUST) cargo xtask vectors "$$@"; fi

fuzz: tools
	packaging/fuzz $(FUZZ_SECONDS)

bench: build
	$(BOLSTER) bench submissions --seconds $(SECONDS) $(BENCH)
	$(BOLSTER) bench forms
	$(BOLSTER) bench webapps $(BENCH)

instructions: tools
	packaging/instructions
