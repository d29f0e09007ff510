# SPDX-License-Identifier: Apache-2.0
"""A pipeline of functions: what is called, what is found again, what fails, and what a killed daemon leaves."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colonnade.core.errors import UsageError
from colonnade.core.leaf import parse_leaf
from colonnade.core.vocabulary import misfits
from colonnade.govern.lineage.walk import why
from tests.flow.flow_room import FLOW, FlowRoom, Killed

CHAIN = """\
from pathlib import Path
from colonnade import each, pipeline, step

@step
def load(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()]

@step
def double(value: int) -> int:
    return 2 * value

@step(retries=1)
def add(values: list[int], more: int = 0) -> dict:
    Path("sum.txt").write_text(str(sum(values)))
    return {"sum": sum(values) + more, "file": Path("sum.txt"), "both": (1, 2), "by": {1: "one"}}

@pipeline
def main(more: int = 0):
    return add(double(each(load(Path("data/rows.txt")))), more)["sum"]
"""
TAKES = """\
from pathlib import Path
from colonnade import pipeline, step
@step
def a(p): pass
@pipeline
def """


@pytest.fixture
def room(tmp_path: Path) -> FlowRoom:
    """The chain above, over three numbers."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.txt").write_text("1 2 3")
    return FlowRoom(tmp_path, CHAIN)


def test_each_step_runs_in_a_child_and_the_result_is_put_together(room: FlowRoom) -> None:
    assert room.run() == 12
    assert room.ran() == ["plan", "load", "double", "double", "double", "add"]
    assert set(room.steps().values()) == {"done"}


def test_what_was_done_is_found_again_and_only_what_a_change_reaches_is_done(room: FlowRoom) -> None:
    room.run()
    room.ran()
    assert room.run() == 12
    assert room.ran() == []
    assert room.run(more=1) == 13
    assert room.ran() == ["plan", "add"]
    (room.folder / "data" / "rows.txt").write_text("1 2 4")
    assert room.run() == 14
    assert room.ran() == ["load", "double", "add"]
    room.write(CHAIN + "# a comment\n")
    assert room.run() == 14
    assert room.ran() == ["plan", "load", "double", "double", "double", "add"]
    room.python = "python-2"
    room.restart()
    room.run()
    assert len(room.ran()) == 6


def test_a_step_that_fails_is_tried_again_and_then_says_why(room: FlowRoom) -> None:
    room.hands.fail = {"add"}
    room.loop.ask({})
    room.settle()
    assert room.reason() == "add: failed (exit 1): ValueError: asked to fail"
    assert room.ran().count("add") == 2
    room.hands.fail = set()
    assert room.run() == 12
    assert room.ran() == ["add"]


def test_a_step_that_takes_too_long_is_ended(room: FlowRoom) -> None:
    room.write("from colonnade import *\nfrom colonnade import step, pipeline\n@step(timeout_s=5)\ndef slow(): pass\n"
               "@pipeline\ndef main(): return slow()\n")  # fmt: skip
    room.loop.ask({})
    room.loop.step()
    room.hands.run_all()
    for _ in range(12):
        room.clock.advance(1000)
        room.loop.step()
    assert room.reason() == "slow: took longer than 5 s"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def main(): pass", "no pipeline 'main'"),
        ("from colonnade import pipeline\n@pipeline\ndef main(day): pass", "missing a required argument: 'day'"),
        ("this is no Python", "no Python"),
        ("from colonnade import pipeline, step\n@step\ndef a(): pass\n@pipeline\ndef main():\n    if a(): return 1",
         "not known while the pipeline is planned"),
        ("from colonnade import pipeline, step\n@step\ndef a(): return object()\n@pipeline\ndef main(): return a()",
         "a builtins.object cannot pass between steps"),
        (TAKES + "main(): return a(Path('../outside'))", "outside of the project"),
        (TAKES + "main(): return a(Path('nothing.csv'))", "nothing.csv is no file"),
    ],
    ids=["no pipeline", "no argument", "no Python", "a promise as a value", "no value", "outside", "no file"],
)  # fmt: skip
def test_what_cannot_run_says_why(room: FlowRoom, text: str, says: str) -> None:
    room.write(text)
    if says == "no Python":
        with pytest.raises(UsageError, match=says):
            room.loop.ask({})
        return
    room.loop.ask({})
    room.settle(10)
    assert says in room.reason()


