# SPDX-License-Identifier: Apache-2.0
"""However points come in, a series is the set of them, and the newest is the newest: on the real store, in memory."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from colonnade.adapters.state.sqlite.engine import MEMORY, SqliteState
from colonnade.core.errors import Lost
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.tracking.experiments import Experiments
from colonnade.lifecycle.tracking.logging import Logging
from colonnade.lifecycle.tracking.runs import Runs
from colonnade.lifecycle.tracking.things import Things
from colonnade.ports.journal import Journal
from colonnade.testing.blobs import MemoryBlobs
from colonnade.testing.clock import VirtualClock
from colonnade.testing.keys import MemoryKeys

NUMBERS = st.sampled_from([-2, -1, 0, 1, 2])
POINTS = st.lists(
    st.fixed_dictionaries({
        "key": st.sampled_from(["a", "b/c"]),
        "value": st.sampled_from([-1.0, 0.0, 0.5, float("inf")]),
        "timestamp": st.sampled_from([0, 1, 2]),
        "step": NUMBERS,
    }),
    max_size=12,
)  # fmt: skip


class Room:
    """Tracking of one project, and a run in it."""

    def __init__(self) -> None:
        clock = VirtualClock()
        self.state, keys = SqliteState(MEMORY, clock), MemoryKeys()
        with self.state.transaction() as tx:
            keys.create(tx, "prj_1", "prj_1")
        artifacts = Artifacts(self.state, MemoryBlobs(), keys, "prj_1")
        self.things = Things(self.state, keys, Journal(self.state, keys, "prj_1"), artifacts, clock.wall_ms)
        self.runs = Runs(self.things, Experiments(self.things))
        self.logging = Logging(self.things, self.runs)
        self.run: str = self.runs.create("prn_1")["run"]["info"]["run_id"]

    def history(self, key: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.logging.history(run_id=self.run, metric_key=key)["metrics"]
        return found


@settings(max_examples=60)
@given(st.lists(POINTS, max_size=4), st.booleans())
def test_a_series_is_the_set_of_its_points_and_its_newest_is_by_step_time_and_value(
    batches: list[list[dict[str, Any]]],
    again: bool,
) -> None:
    room = Room()
    for batch in batches * (2 if again else 1):
        room.logging.batch(run_id=room.run, metrics=batch)
    points = [point for batch in batches for point in batch]
    newest = {one["key"]: one for one in room.runs.get(run_id=room.run)["run"]["data"]["metrics"]}
    for key in ("a", "b/c"):
        wanted = {(p["timestamp"], p["step"], p["value"]) for p in points if p["key"] == key}
        found = [(p["timestamp"], p["step"], p["value"]) for p in room.history(key)]
        assert found == sorted(wanted)
        if wanted:
            step, at_ms, value = max((s, t, v) for t, s, v in wanted)
            assert (newest[key]["step"], newest[key]["timestamp"], newest[key]["value"]) == (step, at_ms, value)
        else:
            assert key not in newest
    room.state.close()


def test_a_document_that_was_rolled_back_is_never_taken_for_the_stored_one() -> None:
    room = Room()
    try:
        with room.state.transaction() as tx:
            run = room.things.find_in(tx, room.run, "run")
            assert run is not None
            room.things.put(tx, run, doc={**run.doc, "params": {"never": "kept"}})
            seen = room.things.find_in(tx, room.run, "run")
            assert seen is not None
            assert seen.doc["params"] == {"never": "kept"}
            raise Lost("the transaction ends here")
    except Lost:
        pass
    room.logging.param(run_id=room.run, key="a", value="1")
    assert room.runs.one(room.run).doc["params"] == {"a": "1"}
    room.state.close()
