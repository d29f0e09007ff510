# SPDX-License-Identifier: Apache-2.0
"""Every format that a replica serves keeps the same promises: what the library itself says, alone or in a batch, by
rows or by tensors; and no request ends the process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from colonnade.core.predicting import ANSWERED, ROWS, TENSORS, WRONG, Item
from tests.serving.format_cases import CASES, NAMES, Case, Process

pytestmark = pytest.mark.slow
DEEP = "[" * 20_000
HOSTILE: tuple[bytes, ...] = (
    b"", b"null", b"[", b"[1]", b"[[]]", b"[{}]", b'[{"age": NaN}]', b'[{"age": 1e999, "income": 1, "debt": 1}]',
    b'[{"age": 1' + b"0" * 400 + b', "income": 1, "debt": 1}]', b"[[[1,2,3]]]", b'[["a","b","c"]]', b"[[1,2,3,4]]",
    b'[{"age": {"a": []}, "income": [], "debt": true}]', b"\xff\xfe", DEEP.encode(),
    b'[{"x": "' + b"y" * 100_000 + b'"}]',
    b'[{"age": "\\ud800", "income": 1, "debt": 1}]',
)  # fmt: skip
HOSTILE_TENSORS: tuple[Any, ...] = (
    {}, {"inputs": []}, {"inputs": [{"name": "age", "shape": [-1], "datatype": "FP64", "data": [1]}]},
    {"inputs": [{"name": "age", "shape": [1 << 40, 1 << 40], "datatype": "FP64", "data": [1]}]},
    {"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": [10**400]}]},
    {"inputs": [{"name": "input", "shape": [1, 3], "datatype": "BYTES", "data": ["a", "b", "c"]}]},
    {"inputs": [{"name": "input", "shape": [2, 3, 1], "datatype": "FP64", "data": [0] * 6}]},
    {"inputs": [{"name": "input", "shape": [], "datatype": "FP64", "data": 1}]},
    {"inputs": [{"name": n, "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]} for n in NAMES]},
    {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": -9}}]},
    {"inputs": [{"name": "x", "shape": [1, 0], "datatype": "FP32", "data": []}]},
)  # fmt: skip


class Up(NamedTuple):
    case: Case
    replica: Process
    about: dict[str, Any]


@pytest.fixture(scope="module", params=list(CASES))
def up(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A replica of one format."""
    if request.param == "torch_exported":
        pytest.importorskip("torch", reason="torch is not among this project's packages")
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "model").mkdir()
    case = CASES[request.param](folder / "model")
    replica = Process(folder, case.script)
    try:
        yield Up(case, replica, dict(replica.ready()))
    finally:
        code = replica.end()
    assert code == 0, "SIGTERM ends it well, whatever it was asked"


def same(found: Any, expected: Any) -> bool:
    """Equal labels and keys; numbers as near as float32 has them."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, float):
        return bool(np.isclose(found, expected, rtol=1e-6, atol=1e-7))
    return bool(found == expected)


def tensors(up: Up) -> list[dict[str, Any]]:
    """The case's rows as the metadata asks for them."""
    given = []
    for one in up.about["inputs"]:
        if len(one["shape"]) == 2:
            data: list[Any] = [value for row in up.case.rows for value in row]
            given.append({**one, "shape": [len(up.case.rows), len(up.case.rows[0])], "data": data})
        else:
            place = list(up.case.names or ()).index(one["name"])
            data = [row[place] for row in up.case.rows]
            given.append({**one, "shape": [len(data)], "data": data})
    return given


def test_rows_are_answered_as_the_library_itself_does(up: Up) -> None:
    kind, found = up.replica.rows(up.case.asked())
    assert kind == ANSWERED, found
    assert all(same(one, expected) for one, expected in zip(found, up.case.expected(), strict=True)), found


