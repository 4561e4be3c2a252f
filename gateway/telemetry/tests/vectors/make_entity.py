#!/usr/bin/env python3
"""Writes entity.json: names of typed keys and their UUIDv5, from the description in src/entity.rs alone.

Needs nothing but Python's standard library and shares nothing with the Rust code:

    python3 make_entity.py > entity.json
"""

import hashlib
import json
import unicodedata
import uuid
from decimal import Decimal, localcontext

ROOT = uuid.UUID("91e8f5f8-3e28-592a-ab23-5295dcf92dd7")
MISSING = None


def uuid5(namespace, name):
    """RFC 9562, section 5.5, over bytes."""
    return uuid.UUID(bytes=hashlib.sha1(namespace.bytes + name).digest()[:16], version=5)


def canonical_decimal(text):
    with localcontext() as context:
        context.prec = 10_000
        sign, digits, exponent = Decimal(text).as_tuple()
    digits = "".join(map(str, digits)).lstrip("0")
    if not digits:
        return "0"
    significant = digits.rstrip("0")
    exponent += len(digits) - len(significant)
    return f"{'-' if sign else ''}{significant}e{exponent}"


def framed(key):
    """The tag, the length and the bytes of one key: its JSON text, or MISSING."""
    if key is MISSING:
        tag, content = b"m", b""
    elif key == "null":
        tag, content = b"n", b""
    elif key in ("true", "false"):
        tag, content = b"b", bytes([key == "true"])
    elif key.startswith('"'):
        tag, content = b"s", unicodedata.normalize("NFC", json.loads(key)).encode("utf-8")
    else:
        tag, content = b"d", canonical_decimal(key).encode("ascii")
    return tag + len(content).to_bytes(4, "big") + content


def vector(why, tenant, keys):
    tenant_bytes = unicodedata.normalize("NFC", tenant).encode("utf-8")
    namespace = uuid5(ROOT, tenant_bytes)
    assert namespace == uuid.uuid5(ROOT, tenant_bytes.decode("utf-8"))
    name = b"".join(map(framed, keys))
    return {
        "why": why,
        "tenant": tenant,
        "keys": keys,
        "namespace": str(namespace),
        "name_hex": name.hex(),
        "entity_uuid": str(uuid5(namespace, name)),
    }


# Each group: why, tenant and keys; all vectors of a group have one UUID, and no two groups share one.
GROUPS = [
    [("an exchange", "demo", ['"exchange"', '"019234ab-0000-7000-8000-000000000001"'])],
    [("a decision", "demo", ['"decision"', '"019234ab-0000-7000-8000-000000000001"', '"request"',
                             '"spiffe://demo.bellgate.test/planner"', '"records/patients"', '"observe"', "1767225600000"])],
    [("an event of a stream", "demo", ['"stream"', '"019234ab-0000-7000-8000-000000000001"', "0"])],
    [("a call", "demo", ['"capability_call"', '"019234ab-0000-7000-8000-000000000001"',
                         '"urn:bellgate:actionspace:solver:deidentify:v1"', "1767225600000"])],
    [("an entity", "demo", ['"entity"', '"subject"', '"spiffe://demo.bellgate.test/planner"'])],
    [("the same entity of another tenant", "other", ['"entity"', '"subject"', '"spiffe://demo.bellgate.test/planner"'])],
    [("no keys", "demo", [])],
    [("an empty text", "demo", ['""'])],
    [("null", "demo", ["null"])],
    [("a missing key", "demo", [MISSING])],
    [("two missing keys", "demo", [MISSING, MISSING])],
    [("true", "demo", ["true"])],
    [("false", "demo", ["false"])],
    [("the text true", "demo", ['"true"'])],
    [("the text null", "demo", ['"null"'])],
    [("one, as an integer", "demo", ["1"]), ("one, as a decimal", "demo", ["1.0"]),
     ("one, with an exponent", "demo", ["1e0"]), ("one, shifted", "demo", ["0.001E+3"])],
    [("the text one", "demo", ['"1"'])],
    [("zero", "demo", ["0"]), ("minus zero", "demo", ["-0"]), ("minus zero, longer", "demo", ["-0.000e7"])],
    [("a fraction", "demo", ["-0.250"]), ("the same with an exponent", "demo", ["-25E-2"])],
    [("2^64 - 1", "demo", ["18446744073709551615"])],
    [("2^64", "demo", ["18446744073709551616"]), ("2^64 as a decimal", "demo", ["18446744073709551616.0"])],
    [("2^53 + 1, which a double can't hold", "demo", ["9007199254740993"])],
    [("2^53", "demo", ["9007199254740992"])],
    [("a tenth", "demo", ["0.1"]), ("a tenth, longer", "demo", ["1.00e-1"])],
    [("nearly a tenth", "demo", ["0.1000000000000000055511151231257827"])],
    [("beyond a double", "demo", ["1e400"]), ("beyond a double, shifted", "demo", ["10e399"])],
    [("NFC", "demo", ['"caf\u00e9"']), ("NFD", "demo", ['"cafe\u0301"']), ("escaped", "demo", ['"caf\\u00e9"'])],
    [("compatibility forms stay apart: a ligature", "demo", ['"\ufb01"'])],
    [("compatibility forms stay apart: two letters", "demo", ['"fi"'])],
    [("a Hangul syllable", "demo", ['"\ud55c"']), ("its letters", "demo", ['"\u1112\u1161\u11ab"'])],
    [("case counts", "demo", ['"Planner"'])],
    [("case counts, lower", "demo", ['"planner"'])],
    [("space counts", "demo", ['" planner "'])],
    [("a separator in the first key", "demo", ['"x|y"', '"z"'])],
    [("a separator in the second key", "demo", ['"x"', '"y|z"'])],
    [("one key for two", "demo", ['"x|y|z"'])],
    [("a frame inside a text", "demo", ['"s\\u0000\\u0000\\u0000\\u0001x"'])],
    [("the frame itself", "demo", ['"x"'])],
    [("order counts", "demo", ['"b"', '"a"'])],
    [("order counts, the other", "demo", ['"a"', '"b"'])],
    [("39 bytes of name: with the namespace, one block of SHA-1", "demo", ['"' + "a" * 34 + '"'])],
    [("40 bytes of name: two blocks", "demo", ['"' + "a" * 35 + '"'])],
    [("103 bytes of name: two blocks, full", "demo", ['"' + "a" * 98 + '"'])],
    [("104 bytes of name: three blocks", "demo", ['"' + "a" * 99 + '"'])],
    [("a tenant in NFC", "caf\u00e9", ['"x"']), ("a tenant in NFD", "cafe\u0301", ['"x"'])],
]


def main():
    groups = [[vector(*row) for row in group] for group in GROUPS]
    seen = [{v["entity_uuid"] for v in group} for group in groups]
    assert all(len(one) == 1 for one in seen), "a group with two UUIDs"
    assert len(set().union(*seen)) == len(groups), "two groups with one UUID"
    print(json.dumps(groups, indent=1, ensure_ascii=True))


if __name__ == "__main__":
    main()
