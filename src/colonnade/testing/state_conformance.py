# SPDX-License-Identifier: Apache-2.0
"""What every state store must do: transactions whole or not at all, a clock that never goes back, leases that fence.

An engine's test is a subclass with two fixtures: `clock`, and `open_state`, which opens the same store again at each
call (a daemon that comes back; the one before is closed, or was killed).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from colonnade.core import entries
from colonnade.core.entries import Stamp
from colonnade.core.errors import Lost
from colonnade.ports.outside.state import State
from colonnade.ports.rowlease import RowLease
from colonnade.testing.clock import VirtualClock

OpenState = Callable[[], State]


def put(state: State, key: str, value: str) -> None:
    """Write one fact."""
    with state.transaction() as tx:
        tx.run("meta_put", key=key, value=value)


def get(state: State, key: str) -> str | None:
    """Read one fact."""
    rows = state.rows("meta_get", key=key)
    return str(rows[0]["value"]) if rows else None


class StateConformance:
    """Subclass it, and give the fixtures."""

    @pytest.fixture
    def state(self, open_state: OpenState) -> State:
        return open_state()

    def test_what_was_written_is_there_for_every_reader_and_after_opening_again(
        self, state: State, open_state: OpenState
    ) -> None:
        put(state, "a", "1")
        assert get(state, "a") == "1"
        seen: list[str | None] = []
        reader = threading.Thread(target=lambda: seen.append(get(state, "a")))
        reader.start()
        reader.join()
        assert seen == ["1"]
        state.close()
        assert get(open_state(), "a") == "1"

    def test_a_copy_is_the_state_at_one_moment_whatever_is_written_meanwhile(
        self, state: State, tmp_path: Path
    ) -> None:
        put(state, "a", "1")
        put(state, "b", "1")
        done: list[tuple[int, int]] = []

        def meanwhile(at: int, total: int) -> None:
            done.append((at, total))
            put(state, "b", "2")

        state.copy(tmp_path / "copy", meanwhile)
        whole = (tmp_path / "copy").read_bytes()
        assert done[-1][0] == done[-1][1] > 0
        assert len(whole) > 0
        assert (get(state, "a"), get(state, "b")) == ("1", "2")

    def test_folding_leaves_nothing_of_what_was_overwritten_and_may_be_done_again(self, state: State) -> None:
        put(state, "a", "before")
        put(state, "a", "after")
        assert state.fold()
        assert state.fold()
        assert get(state, "a") == "after"

    def test_a_transaction_that_raises_leaves_nothing_and_the_next_one_works(self, state: State) -> None:
        put(state, "a", "1")

        def half() -> None:
            stamp = Stamp("evt_1", 1, "prj_1", "prn_1")
            with state.transaction() as tx:
                tx.run("meta_put", key="a", value="2")
                tx.append(entries.run_started(stamp, run="run_1", step="ingest", on="knw_1"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            half()
        assert get(state, "a") == "1"
        assert state.rows("entries_count")[0]["count"] == 0
        put(state, "a", "3")
        assert get(state, "a") == "3"

    def test_a_transaction_sees_what_it_wrote_and_nobody_else_does_before_its_end(self, state: State) -> None:
        with state.transaction() as tx:
            tx.run("meta_put", key="a", value="1")
            assert tx.rows("meta_get", key="a")[0]["value"] == "1"
            seen: list[str | None] = []
            reader = threading.Thread(target=lambda: seen.append(get(state, "a")))
            reader.start()
            reader.join()
            assert seen == [None]

    def test_writers_take_turns(self, state: State) -> None:
        put(state, "count", "0")

        def add() -> None:
            for _ in range(25):
                with state.transaction() as tx:
                    before = int(tx.rows("meta_get", key="count")[0]["value"])
                    tx.run("meta_put", key="count", value=str(before + 1))

        writers = [threading.Thread(target=add) for _ in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert get(state, "count") == "100"

    def test_statements_of_many_rows_and_the_number_of_rows_changed(self, state: State) -> None:
        with state.transaction() as tx:
            tx.many("meta_put", [{"key": f"k{n}", "value": str(n)} for n in range(10)])
            assert tx.run("meta_put", key="k3", value="x") == 1
            assert tx.run("lease_release", name="nobody", holder="x", token=1) == 0
        assert [get(state, f"k{n}") for n in (2, 3)] == ["2", "x"]

    def test_an_entry_is_there_with_its_edges_only_if_its_transaction_holds(self, state: State) -> None:
        with state.transaction() as tx:
            tx.append(entries.run_started(Stamp("evt_1", 1, "prj_1", "prn_1"), run="run_1", step="ingest", on="knw_1"))
        assert state.rows("entries_count")[0]["count"] == 1
        assert {row["ref"] for row in state.rows("edges_of_subject", subject="run_1", seq=1 << 40)} >= {"knw_1"}

    # ---- the store's clock

    def test_the_clock_follows_time_that_passed_not_the_wall(self, state: State, clock: VirtualClock) -> None:
        first = state.now_ms()
        clock.advance(500)
        clock.jump(-3_600_000)
        assert state.now_ms() == first + 500
        clock.jump(7_200_000)
        assert state.now_ms() == first + 500

    @pytest.mark.parametrize("jump_ms", [-3_600_000, 3_600_000])
    def test_opened_again_the_clock_never_goes_back(
        self, state: State, clock: VirtualClock, open_state: OpenState, jump_ms: int
    ) -> None:
        clock.advance(10_000)
        put(state, "a", "1")
        before = state.now_ms()
        state.close()
        clock.jump(jump_ms)
        assert open_state().now_ms() > before

    def test_ids_sort_by_time_and_differ(self, state: State, clock: VirtualClock) -> None:
        made = []
        for _ in range(50):
            clock.advance(1)
            made.append(state.new_id("doc"))
        assert made == sorted(set(made))

    # ---- leases

    def test_a_lease_has_one_holder_until_it_expires_by_the_stores_clock(
        self, state: State, clock: VirtualClock
    ) -> None:
        one, other = RowLease(state, "loop", "one", 1000), RowLease(state, "loop", "other", 1000)
        assert one.take()
        clock.jump(3_600_000)
        assert not other.take()
        clock.jump(-7_200_000)
        clock.advance(999)
        assert not other.take()
        clock.advance(1)
        assert other.take()
        assert other.token == one.token + 1
        with pytest.raises(Lost), state.transaction() as tx:
            one.check(tx)
        assert one.token == 0
        assert not one.take()

    def test_a_lease_that_is_renewed_never_changes_hands(self, state: State, clock: VirtualClock) -> None:
        one, other = RowLease(state, "loop", "one", 1000), RowLease(state, "loop", "other", 1000)
        for _ in range(20):
            assert one.take()
            clock.advance(400)
            assert not other.take()
        assert one.token == 1

    def test_a_lease_given_back_is_free_at_once_and_fences_who_had_it(self, state: State) -> None:
        one, other = RowLease(state, "loop", "one"), RowLease(state, "loop", "other")
        assert one.take()
        one.release()
        assert other.take()
        with state.transaction() as tx:
            other.check(tx)
        with pytest.raises(Lost), state.transaction() as tx:
            one.check(tx)

    def test_broken_leases_go_to_whoever_comes_and_the_old_holder_is_fenced(self, state: State) -> None:
        dead, next_ = RowLease(state, "loop", "dead"), RowLease(state, "loop", "next")
        assert dead.take()
        with state.transaction() as tx:
            tx.run("leases_break")
        assert next_.take()
        assert next_.token == 2
        with pytest.raises(Lost), state.transaction() as tx:
            dead.check(tx)
