#!/bin/sh
# Fetches the JSON-Schema-Test-Suite into the target folder, where gateway/manifest/tests/suite.rs
# looks for it. It lies in the source package of jsonschema on PyPI; nothing of it is built or kept
# in the repository. Needs python3 with pip. Does nothing where the suite is already there.
set -eu

version=4.25.1
sha256=e4a9655ce0da0c0b67a085847e00a3a51449e1157f4f75e9fb5aa545e122eb85

here=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$here/target}
suite=$target/json-schema-suite

if [ -f "$suite/VERSION" ] && [ "$(cat "$suite/VERSION")" = "$version" ]; then
    echo "the JSON-Schema-Test-Suite is already in $suite"
    exit 0
fi
if ! python3 -m pip --version >/dev/null 2>&1; then
    echo "python3 with pip is missing: install it (Debian: python3-pip) and run this again" >&2
    exit 1
fi

mkdir -p "$target"
work=$(mktemp -d "$target/json-schema-suite.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

# pip reads the package's metadata, for which it fetches hatchling and two plug-ins itself.
python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary jsonschema \
    --dest "$work" "jsonschema==$version"
archive=$work/jsonschema-$version.tar.gz
echo "$sha256  $archive" | sha256sum --check --quiet
tar -xzf "$archive" -C "$work" "jsonschema-$version/json/tests" "jsonschema-$version/json/LICENSE"

rm -rf "$suite"
mv "$work/jsonschema-$version/json" "$suite"
echo "$version" > "$suite/VERSION"
echo "the JSON-Schema-Test-Suite is in $suite"
