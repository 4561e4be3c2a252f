#!/bin/sh
# The first command of the README: checks what the build needs, builds, and shows Bellgate at work.
# Usage: deploy/demo.sh [--once] [--json] [--once --draw FILE.svg]
# Arguments go to `bellgate demo`. CARGO_TARGET_DIR says where to build; without it, ./target of the checkout.
# What is missing is installed with apt-get where that is possible (root on Debian or Ubuntu), and named otherwise.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)

fail() {
    printf 'demo.sh: %s\n' "$@" >&2
    exit 1
}

[ "$(uname -s)" = Linux ] || fail "Bellgate runs on Linux, and this is $(uname -s)"

# Rust. rustup puts cargo where a fresh shell may not look yet.
if ! command -v cargo >/dev/null 2>&1 && [ -x "${CARGO_HOME:-${HOME:-/root}/.cargo}/bin/cargo" ]; then
    PATH=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH
    export PATH
fi
wanted=$(sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$root/Cargo.toml")
how="install it with rustup (https://rustup.rs): \`rustup toolchain install stable\`"
if ! command -v cargo >/dev/null 2>&1 || ! command -v rustc >/dev/null 2>&1; then
    fail "cargo and rustc are missing; Rust $wanted or later is needed" "$how"
fi
found=$(cd "$root" && rustc --version | cut -d ' ' -f 2)
oldest=$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)
[ "$oldest" = "$wanted" ] || fail "rustc is $found; Rust $wanted or later is needed" "$how"

# A C compiler for ring, zstd and mimalloc; cmake and make for zlib-ng, which Pingora brings.
compiles_c() {
    command -v "${CC:-cc}" >/dev/null 2>&1 && printf '#include <stdlib.h>\nint main(void) { return 0; }\n' |
        "${CC:-cc}" -x c - -o /dev/null 2>/dev/null
}
missing() {
    compiles_c || printf ' gcc libc6-dev'
    command -v make >/dev/null 2>&1 || printf ' make'
    command -v cmake >/dev/null 2>&1 || printf ' cmake'
}
packages=$(missing)
if [ -n "$packages" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing with apt-get:$packages"
        DEBIAN_FRONTEND=noninteractive
        export DEBIAN_FRONTEND
        apt-get update -qq
        # shellcheck disable=SC2086  # a list of packages
        apt-get install -y -qq --no-install-recommends $packages
        packages=$(missing)
        [ -z "$packages" ] || fail "still missing after apt-get install:$packages"
    else
        fail "the build needs a C compiler, make and cmake, and not all are there" \
            "on Debian or Ubuntu: sudo apt-get install$packages" \
            "elsewhere: the packages with the same programs (cc, make, cmake)"
    fi
fi

target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
CARGO_TARGET_DIR=$target
export CARGO_TARGET_DIR
[ -x "$target/debug/bellgate" ] || echo "Building Bellgate. The first time takes some minutes (README.md says how many); cargo shows how far it is."
(cd "$root" && cargo build --locked -p bellgate -p bellgate-enclave)
exec "$target/debug/bellgate" demo "$@"
