#!/bin/sh
# Proves that the form engine is WebAssembly: compiles its crates to wasm32-unknown-unknown, then runs the expression
# and form vectors inside node's WebAssembly engine (the runner reads files, so it is built for wasm32-wasip1).
#
# On a fresh Debian: apt-get install curl nodejs gcc, then rustup (Debian's own standard library for wasm is of another
# version than the compiler this workspace asks for). The targets are put into a toolchain of their own under
# $WASM_RUSTUP_HOME, so that the toolchain in use stays as it is.
set -eu
cd "$(dirname "$0")/../.."
version=$(rustc --version | cut -d' ' -f2)
RUSTUP_HOME=${WASM_RUSTUP_HOME:-${CARGO_TARGET_DIR:-target}/rustup-wasm}
export RUSTUP_HOME RUSTUP_TOOLCHAIN="$version"
rustup toolchain install "$version" --profile minimal --no-self-update \
    -t wasm32-unknown-unknown -t wasm32-wasip1 >/dev/null 2>&1
target=${CARGO_TARGET_DIR:-target}
cargo build -p bolster-xpath -p bolster-xforms -p bolster-runtime --target wasm32-unknown-unknown -j1
cargo build -p engine-vectors --target wasm32-wasip1 -j1
node --no-warnings packaging/wasm/run.mjs "$target/wasm32-wasip1/debug/engine-vectors.wasm" \
    tests/vectors/xpath tests/vectors/forms
