# SPDX-License-Identifier: Apache-2.0
"""What two hands do to one lease at once, and what is left after a kill in the worst moment: a test for each way in
which a share was lost, kept for ever, or nearly given twice."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from colonnade.core.claims import Claim
from colonnade.core.errors import Lost, StorageFull
from colonnade.fabric.leases import Lease
from colonnade.fabric.queues.tree import HIGH, Queue
from tests.fabric.fabric_room import PROJECT, FabricRoom
from tests.fabric.storm import CutState, Fuse, Killed

ONE = "simulated://1xL4-24GB"


def outcome(room: FabricRoom, lease: str) -> tuple[str, str]:
    row = room.state.rows("lease_get_one", id=lease)[0]
    return row["outcome"], row["reason"]


def held(room: FabricRoom, *leases: str) -> None:
    room.loop.step()
    room.loop.step()
    assert room.states(leases) == ["held"] * len(leases)


def killed_in_start(room: FabricRoom) -> None:
    """The loop ends after the executor began a command, before its row says so."""
    start = room.executor.start

    def start_and_die(work: Any) -> None:
        start(work)
        raise Killed

    room.executor.start = start_and_die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        room.loop.step()
    room.executor.start = start  # type: ignore[method-assign]
    room.restart("two")


def test_a_lease_released_after_its_grant_by_who_saw_it_pending_gives_its_share_back() -> None:
    room = FabricRoom(ONE)
    first, second = room.ask(Claim())[0], room.ask(Claim())[0]
    seen = room.lease(first)
    held(room, first)
    room.loop.release(seen, "cancelled", "prn_1")
    room.pass_ms(3000)
    assert room.states([first, second]) == ["ended", "held"]
    assert room.used() == [1000]


def test_what_was_begun_before_a_kill_is_stopped_when_it_is_released_before_anyone_says_that_it_began() -> None:
    room = FabricRoom(ONE)
    lease = room.ask(Claim())[0]
    killed_in_start(room)
    assert not room.lease(lease).started
    room.loop.release(room.lease(lease), "cancelled", "prn_1")
    room.pass_ms(3000)
    assert outcome(room, lease) == ("cancelled", "cancelled")
    assert room.executor.seen() == {}
    kinds = [row["kind"] for row in room.state.rows("entries_of_subject", subject=lease)]
    assert kinds == ["lease.asked", "lease.releasing", "lease.granted", "lease.ended"]


def test_what_was_begun_before_a_kill_keeps_its_share_though_it_could_not_be_started_again() -> None:
    room = FabricRoom(ONE)
    lease = room.ask(Claim())[0]
    killed_in_start(room)
    room.executor.refuse()
    room.loop.step()
    assert (room.lease(lease).state, room.lease(lease).started) == ("held", True)
    assert len(room.executor.started) == 1


def test_a_lease_taken_back_before_it_was_started_never_starts() -> None:
    room = FabricRoom(ONE)
    lease = room.ask(Claim())[0]
    drive = room.loop._drive

    def taken_back(one: Lease, *more: Any) -> None:
        room.loop.release(one, "cancelled", "prn_1")
        drive(one, *more)

    room.loop._drive = taken_back  # type: ignore[method-assign, assignment]
    room.loop.step()
    room.pass_ms(3000)
    assert outcome(room, lease)[0] == "cancelled"
    assert room.executor.seen() == {}
    assert room.used() == [0]


def test_a_gang_of_which_one_is_withdrawn_while_it_waits_waits_no_longer() -> None:
    room = FabricRoom("simulated://2xL4-24GB")
    gang = room.ask(Claim(), workers=3)
    room.loop.step()
    room.loop.release(room.lease(gang[1]), "cancelled", "prn_1")
    assert room.states(gang) == ["ended"] * 3


def test_a_gang_ends_whole_though_the_daemon_was_killed_when_one_of_it_had_ended() -> None:
    room = FabricRoom("simulated://3xL4-24GB")
    gang = room.ask(Claim(), workers=3)
    held(room, *gang)
    room.executor.finish(gang[0], 1)
    fuse = Fuse()
    state: Any = CutState(room.state, fuse)
    room.loop._state = state
    for left in range(40):
        fuse.left = left
        try:
            room.loop.step()
        except Killed:
            states = room.states(gang)
            assert states == ["held"] * 3 or "held" not in states, left
            room.restart("one")
            room.loop._state = state
    fuse.left = None
    room.pass_ms(12_000)
    assert room.states(gang) == ["ended"] * 3


def test_a_gang_that_gave_way_begins_again_without_the_one_that_was_done() -> None:
    room = FabricRoom("simulated://4xL4-24GB", queues=(Queue("a", guaranteed_milli=4000),))
    gang = room.ask(Claim(), "a", workers=3, movable=True, priority=0)
    held(room, *gang)
    room.executor.finish(gang[0], 0)
    room.loop.step()
    urgent = room.ask(Claim(gpus=4), "a", priority=HIGH)[0]
    room.pass_ms(3000)
    assert room.states([*gang, urgent]) == ["ended", "ended", "ended", "held"]
    room.executor.finish(urgent)
    room.pass_ms(3000)
    again = [lease for lease in room.leases.open() if lease.gang]
    assert [(lease.state, lease.gang_size) for lease in again] == [("held", 2)] * 2


def test_who_saves_its_work_and_exits_with_0_when_it_gives_way_begins_again() -> None:
    room = FabricRoom(ONE, queues=(Queue("a", guaranteed_milli=1000),))
    lease = room.ask(Claim(), "a", movable=True, priority=0)[0]
    held(room, lease)
    room.executor.obeys(lease, None)
    urgent = room.ask(Claim(), "a", priority=HIGH)[0]
    room.loop.step()
    room.executor.finish(lease, 0)
    room.pass_ms(2000)
    assert outcome(room, lease) == ("moved", "preempt")
    assert room.lease(urgent).state == "held"
    assert [one.state for one in room.leases.open() if one.run == room.lease(lease).run] == ["pending"]


def test_who_is_cancelled_while_it_gives_way_does_not_begin_again() -> None:
    room = FabricRoom(ONE, queues=(Queue("a", guaranteed_milli=1000),))
    lease = room.ask(Claim(), "a", movable=True, priority=0)[0]
    held(room, lease)
    room.executor.obeys(lease, 5000)
    urgent = room.ask(Claim(), "a", priority=HIGH)[0]
    room.loop.step()
    assert room.lease(lease).state == "releasing"
    room.loop.release(room.lease(lease), "cancelled", "prn_1")
    room.pass_ms(8000)
    assert outcome(room, lease) == ("cancelled", "cancelled")
    assert [one.id for one in room.leases.open()] == [urgent]


def lost(room: FabricRoom) -> None:
    """Somebody else holds the row lease from now on."""
    with room.state.transaction() as tx:
        tx.run("leases_break")
        tx.run("lease_take", name="fabric", holder="other", expires_ms=1 << 60, now_ms=room.state.now_ms())


@pytest.mark.parametrize("act", ["grant", "release", "end"])
def test_who_lost_the_row_lease_in_the_middle_of_a_cycle_changes_no_row(act: str) -> None:
    room = FabricRoom(ONE, queues=(Queue("a", guaranteed_milli=1000),))
    lease = room.ask(Claim(), "a", priority=0)[0]
    if act != "grant":
        held(room, lease)
    if act == "end":
        room.executor.finish(lease)
    if act == "release":
        room.ask(Claim(), "a", priority=HIGH)
    seen, before = room.executor.seen, room.lease(lease)
    room.executor.seen = lambda: lost(room) or seen()  # type: ignore[func-returns-value, method-assign]
    with pytest.raises(Lost):
        room.loop.step()
    assert room.lease(lease) == before


def test_who_lost_the_row_lease_after_a_grant_starts_nothing() -> None:
    room = FabricRoom(ONE)
    lease = room.ask(Claim())[0]
    drive = room.loop._drive
    room.loop._drive = lambda *all_: lost(room) or drive(*all_)  # type: ignore[func-returns-value, method-assign]
    with pytest.raises(Lost):
        room.loop.step()
    assert room.lease(lease).state == "held"
    assert room.executor.started == []


def test_a_full_store_loses_nothing_and_gives_nothing_twice() -> None:
    room = FabricRoom()
    leases = [room.ask()[0] for _ in range(17)]
    transaction, chance = room.state.transaction, random.Random(3)

    def full_now_and_then() -> Any:
        if chance.random() < 0.6:
            raise StorageFull("no space left where the state lies")
        return transaction()

    for _ in range(60):
        room.state.transaction = full_now_and_then  # type: ignore[method-assign]
        with contextlib.suppress(StorageFull):
            room.pass_ms(1000)
        room.state.transaction = transaction  # type: ignore[method-assign]
        assert max(room.used()) <= 1000
    room.pass_ms(1000)
    assert sorted(room.states(leases)) == ["held"] * 16 + ["pending"]
    assert len(room.executor.started) == 16
    assert room.used() == [1000] * 8


def test_one_lease_that_goes_wrong_holds_up_no_other() -> None:
    room = FabricRoom("simulated://2xL4-24GB")
    first, second = room.ask(Claim())[0], room.ask(Claim())[0]
    prepare = room.devices.prepare

    def broken(lease: str, *more: Any) -> Any:
        if lease == first:
            raise OSError("a driver's fault")
        return prepare(lease, *more)

    room.devices.prepare = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(OSError, match="driver"):
        room.loop.step()
    assert [work.run for work in room.executor.started] == [second]
    room.devices.prepare = prepare  # type: ignore[method-assign]
    room.loop.step()
    assert [work.run for work in room.executor.started] == [second, first]


def test_a_device_that_vanished_keeps_its_lease_until_the_command_ends_and_gets_no_other() -> None:
    room = FabricRoom("simulated://2xL4-24GB")
    first = room.ask(Claim())[0]
    held(room, first)
    found = room.devices.inventory()
    gone = room.lease(first).devices[0]
    uuid = next(row["uuid"] for row in room.state.rows("devices_of_project", project=PROJECT) if row["id"] == gone)
    room.devices.inventory = lambda: [one for one in found if one.uuid != uuid]  # type: ignore[method-assign]
    room.pass_ms(11_000)
    assert room.lease(first).state == "held"
    room.executor.finish(first)
    others = [room.ask(Claim())[0] for _ in range(2)]
    room.pass_ms(2000)
    assert room.states([first, *others]) == ["ended", "held", "pending"]


def test_an_attached_lease_that_gave_way_is_not_withdrawn_before_its_waiter_has_found_the_next_one() -> None:
    room = FabricRoom(ONE, queues=(Queue("a", guaranteed_milli=1000),))
    lease = room.ask(Claim(), "a", movable=True, attached=True, priority=0)[0]
    room.waited.add(lease)
    held(room, lease)
    room.pass_ms(60_000)
    urgent = room.ask(Claim(), "a", priority=HIGH)[0]
    room.pass_ms(4000)
    assert room.states([lease, urgent]) == ["ended", "held"]
    following = next(one.id for one in room.leases.open() if one.run == room.lease(lease).run)
    room.waited.add(following)
    room.executor.finish(urgent)
    room.pass_ms(20_000)
    assert room.lease(following).state == "held"
    assert room.lease(following).asked_ms == room.lease(lease).asked_ms
