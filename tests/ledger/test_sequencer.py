# SPDX-License-Identifier: Apache-2.0
"""The sequencer: gapless indices in the order of appending, a signature a second at most, nothing without the lease."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.adapters.keys.ed25519 import verify_ed25519
from colonnade.core.errors import Lost, Tampered
from colonnade.core.merkle import Frontier, HashTree, leaf_hash
from colonnade.core.note import Checkpoint, open_note
from colonnade.govern.ledger import sequencer as module
from colonnade.govern.ledger.sequencer import LEASE, Sequencer, Snapshot, plan
from colonnade.ports.rowlease import RowLease
from colonnade.testing.clock import VirtualClock
from tests.ledger.small_log import Log, open_log

LEAVES = [leaf_hash(bytes([number])) for number in range(40)]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = open_log(tmp_path, VirtualClock())
    yield opened
    opened.state.close()


def snapshot(size: int, waiting: int, signed: int, signed_ms: int = 0) -> Snapshot:
    tree = Frontier()
    for leaf in LEAVES[:size]:
        tree.append(leaf)
    return Snapshot(size, tree.to_bytes(), list(enumerate(LEAVES[size : size + waiting], 1000)), signed, signed_ms)


@given(st.integers(0, 20), st.integers(0, 20))
def test_a_plan_numbers_what_waits_and_continues_the_tree(size: int, waiting: int) -> None:
    found = plan(snapshot(size, waiting, size), 5000)
    if not waiting:
        assert found is None
        return
    assert found is not None
    assert found.indices == tuple((1000 + number, size + number) for number in range(waiting))
    assert found.frontier.root() == HashTree(LEAVES[: size + waiting]).root()
    assert found.sign


@pytest.mark.parametrize(
    ("waiting", "signed", "now_ms", "last", "signs"),
    [
        (0, 5, 9000, False, None),  # nothing new
        (0, 5, 9000, True, None),
        (3, 5, 999, False, False),  # too soon after the last one
        (3, 5, 1000, False, True),
        (3, 5, 999, True, True),  # the house is closing
        (0, 4, 999, False, None),  # indexed but unsigned: waits
        (0, 4, 1000, False, True),
    ],
)
def test_a_checkpoint_is_signed_once_a_second_and_only_when_something_is_new(
    waiting: int, signed: int, now_ms: int, last: bool, signs: bool | None
) -> None:
    found = plan(snapshot(5, waiting, signed), now_ms, last=last)
    assert (found.sign if found else None) == signs


def test_entries_get_their_index_in_the_order_of_appending(log: Log) -> None:
    ids = [log.append(f"run_{number}") for number in range(7)]
    assert log.sequencer.step() == 7
    rows = log.state.rows("entries_after", seq=0, limit=100)
    assert [(row["id"], row["idx"]) for row in rows] == [(entry, number) for number, entry in enumerate(ids)]


def test_a_checkpoint_is_a_signed_note_over_the_tree(log: Log) -> None:
    log.fill(5)
    log.sequencer.step()
    (row,) = log.state.rows("checkpoints_all")
    hashes = [entry["hash"] for entry in log.state.rows("entries_after", seq=0, limit=100)]
    text = open_note(row["note"], [log.keys.note_key], verify_ed25519)
    assert Checkpoint.parse(text) == Checkpoint("colonnade/log1", 5, HashTree(hashes).root())


def test_within_one_second_there_is_one_checkpoint(log: Log) -> None:
    for _ in range(10):
        log.fill(2)
        log.sequencer.step()
        log.clock.advance(100)
    assert [row["size"] for row in log.state.rows("checkpoints_all")] == [2]
    log.clock.advance(100)
    log.sequencer.step()
    assert [row["size"] for row in log.state.rows("checkpoints_all")] == [2, 20]


def test_a_restart_continues_the_tree_over_entries_indexed_but_not_signed(log: Log) -> None:
    log.fill(3)
    log.sequencer.step()
    log.fill(4)
    log.sequencer.step()
    again = Sequencer(log.state, log.keys, log.origin)
    log.fill(2)
    found = again.drain()
    hashes = [entry["hash"] for entry in log.state.rows("entries_after", seq=0, limit=100)]
    assert found == Checkpoint("colonnade/log1", 9, HashTree(hashes).root())


def test_draining_an_empty_log_signs_nothing(log: Log) -> None:
    assert log.sequencer.drain() is None
    assert log.state.rows("checkpoints_all") == []


def test_more_than_a_batch_is_taken_in_several_transactions(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 4)
    log.fill(10)
    assert [log.sequencer.step() for _ in range(4)] == [4, 4, 2, 0]
    found = Sequencer(log.state, log.keys, log.origin).drain()
    assert found is not None
    assert found.size == 10


def test_who_lost_the_lease_writes_nothing_and_goes_on_when_it_is_back(log: Log) -> None:
    mine, other = (RowLease(log.state, LEASE, holder) for holder in ("mine", "other"))
    assert mine.take()
    first, second = (Sequencer(log.state, log.keys, log.origin, lease.check) for lease in (mine, other))
    log.fill(3)
    first.step()
    log.fill(3)
    log.clock.advance(60_000)
    assert other.take()
    with pytest.raises(Lost):
        first.step()
    assert log.state.rows("entries_count")[0]["sequenced"] == 3
    second.step()
    other.release()
    assert mine.take()
    log.fill(1)
    log.clock.advance(1000)
    found = first.drain()
    assert found is not None
    assert found.size == 7


def test_two_sequencers_at_once_never_give_one_index_twice(log: Log) -> None:
    other = Sequencer(log.state, log.keys, log.origin)
    log.fill(3)
    mine = log.sequencer.load()
    other.step()
    found = plan(mine, 5000)
    assert found is not None
    with pytest.raises(Lost):
        log.sequencer.apply(found)
    assert [row["idx"] for row in log.state.rows("entries_after", seq=0, limit=9)] == [0, 1, 2]
    log.fill(1)
    log.clock.advance(1000)
    last = log.sequencer.drain()
    assert last is not None
    assert last.size == 4


def test_a_gap_in_the_log_stops_the_sequencer(log: Log) -> None:
    import sqlite3

    log.fill(4)
    log.sequencer.step()
    log.fill(3)
    log.sequencer.step()
    with sqlite3.connect(log.path) as raw:
        raw.execute("DELETE FROM entries WHERE idx = 5")
    raw.close()
    with pytest.raises(Tampered):
        Sequencer(log.state, log.keys, log.origin).step()
