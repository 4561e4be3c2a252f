#!/bin/sh
# An outsiders' benchmark through real sidecars, without a language model: the PyPI package agentdojo.
# Usage: tests/agentdojo/run.sh [--debug] [--model] [--suite NAME]... [--row 'NAME']... [--write]
# Puts the package into a virtual environment of its own under the target folder (the only step that needs a network), builds
# bellgate and the launcher of its sidecars, replays every user task and every attack, prints the table, and ends with 0 only
# if it is the committed one (expected.md). --debug takes a build without optimisation, --model the rules in Python and no sidecar.
# At most seven processes at a time, one request at a time, loopback alone.
set -eu

folder=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$folder/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
case "${1-}" in -h | --help) sed -n '2,7s/^# //p' "$0"; exit 0 ;; esac

profile=release
model=
for argument in "$@"; do
    shift
    case $argument in
    --debug) profile=debug ;;
    --model) model=yes; set -- "$@" "$argument" ;;
    *) set -- "$@" "$argument" ;;
    esac
done

python=$target/agentdojo-venv/bin/python
version=0.1.35
if ! "$python" -c "import importlib.metadata as m; assert m.version('agentdojo') == '$version'" >/dev/null 2>&1; then
    echo "run.sh: putting the PyPI package agentdojo $version into $target/agentdojo-venv" >&2
    mkdir -p "$target"
    python3 -m venv "$target/agentdojo-venv"
    "$target/agentdojo-venv/bin/pip" install --quiet --disable-pip-version-check "agentdojo==$version"
fi

if [ -z "$model" ]; then
    case $profile in release) flag=--release ;; *) flag= ;; esac
    (cd "$root" && CARGO_TARGET_DIR=$target cargo build $flag -p bellgate -p bellgate-tests --bin bellgate --bin bellgate-agentdojo)
    BELLGATE_BIN=$target/$profile/bellgate
    BELLGATE_AGENTDOJO=$target/$profile/bellgate-agentdojo
    export BELLGATE_BIN BELLGATE_AGENTDOJO
fi

schemas=$(mktemp -d)
trap 'rm -rf "$schemas"' EXIT
# The package walks over sets in places; with one seed every run is the same.
PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 "$python" -m unittest discover -q -s "$folder" -p 'test_*.py'
PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 "$python" "$folder/table.py" --schemas "$schemas" "$@"