def test_a_row_alone_is_answered_as_in_a_batch_of_requests(up: Up) -> None:
    items = [Item(ROWS, 0, json.dumps([row]).encode()) for row in up.case.asked()]
    together = [json.loads(item.data)[0] for item in up.replica.ask(*items)]
    alone = [json.loads(up.replica.ask(item)[0].data)[0] for item in items]
    assert all(map(same, together, alone)), "but for the last bit of a float"
    assert all(same(one, expected) for one, expected in zip(alone, up.case.expected(), strict=True))
    assert up.replica.rows([]) == (ANSWERED, [])


def test_tensors_are_answered_as_rows_are_and_metadata_says_how(up: Up) -> None:
    kind, found = up.replica.infer(tensors(up))
    assert kind == ANSWERED, found
    outputs = {one["name"]: one for one in up.about["outputs"]}
    assert found.keys() == outputs.keys()
    for name, one in found.items():
        assert one["datatype"] == outputs[name]["datatype"]
        assert [size if size > 0 else own for size, own in zip(outputs[name]["shape"], one["shape"], strict=False)]
        assert one["shape"][0] == len(up.case.rows)
    expected = up.case.expected()
    if up.case.labels is None:
        assert all(map(same, found[up.case.output]["data"], expected))
        return
    labels = [one["label"] if found["label"]["datatype"] == "INT64" else str(one["label"]) for one in expected]
    assert found["label"]["data"] == labels
    if up.case.shares is not None:
        assert outputs["probabilities"]["parameters"]["classes"] == list(up.case.classes)
        assert found["probabilities"]["shape"] == [len(expected), len(up.case.classes)]
        assert all(map(same, found["probabilities"]["data"], np.ravel(up.case.shares).tolist()))


def test_rows_may_be_lists_in_the_models_order_unless_a_script_reads_them(up: Up) -> None:
    kind, found = up.replica.rows(up.case.rows)
    if up.case.script:
        assert (kind, "objects" in found) == (WRONG, True)
    else:
        assert found == up.replica.rows(up.case.asked())[1]
        assert up.replica.rows([[*up.case.rows[0], 1.0]])[0] == WRONG


def test_more_columns_are_left_aside_and_missing_ones_are_named(up: Up) -> None:
    if up.case.names is None:
        assert up.replica.rows([{"a": 1, "b": 2, "c": 3}])[0] == WRONG
        return
    row = up.case.asked()[0]
    assert same(up.replica.rows([{"id": "k-7", **row}])[1][0], up.case.expected()[0])
    if not up.case.script:
        name = up.case.names[-1]
        kind, said = up.replica.rows([{**{k: v for k, v in row.items() if k != name}, f"{name}_": 1}])
        assert kind == WRONG
        assert repr(name) in said


def test_an_empty_value_is_nan_where_the_model_takes_it_and_a_400_that_names_it_where_not(up: Up) -> None:
    if up.case.script or up.case.names == ["text"]:
        pytest.skip("a script and a text have their own ideas of nothing")
    rows = [{**row, up.case.names[0]: None} if up.case.names else [None, *row[1:]] for row in up.case.asked()]
    kind, found = up.replica.rows(rows)
    assert kind == (ANSWERED if up.case.takes_nan else WRONG), found
    if not up.case.takes_nan:
        assert "NaN" in found


def test_no_request_ends_it_and_each_is_answered_for_itself(up: Up) -> None:
    good = Item(ROWS, 0, json.dumps(up.case.asked()).encode())
    bad = [Item(ROWS, 0, body) for body in HOSTILE]
    bad += [Item(TENSORS, 0, json.dumps(body).encode()) for body in HOSTILE_TENSORS]
    bad += [Item(TENSORS, mark, os.urandom(64)) for mark in (0, 7, 64)]
    expected = up.replica.ask(good)
    for one in bad:
        assert up.replica.ask(one)[0].kind in {0, 1, 2}
        assert up.replica.ask(good, one, good)[::2] == expected * 2