def test_values_of_every_kind_pass_between_steps_as_they_were(room: FlowRoom) -> None:
    room.write('''
from pathlib import Path
import numpy
from colonnade import pipeline, step
@step
def make():
    Path("a").mkdir(); (Path("a") / "x.txt").write_text("x"); Path("one.bin").write_bytes(b"one")
    return {"t": (1, None), "d": {1: "one", "$odd": True}, "f": 0.1, "b": b"bytes",
            "a": numpy.arange(6.0).reshape(2, 3),
            "file": Path("one.bin"), "folder": Path("a"), "large": list(range(20000)), "i": numpy.int64(3)}
@step
def check(v, constant):
    assert v["t"] == (1, None) and v["d"] == {1: "one", "$odd": True} and v["f"] == 0.1 and v["b"] == b"bytes"
    assert v["a"].tolist() == [[0, 1, 2], [3, 4, 5]] and v["a"].dtype == float and v["i"] == 3
    assert v["file"].name == "one.bin" and v["file"].read_bytes() == b"one"
    assert (v["folder"] / "x.txt").read_text() == "x" and v["folder"].name == "a" and len(v["large"]) == 20000
    assert constant.tolist() == [1, 2]
    return "well"
@pipeline
def main():
    return check(make(), numpy.array([1, 2]))
''')  # fmt: skip
    assert room.run() == "well", room.reason()


def test_nothing_is_unpickled(room: FlowRoom) -> None:
    room.write("import numpy\nfrom colonnade import pipeline, step\n@step\ndef a(): return numpy.array([object()])\n"
               "@pipeline\ndef main(): return a()\n")  # fmt: skip
    room.loop.ask({})
    room.settle()
    assert "an array of Python objects cannot pass" in room.reason()


def test_a_pipeline_within_a_pipeline_is_a_small_step_of_ours(room: FlowRoom) -> None:
    room.write(CHAIN + "@pipeline\ndef outer():\n    return double(main(5))\n")
    room.flow = room.loop.flow = type(room.flow)(**{**vars(room.flow), "function": "outer"})
    assert room.run() == 34
    assert room.steps()["main"] == "done"


def test_why_leads_from_the_run_over_every_step_to_data_and_code(room: FlowRoom) -> None:
    room.run()
    newest = room.loop.pipelines.of_model(FLOW, 1)[0]["run"]
    kinds = {node.kind for node in why(room.state, f"run/{newest}").nodes}
    assert {"run", "dataset", "step", "pipeline"} <= kinds
    leaves = [parse_leaf(row["bytes"]) for row in room.state.rows("entries_after", seq=0, limit=1000)]
    assert len(leaves) > 8
    assert not [(fault, leaf.kind) for leaf in leaves for fault in misfits(leaf)]


def test_killed_anywhere_it_goes_on_and_nothing_that_finished_runs_twice(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.txt").write_text("1 2 3")
    plain = FlowRoom(tmp_path, CHAIN)
    expected, calls = plain.run(), sorted(plain.ran())
    digest = plain.loop.pipelines.of_model(FLOW, 1)[0]["version"]
    for after in range(1, 40):
        folder = tmp_path / f"killed-{after}"
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "rows.txt").write_text("1 2 3")
        room = FlowRoom(folder, CHAIN)
        if not _killed(room, after):
            break
        assert sorted(room.hands.ran) == calls, f"killed at transaction {after}"
        row = room.loop.pipelines.of_model(FLOW, 1)[0]
        assert (row["outcome"], row["version"]) == ("done", digest)
    assert expected == 12
    assert after > 10


def _killed(room: FlowRoom, after: int) -> bool:
    """Run it, killed just before its transaction of that number is written; whether there were so many."""
    room.loop.ask({})
    count = itertools.count(1)
    whole: Any = room.state.transaction

    class Dying:
        def __init__(self) -> None:
            self._inner = whole()
            self._dies = next(count) == after

        def __enter__(self) -> Any:
            return self._inner.__enter__()

        def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
            if self._dies and kind is None:
                self._inner.__exit__(Killed, Killed(), None)
                raise Killed
            return self._inner.__exit__(kind, error, trace)

    killed = False
    room.state.transaction = Dying  # type: ignore[assignment]
    for _ in range(60):
        try:
            room.clock.advance(1000)
            if not room.loop.step():
                break
            room.hands.run_all()
        except Killed:
            killed = True
            room.state.transaction = whole  # type: ignore[method-assign]
            room.restart()
    room.state.transaction = whole  # type: ignore[method-assign]
    return killed


def test_what_is_asked_for_while_another_run_ends_is_not_forgotten(room: FlowRoom) -> None:
    room.run()
    first = room.loop.ask({})
    end: Any = room.loop._end
    asked: list[str] = []

    def meanwhile(*args: Any) -> None:
        if not asked:
            asked.append(room.loop.ask({"more": 5}))
        end(*args)

    setattr(room.loop, "_end", meanwhile)  # noqa: B010
    room.settle()
    outcomes = {row["run"]: row["outcome"] for row in room.loop.pipelines.of_model(FLOW)}
    assert (outcomes[first], outcomes[asked[0]]) == ("done", "done")


def test_a_schedule_runs_it_when_its_time_has_come(room: FlowRoom) -> None:
    room.loop.flow = replace(room.flow, every_ms=60_000)
    room.settle()
    room.clock.advance(30_000)
    room.settle()
    assert [row["cause"] for row in room.loop.pipelines.of_model(FLOW)] == ["first"]
    room.clock.advance(40_000)
    room.settle()
    assert [row["cause"] for row in room.loop.pipelines.of_model(FLOW)] == ["schedule", "first"]
