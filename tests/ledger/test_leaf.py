# SPDX-License-Identifier: Apache-2.0
"""A leaf's bytes are RFC 8785's, spelled fast; what is not exactly a leaf is refused."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.core.canonical import MAX_INTEGER, canonical_json
from colonnade.core.leaf import Leaf, parse_leaf

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INTEGERS = st.integers(-MAX_INTEGER, MAX_INTEGER)
LEAVES = st.builds(
    Leaf,
    kind=ANY,
    id=ANY,
    at_ms=INTEGERS,
    project=ANY,
    actor=ANY,
    subject=ANY,
    refs=st.lists(st.tuples(ANY, ANY), max_size=3).map(tuple),
    mac=st.dictionaries(ANY, st.tuples(ANY, st.binary(min_size=32, max_size=32)), max_size=3),
    n=st.dictionaries(ANY, INTEGERS, max_size=3),
    status=st.dictionaries(ANY, ANY, max_size=3),
)


def envelope(leaf: Leaf) -> dict[str, Any]:
    """The leaf as LEDGER.md draws it: the slow way to its bytes."""
    entry = {
        "v": 1,
        "kind": leaf.kind,
        "id": leaf.id,
        "at_ms": leaf.at_ms,
        "project": leaf.project,
        "actor": leaf.actor,
        "subject": leaf.subject,
        "refs": [list(ref) for ref in leaf.refs],
        "mac": {name: [who, base64.b64encode(mac).decode()] for name, (who, mac) in leaf.mac.items()},
        "n": dict(leaf.n),
        "is": dict(leaf.status),
    }
    return {key: value for key, value in entry.items() if value not in ([], {})}


@given(LEAVES)
def test_the_fast_spelling_equals_the_canonical_form(leaf: Leaf) -> None:
    assert leaf.to_bytes() == canonical_json(envelope(leaf))


@given(LEAVES)
def test_what_is_written_is_read_back(leaf: Leaf) -> None:
    assert parse_leaf(leaf.to_bytes()) == leaf


@given(LEAVES, st.integers(0), st.integers(0, 7))
def test_no_flipped_bit_reads_as_the_same_leaf(leaf: Leaf, at: int, bit: int) -> None:
    data = bytearray(leaf.to_bytes())
    data[at % len(data)] ^= 1 << bit
    try:
        other = parse_leaf(bytes(data))
    except ValueError:
        return
    assert other != leaf
    assert other.to_bytes() == bytes(data)


PLAIN: dict[str, Any] = {"v": 1, "kind": "k", "id": "i", "at_ms": 1, "project": "p", "actor": "a", "subject": "s"}


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"v": 2},
        {"v": True},
        {"v": "1"},
        {"at_ms": True},
        {"at_ms": "1"},
        {"at_ms": 2**53},
        {"kind": None},
        {"id": 5},
        {"refs": []},
        {"mac": {}},
        {"n": {}},
        {"is": {}},
        {"n": []},
        {"n": [1]},
        {"n": {"ms": "1"}},
        {"n": {"ms": False}},
        {"is": {"status": 1}},
        {"is": "x"},
        {"refs": [["by"]]},
        {"refs": [["by", "x", "y"]]},
        {"refs": [["by", 1]]},
        {"refs": {"by": "x"}},
        {"mac": {"path": ["x", "AAAA"]}},
        {"mac": {"path": ["x", "not base64"]}},
        {"mac": {"path": ["x"]}},
        {"mac": {"path": [1, base64.b64encode(bytes(32)).decode()]}},
        {"mac": {"path": ["x", base64.b64encode(bytes(32)).decode()[:-2] + "B="]}},
    ],
    ids=lambda change: json.dumps(change)[:40],
)
def test_an_envelope_that_is_not_closed_or_not_typed_is_refused(change: dict[str, Any]) -> None:
    parse_leaf(canonical_json(PLAIN))
    with pytest.raises(ValueError):
        parse_leaf(canonical_json({**PLAIN, **change}) if change.get("at_ms") != 2**53 else _raw({**PLAIN, **change}))


def _raw(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":")).encode()


@pytest.mark.parametrize("missing", sorted(PLAIN))
def test_a_missing_key_is_refused(missing: str) -> None:
    with pytest.raises(ValueError, match="envelope"):
        parse_leaf(_raw({key: value for key, value in PLAIN.items() if key != missing}))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe{\x00}\x00",
        b"[" * 100_000,
        _raw(PLAIN) + b"\n",
        b" " + _raw(PLAIN),
        b"\xef\xbb\xbf" + _raw(PLAIN),
        _raw(PLAIN).replace(b'"v":1', b'"v":1.0'),
        _raw(PLAIN).replace(b'"v":1', b'"v":1,"v":1'),
        _raw(PLAIN).replace(b'"id":"i"', b'"id":"\\u0069"'),
        _raw(PLAIN).replace(b'"id":"i"', b'"id":"\\ud800"'),
        _raw(PLAIN).replace(b'"at_ms":1', b'"at_ms":1.5'),
        _raw(PLAIN).replace(b'"at_ms":1', b'"at_ms":NaN'),
        json.dumps(PLAIN, separators=(",", ":")).encode(),
    ],
    ids=range(15),
)
def test_other_spellings_of_a_leaf_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_leaf(data)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("\u007f\u2028\u2029/", '"\u007f\u2028\u2029/"'),
        ('\b\f\n\r\t"\\', '"\\b\\f\\n\\r\\t\\"\\\\"'),
        ("\u0000\u000b\u001f", '"\\u0000\\u000b\\u001f"'),
        ("€\U0001f600é", '"€\U0001f600é"'),
        ({"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}, None),
    ],
)
def test_strings_and_keys_are_written_as_rfc_8785_says(value: Any, expected: str | None) -> None:
    if expected is None:  # RFC 8785 section 3.2.3: the order of its example, by UTF-16 code units
        assert [item[0] for item in json.loads(canonical_json(value), object_pairs_hook=list)] == [
            "\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33",
        ]  # fmt: skip
    else:
        assert canonical_json(value) == expected.encode()


@pytest.mark.parametrize(
    "value", [1.0, float("nan"), 2**53, -(2**53), "\ud800", {"\udfff": 1}, {1: 2}, b"x", {1, 2}], ids=repr
)
def test_what_has_no_canonical_form_here_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):
        canonical_json(value)
    with pytest.raises(ValueError):
        canonical_json([{"deep": value}])


@given(
    st.recursive(
        st.none() | st.booleans() | INTEGERS | ANY, lambda inner: st.lists(inner) | st.dictionaries(ANY, inner)
    )
)
def test_the_canonical_form_reads_as_the_same_value_whatever_the_order(value: Any) -> None:
    data = canonical_json(value)
    assert json.loads(data) == value
    assert canonical_json(json.loads(data)) == data
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(value.items()))) == data
