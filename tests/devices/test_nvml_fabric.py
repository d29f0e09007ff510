# SPDX-License-Identifier: Apache-2.0
"""The fabric's own loop over NVML devices on a simulated driver: who takes too much is stopped, who falls ill gets
no new work, who does nothing gives its share back."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from colonnade.adapters.devices.processes import Process
from colonnade.core.claims import Claim
from colonnade.fabric.inventory import take_stock
from tests.devices.conftest import NvmlBench, Open, whole
from tests.fabric.fabric_room import ACTOR, FabricRoom

FIRST, SECOND = (gpu.uuid for gpu in whole(2))
HALF = Claim(gpu_milli=500, gpu_limit_mib=40_000)


class Machine:
    """A fabric on a machine of two GPUs. Its commands are processes of the driver."""

    def __init__(self, bench: NvmlBench, **terms: int) -> None:
        self.bench, self.room = bench, FabricRoom("simulated://2xH100-80GB", (), **terms)
        bench.look = self._processes
        bench.nvml = bench.reopen()
        self.room.devices = bench.nvml  # type: ignore[assignment]
        take_stock(self.room.state, self.room.journal, ACTOR, bench.nvml.inventory())
        self.room.restart()

    def _processes(self) -> Mapping[int, Process]:
        seen = self.room.executor.seen().values()
        return {one.pid: Process(one.pid, 1, one.pid, 0, 0, 1) for one in seen if one.pid and one.state != "ended"}

    def pass_ms(self, ms: int) -> None:
        for _ in range(ms // 1000):
            self.bench.passes(1000)
            self.room.pass_ms(1000)
            living = self._processes()
            for gpu in self.bench.driver.gpus:
                for pid in [pid for pid in gpu.processes if pid not in living]:
                    self.bench.driver.exits(pid)

    def starts(self, claim: Claim = HALF) -> tuple[str, int, str]:
        """A lease, the pid of its command, and the uuid of its device."""
        (lease,) = self.room.ask(claim)
        self.pass_ms(2000)
        work = next(work for work in self.room.executor.started if work.run == lease)
        pid = self.room.lease(lease).pid
        assert pid
        return lease, pid, work.environment["CUDA_VISIBLE_DEVICES"]


@pytest.fixture
def bench(machine: Open) -> NvmlBench:
    return machine()


def test_who_takes_more_than_its_share_is_stopped_and_its_neighbour_is_not(bench: NvmlBench) -> None:
    machine = Machine(bench)
    greedy, pid, uuid = machine.starts()
    modest, other, same = machine.starts()
    assert uuid == same
    bench.driver.runs(pid, uuid, 50_000, 10)
    bench.driver.runs(other, uuid, 20_000, 10)
    machine.pass_ms(4000)
    assert machine.room.states([greedy, modest]) == ["held", "held"]
    machine.pass_ms(4000)
    assert machine.room.lease(greedy).reason == "exceeded"
    assert machine.room.states([greedy, modest]) == ["ended", "held"]
    assert machine.room.lease(modest).isolation == "soft"


def test_an_ill_gpu_gets_no_new_work_and_what_runs_there_stays(bench: NvmlBench) -> None:
    machine = Machine(bench)
    running, _, uuid = machine.starts()
    bench.driver.xid(uuid, 79)
    machine.pass_ms(12_000)
    _, _, where = machine.starts()
    assert (where != uuid, machine.room.states([running])) == (True, ["held"])
    bench.nvml.forgive(uuid)
    machine.pass_ms(12_000)
    assert machine.starts(Claim(gpu_milli=500))[2] in (FIRST, SECOND)


def test_who_computes_nothing_gives_its_share_back_and_who_computes_keeps_it(bench: NvmlBench) -> None:
    machine = Machine(bench, idle_after_ms=30_000)
    idle, pid, uuid = machine.starts()
    busy, other, same = machine.starts()
    bench.driver.runs(pid, uuid, 1000)
    for _ in range(45):
        bench.driver.runs(other, same, 1000, 1)
        machine.pass_ms(1000)
    assert machine.room.states([idle, busy]) == ["ended", "held"]
    assert machine.room.lease(idle).reason == "idle"
