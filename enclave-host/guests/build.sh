#!/bin/sh
# Builds the committed guests from their sources: deidentify, spin and flood, each to <name>.wasm, and lists their
# SHA-256 in SHA256SUMS. One version of one compiler, no C library, no paths or times in the output: the same sources
# give the same bytes everywhere. `build.sh --check` builds into a temporary folder and compares instead.
#
# Needs python3 with venv; fetches the compiler (ziglang, a wheel of 80 to 100 MB) from PyPI into a temporary folder,
# unless ZIG names a `zig` of that version. Nobody needs this to run Bellgate.
set -eu
cd "$(dirname "$0")"
version=0.15.2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "${ZIG:-}" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check "ziglang==$version"
    ZIG="$work/venv/bin/python -m ziglang"
fi
# shellcheck disable=SC2086  # ZIG may be a command with arguments
found=$($ZIG version)
if [ "$found" != "$version" ]; then
    echo "build.sh: zig is $found, the committed bytes come from $version; unset ZIG to fetch it" >&2
    exit 1
fi

to=.
[ "${1:-}" = --check ] && to=$work
for guest in deidentify spin flood; do
    # shellcheck disable=SC2086
    ZIG_LOCAL_CACHE_DIR="$work/cache" ZIG_GLOBAL_CACHE_DIR="$work/cache" $ZIG cc -c \
        --target=wasm32-freestanding -mcpu=generic+bulk_memory -std=c11 -O2 -g0 \
        -Wall -Wextra -Werror -ffreestanding -fno-builtin -fno-stack-protector -fno-sanitize=all \
        -o "$work/$guest.o" "$guest.c"
    # The stack before the data: it overflows into a trap and not into the data.
    # shellcheck disable=SC2086
    $ZIG wasm-ld --no-entry --strip-all --stack-first -z stack-size=16384 -o "$to/$guest.wasm" "$work/$guest.o"
done
chmod 0644 "$to"/*.wasm
(cd "$to" && sha256sum deidentify.wasm flood.wasm spin.wasm) >"$work/SHA256SUMS"
if [ "${1:-}" = --check ]; then
    diff "$work/SHA256SUMS" SHA256SUMS && echo "the committed guests are what their sources give"
else
    cp "$work/SHA256SUMS" SHA256SUMS
    cat SHA256SUMS
fi
