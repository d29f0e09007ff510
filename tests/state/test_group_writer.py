# SPDX-License-Identifier: Apache-2.0
"""The one writer: groups hold together, one bad write harms no other, nobody's absence stops it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from colonnade.adapters.state.sqlite.engine import MEMORY, SqliteState
from colonnade.app.writer import GroupWriter
from colonnade.knowledge.recording import Recording
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import Transaction
from colonnade.testing.clock import VirtualClock
from colonnade.testing.keys import MemoryKeys


@pytest.fixture
def state() -> Iterator[SqliteState]:
    """In memory."""
    made = SqliteState(MEMORY, VirtualClock())
    yield made
    made.close()


def fail(tx: Transaction) -> None:
    tx.run("meta_put", key="never", value="1")
    raise ValueError("a bad write")


def test_one_bad_write_in_a_group_is_told_to_its_sender_only(state: SqliteState) -> None:
    writer = GroupWriter(state)
    with state.transaction():  # holds the writer, so that a group gathers
        futures = [
            writer.submit(lambda tx, n=n: tx.run("meta_put", key=f"k{n}", value="1"))  # type: ignore[misc]
            for n in range(20)
        ]
        bad = writer.submit(fail)
    assert [future.result(10) for future in futures] == [None] * 20
    assert isinstance(bad.exception(10), ValueError)
    writer.close()
    assert len([n for n in range(20) if state.rows("meta_get", key=f"k{n}")]) == 20
    assert state.rows("meta_get", key="never") == []


def test_a_sender_that_is_gone_does_not_stop_the_writer(state: SqliteState) -> None:
    writer = GroupWriter(state)
    with state.transaction():
        gone = writer.submit(lambda tx: None)
        gone.cancel()
    assert writer.submit(lambda tx: None).result(10) is None
    writer.close()


def test_what_was_noted_in_a_group_that_was_rolled_back_is_written_again(state: SqliteState) -> None:
    keys = MemoryKeys()
    with state.transaction() as tx:
        for subject in ("prj_1", "prn_1", "svc_1"):
            keys.create(tx, subject, "prj_1")
    recording = Recording(state, keys, Journal(state, keys, "prj_1"), "prn_1")
    writer = GroupWriter(state, recording.forget)
    epochs: list[str] = []
    with state.transaction():
        first = writer.submit(lambda tx: epochs.append(recording.epoch(tx, {"service": "svc_1"}, "svc_1", None)))
        writer.submit(fail)
    first.result(10)
    writer.close()
    assert state.rows("epoch_get", id=epochs[-1])
