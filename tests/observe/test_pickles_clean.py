# SPDX-License-Identifier: Apache-2.0
"""No false alarm: genuine files are clean, and so is every pickle of plain data. What is not clean never gets by."""

from __future__ import annotations

import collections
import datetime
import decimal
import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.observe.security import CLEAN, MALICIOUS, judge, judge_bytes
from colonnade.observe.security.allowed import allowed, uses
from colonnade.observe.security.opcodes import OPCODES
from tests.observe.pickle_attacks import GADGETS, zipped

GENUINE = sorted((Path(__file__).parent / "genuine").iterdir())

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers()
    | st.datetimes() | st.timedeltas() | st.decimals(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner)
    | st.sets(st.integers()) | st.frozensets(st.text()) | st.builds(bytearray, st.binary()),
    max_leaves=20,
)  # fmt: skip


@pytest.mark.parametrize("path", GENUINE, ids=lambda path: path.name)
def test_a_genuine_model_is_clean(path: Path) -> None:
    verdict = judge(path)
    assert (verdict.verdict, verdict.reasons) == (CLEAN, ())


@given(PLAIN, st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_any_pickle_of_plain_data_is_clean(value: Any, protocol: int) -> None:
    verdict = judge_bytes(pickle.dumps(value, protocol), "data.pkl")
    assert (verdict.verdict, verdict.reasons) == (CLEAN, ())


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_and_containers_of_the_standard_library_are_clean(protocol: int) -> None:
    structured = np.zeros(3, dtype=[("a", "<f8"), ("b", "O"), ("c", "U3", (2,))])
    values = [
        np.arange(6.0).reshape(2, 3), np.asfortranarray(np.ones((2, 3), dtype=np.float32)), structured,
        np.array(["x", None], dtype=object), np.datetime64("2026-01-01"), np.float64(1), np.random.default_rng(1),
        np.random.RandomState(1), np.ma.masked_less(np.arange(3), 1), np.log1p, np.int64,
        collections.OrderedDict(a=1), collections.Counter("ab"), collections.deque([1]),
        collections.defaultdict(list, a=[1]), datetime.UTC, decimal.Decimal(1), slice(1, 2), range(3),
    ]  # fmt: skip
    verdict = judge_bytes(pickle.dumps(values, protocol), "data.pkl")
    assert (verdict.verdict, verdict.reasons) == (CLEAN, ())


def test_numpy_files_are_clean_whether_packed_or_of_objects(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(9))
    np.save(tmp_path / "o.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", x=np.ones((3, 3)), y=np.array(["a"]))
    np.savez_compressed(tmp_path / "c.npz", x=np.zeros((100, 100)))
    assert {path.name: judge(path).verdict for path in tmp_path.iterdir()} == dict.fromkeys(
        ("a.npy", "o.npy", "b.npz", "c.npz"), CLEAN
    )


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("notes.txt", b"credit\nlimit\nis a column\n"),
        ("vocab.txt", b"cat\ndog\nfish\n"),
        ("data.csv", b"cost\nprice\n1\n2\n"),
        ("README.md", "Python *is* nice. Ünïcode too.\n".encode()),
        ("config.json", b'{"model_type": "bert", "class_name": "Dense"}'),
        ("weights.bin", b"cmod\n\xf8\n"),
        ("model.txt", b"tree\nversion=v4\nnum_class=1\n"),
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(20)),
    ],
)
def test_what_is_no_pickle_is_no_alarm(name: str, data: bytes) -> None:
    assert judge_bytes(data, name).verdict == CLEAN


@pytest.mark.parametrize("ending", ["pt", "pkl", "npy", "npz", "keras", "h5", "safetensors", "onnx"])
def test_what_is_not_what_its_name_says_is_not_clean(ending: str) -> None:
    for data in (b"", b"\x89PNG\r\n\x1a\n", b"\x00\x01\x02\xff" * 9):
        assert judge_bytes(data, f"model.{ending}").verdict != CLEAN


@given(st.binary(max_size=400), st.integers(0, 5))
@settings(max_examples=400, deadline=None)
def test_bytes_that_begin_as_a_pickle_and_are_none_are_never_clean(data: bytes, protocol: int) -> None:
    data = b"\x80" + bytes([protocol]) + data
    for name in ("data.pkl", "data", "data.bin"):
        verdict = judge_bytes(data, name)
        if verdict.verdict == CLEAN:
            stream = io.BytesIO(data)
            assert list(pickletools.genops(stream))  # only walks; raises on what is no pickle


@given(st.binary(max_size=600), st.sampled_from(["", ".pkl", ".pt", ".npy", ".zip", ".tar", ".json", ".onnx", ".h5"]))
@settings(max_examples=400, deadline=None)
def test_no_bytes_make_the_scan_itself_fail(data: bytes, ending: str) -> None:
    for head in (
        b"",
        b"PK\3\4",
        b"\x93NUMPY\1\0",
        b"\x1f\x8b\x08",
        b"x\x9c",
        b"\x04\x22\x4d\x18",
        b"PK\5\6" + bytes(18),
    ):
        verdict = judge_bytes(head + data, "model" + ending)
        assert not [reason for reason in verdict.reasons if "the scan itself failed" in reason]


NOISE = st.lists(
    st.sampled_from(
        [b"N", b"(", b"0", b"2", b"1", b"]", b"}", b")", b"\x8f", b"K\x05", b"Va\n", b"\x8c\x02os", b"a", b"e", b"s",
         b"u", b"t", b"\x85", b"\x86", b"\x94", b"q\x00", b"h\x00", b"R", b"b", b"ccollections\nOrderedDict\n", b"\x93",
         b"o", b"\x81", b"I01\n", b"S'x'\n", b"\x95\x00\x00\x00\x00\x00\x00\x00\x00", b".", b"\x91", b"\x90", b"l",
         b"d"]
    ),
    max_size=12,
)  # fmt: skip


@given(NOISE, st.sampled_from(GADGETS), NOISE, st.sampled_from([b"", b"\x80\x02", b"\x80\x04"]))
@settings(max_examples=500, deadline=None)
def test_a_reached_global_outside_of_the_list_is_never_clean(
    before: list[bytes], gadget: str, after: list[bytes], mark: bytes
) -> None:
    module, _, name = gadget.rpartition(".")
    data = mark + b"".join(before) + f"c{module}\n{name}\n".encode() + b"".join(after)
    reached = judge_bytes(data, "model.pkl")
    assert reached.verdict != CLEAN
    if gadget in reached.globals:
        assert judge_bytes(data, "model").verdict == MALICIOUS


def test_every_opcode_of_python_is_walked() -> None:
    ours = set(OPCODES) | {ord(".")}
    assert ours == {ord(op.code) for op in pickletools.opcodes}


def test_no_name_on_the_list_is_one_that_a_bypass_used() -> None:
    for gadget in GADGETS:
        words = gadget.split(".")
        for cut in range(1, len(words)):
            assert not uses(".".join(words[:cut]), ".".join(words[cut:])), gadget


def test_the_list_has_no_pattern_and_no_dotted_name() -> None:
    for module, name in allowed():
        assert name.isidentifier(), (module, name)
        assert all(part.isidentifier() for part in module.split("."))


def test_members_of_an_archive_share_one_verdict() -> None:
    data = zipped(("a.txt", b"hello"), ("b/data.pkl", pickle.dumps({"a": 1})))
    verdict = judge_bytes(data, "model.zip")
    assert (verdict.verdict, verdict.format) == (CLEAN, "torch")
