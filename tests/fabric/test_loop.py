# SPDX-License-Identifier: Apache-2.0
"""The loop over real rows: what is asked for is granted once, given back only when the tree is gone, and nothing of it
depends on who was killed when."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from colonnade.core.claims import Claim
from colonnade.core.leaf import parse_leaf
from colonnade.fabric.picture import could_host
from colonnade.fabric.queues.tree import HIGH, Queue
from colonnade.ports.outside.executor import Seen
from tests.fabric.fabric_room import PROJECT, FabricRoom

QUEUES = (Queue("a", guaranteed_milli=4000), Queue("b", guaranteed_milli=4000))


def kinds(room: FabricRoom, subject: str) -> list[str]:
    return [row["kind"] for row in room.state.rows("entries_of_subject", subject=subject)]


def test_sixteen_halves_fill_eight_devices_and_the_seventeenth_waits() -> None:
    room = FabricRoom()
    leases = room.ask(workers=1) + [room.ask()[0] for _ in range(16)]
    room.loop.step()
    assert room.used() == [1000] * 8
    assert sorted(room.states(leases)) == ["held"] * 16 + ["pending"]


def test_a_share_is_given_to_the_next_once_its_command_has_ended() -> None:
    room = FabricRoom("simulated://1xL4-24GB")
    first, second = room.ask(Claim())[0], room.ask(Claim())[0]
    room.loop.step()
    room.loop.step()
    assert room.states([first, second]) == ["held", "pending"]
    room.executor.finish(first, 7)
    room.loop.step()
    row = room.state.rows("lease_get_one", id=first)[0]
    assert (row["state"], row["outcome"], row["code"]) == ("ended", "failed", 7)
    assert room.lease(second).state == "held"
    assert kinds(room, first) == ["lease.asked", "lease.granted", "lease.ended"]


def test_a_command_that_ignores_sigterm_keeps_its_share_until_it_is_gone() -> None:
    room = FabricRoom("simulated://1xL4-24GB")
    first, second = room.ask(Claim(), grace_ms=5000)[0], room.ask(Claim())[0]
    room.loop.step()
    room.loop.step()
    room.executor.obeys(first, None)
    room.loop.release(room.lease(first), "cancelled", "prn_1")
    room.loop.step()
    room.pass_ms(4000)
    assert room.states([first, second]) == ["releasing", "pending"]
    assert room.used() == [1000]
    room.pass_ms(2000)
    assert room.states([first, second]) == ["ended", "held"]


def test_what_was_borrowed_goes_back_to_the_queue_that_it_is_guaranteed_to() -> None:
    room = FabricRoom(queues=QUEUES)
    borrowed = [room.ask(Claim(), "a")[0] for _ in range(8)]
    room.loop.step()
    room.loop.step()
    assert room.states(borrowed) == ["held"] * 8
    wanted = room.ask(Claim(gpus=4), "b")[0]
    room.loop.step()
    assert sorted(room.states(borrowed)) == ["held"] * 4 + ["releasing"] * 4
    reasons = {room.lease(lease).reason for lease in borrowed if room.lease(lease).state == "releasing"}
    assert reasons == {"reclaim"}
    room.pass_ms(1000)
    assert room.lease(wanted).state == "held"
    assert sorted(room.states(borrowed)) == ["ended"] * 4 + ["held"] * 4


def test_a_movable_lease_that_gave_way_asks_again_for_the_same_run() -> None:
    room = FabricRoom(queues=QUEUES)
    leases = [room.ask(Claim(), "a", movable=True)[0] for _ in range(8)]
    room.loop.step()
    room.loop.step()
    runs = {room.lease(lease).run for lease in leases}
    room.ask(Claim(gpus=4), "b")
    room.pass_ms(3000)
    pending = [lease for lease in room.leases.open() if lease.state == "pending"]
    assert len(pending) == 4
    assert {lease.run for lease in pending} < runs
    moved = room.state.rows("leases_of_run", run=pending[0].run)
    assert [row["outcome"] for row in moved] == ["moved", ""]
    assert room.state.rows("run_get", id=pending[0].run)[0]["state"] == "pending"


def test_a_gang_is_granted_whole_or_not_at_all_and_ends_whole() -> None:
    room = FabricRoom("simulated://4xL4-24GB")
    alone = room.ask(Claim())[0]
    room.loop.step()
    gang = room.ask(Claim(), workers=4)
    room.loop.step()
    assert room.states(gang) == ["pending"] * 4
    room.executor.finish(alone)
    room.loop.step()
    assert room.states(gang) == ["held"] * 4
    room.loop.step()
    ranks = {work.environment["COLONNADE_RANK"] for work in room.executor.started if work.run in gang}
    assert ranks == {"0", "1", "2", "3"}
    room.executor.finish(gang[2], 1)
    room.pass_ms(3000)
    assert room.states(gang) == ["ended"] * 4


def test_a_gang_is_possible_when_all_its_members_find_room_on_what_is_there() -> None:
    room = FabricRoom("simulated://2xL4-24GB")
    room.ask(Claim())
    room.loop.step()
    picture, half = room.loop.picture(), Claim(gpu_milli=600)
    assert could_host(picture, half, 2)
    assert not could_host(picture, half, 3)
    assert could_host(picture, Claim(gpus=0), 10_000)


def test_a_higher_priority_takes_the_place_of_a_lower_one_in_its_queue() -> None:
    room = FabricRoom("simulated://1xL4-24GB", queues=(Queue("a", guaranteed_milli=1000),))
    low = room.ask(Claim(), "a", priority=0)[0]
    room.loop.step()
    room.loop.step()
    high = room.ask(Claim(), "a", priority=HIGH)[0]
    room.pass_ms(2000)
    assert room.states([low, high]) == ["ended", "held"]
    assert room.lease(low).reason == "preempt"


def test_nobody_is_planned_for_whoever_does_not_wait_and_after_ten_seconds_the_wish_is_withdrawn() -> None:
    room = FabricRoom()
    here, gone = room.ask(attached=True)[0], room.ask(attached=True)[0]
    room.waited.add(here)
    room.loop.step()
    assert room.states([here, gone]) == ["held", "pending"]
    room.pass_ms(12_000)
    assert room.states([here, gone]) == ["held", "ended"]


def test_what_is_asked_for_during_a_cycle_is_not_started_before_its_waiter_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    room = FabricRoom()
    here, late = room.ask(attached=True), list[str]()
    room.waited.update(here)
    look = room.executor.seen

    def seen_while_another_asks() -> Mapping[str, Seen]:
        late.extend([] if late else room.ask(attached=True))
        return look()

    monkeypatch.setattr(room.executor, "seen", seen_while_another_asks)
    room.loop.step()
    assert room.states([*here, *late]) == ["held", "pending"]
    room.waited.update(late)
    room.loop.step()
    assert room.states(late) == ["held"]


def test_a_daemon_that_was_killed_finds_its_leases_again_and_ends_nothing() -> None:
    room = FabricRoom()
    leases = [room.ask()[0] for _ in range(17)]
    room.loop.step()
    room.loop.step()
    before = {lease: (room.lease(lease).state, room.lease(lease).pid, room.lease(lease).token) for lease in leases}
    room.clock.advance(3_600_000)
    room.restart("two")
    room.loop.step()
    now = {lease: (room.lease(lease).state, room.lease(lease).pid, room.lease(lease).token) for lease in leases}
    assert now == before
    assert len(room.executor.started) == 16


def test_a_start_that_the_machine_refuses_is_tried_again_and_after_ten_seconds_ends_its_lease_with_the_reason() -> None:
    room = FabricRoom("simulated://2xL4-24GB")
    soon, never = room.ask(Claim())[0], room.ask(Claim())[0]
    for _ in range(3):
        room.executor.refuse("no process can be made")
    room.loop.step()
    room.pass_ms(1000)
    assert room.states([soon, never]) == ["held", "held"]
    assert [work.run for work in room.executor.started] == [never]
    for _ in range(20):
        room.executor.refuse("no process can be made")
    room.pass_ms(11_000)
    row = room.state.rows("lease_get_one", id=soon)[0]
    assert (row["outcome"], row["note"]) == ("refused", "no process can be made")
    assert room.states([never]) == ["held"]
    assert sorted(room.used()) == [0, 1000]


def test_a_lost_supervisor_keeps_the_share_until_nothing_is_left_of_its_tree() -> None:
    room = FabricRoom()
    lease = room.ask()[0]
    room.loop.step()
    room.loop.step()
    room.executor.vanish(lease, unknown_ms=3000)
    room.loop.step()
    assert room.lease(lease).state == "held"
    room.pass_ms(4000)
    row = room.state.rows("lease_get_one", id=lease)[0]
    assert (row["outcome"], row["code"]) == ("lost", None)
    assert room.used() == [0] * 8


def test_an_ill_device_gets_no_new_work_and_a_well_one_again_does() -> None:
    room = FabricRoom("simulated://2xL4-24GB?cordoned=0")
    leases = [room.ask(Claim())[0] for _ in range(2)]
    room.loop.step()
    assert sorted(room.states(leases)) == ["held", "pending"]
    assert room.used() == [0, 1000]


def test_no_command_line_stands_in_the_log_and_no_environment_after_its_end() -> None:
    room = FabricRoom()
    lease = room.ask(environment={"TOKEN": "s3cret-value"})[0]
    room.loop.step()
    run = room.lease(lease).run
    room.executor.finish(lease)
    room.loop.step()
    assert room.leases.command(run) is not None
    assert room.state.rows("run_work_get", run=run)[0]["environment"] is None
    for row in room.state.rows("entries_after", seq=0, limit=100):
        assert b"s3cret" not in row["bytes"]
        assert b'"work"' not in row["bytes"]


def test_the_entries_tell_what_was_held_when_and_for_whom() -> None:
    room = FabricRoom()
    lease = room.ask(Claim(gpus=2, gpu_milli=500, gpu_mib=1024))[0]
    room.loop.step()
    room.loop.step()
    room.pass_ms(10_000)
    room.executor.finish(lease)
    room.loop.step()
    leaves = {
        leaf.kind: leaf
        for row in room.state.rows("entries_of_subject", subject=lease)
        for leaf in [parse_leaf(row["bytes"])]
    }
    granted = leaves["lease.granted"]
    assert granted.n == {"gpus": 2, "gpu_milli": 500, "gpu_mib": 1024, "token": 1}
    assert len([ref for role, ref in granted.refs if role == "on"]) == 2
    assert leaves["lease.ended"].n == {"held_ms": 10_000, "gpu_ms": 10_000}


def test_a_loop_that_lost_its_row_lease_changes_nothing() -> None:
    room = FabricRoom()
    lease = room.ask()[0]
    other = room.loop
    room.restart("two")
    room.loop.step()
    granted = room.lease(lease)
    assert other.step() is False
    assert room.lease(lease) == granted
    assert room.state.rows("devices_of_project", project=PROJECT)[0]["used_milli"] in {0, 500}


def test_a_lease_that_does_nothing_is_taken_back_and_time_without_a_daemon_does_not_count() -> None:
    room = FabricRoom("simulated://1xL4-24GB", idle_after_ms=60_000)
    lease = room.ask(Claim())[0]
    room.loop.step()
    room.loop.step()
    room.pass_ms(50_000)
    assert room.lease(lease).state == "held"
    room.clock.advance(3_600_000)
    room.restart("two")
    room.pass_ms(5_000)
    assert room.lease(lease).state == "held"
    room.pass_ms(65_000)
    assert room.lease(lease).state == "ended"
    assert room.lease(lease).reason == "idle"
