# SPDX-License-Identifier: Apache-2.0
"""What every engine of devices must do.

An engine's test is a subclass with one fixture, `bench`: the engine over two or more healthy devices of one machine
that offer at least `soft`, and how a real process is said to use them.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import Protocol

import pytest

from colonnade.core.claims import ISOLATIONS, WHOLE, Claim, Device, at_least
from colonnade.core.errors import Refused, Unavailable
from colonnade.ports.outside.devices import Devices, ProcessUse


class Bench(Protocol):
    """An engine under test."""

    devices: Devices

    def reopen(self) -> Devices:
        """The engine as it is after a crash of its process: the old one is not asked again."""
        ...

    def uses(self, lease: str, pid: int, uuid: str, used_mib: int, busy_milli: int) -> None:
        """From now on this process uses the device so, until it ends."""
        ...

    def passes(self, ms: int) -> None:
        """Time goes by."""
        ...


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process tree that does nothing."""
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True)
    yield process
    process.kill()
    process.communicate()


def end(process: subprocess.Popen[bytes]) -> None:
    """The process is gone, and its pid with it."""
    process.kill()
    process.communicate()


class DevicesConformance:
    """Subclass it, and give the fixture `bench`.

    Attributes:
        milli: the share that is asked of a device; 1000 where the strongest level is for whole ones only.
    """

    milli = 500

    @property
    def half(self) -> Claim:
        """The claim that most tests ask with."""
        return Claim(gpu_milli=self.milli)

    @pytest.fixture
    def one(self, bench: Bench) -> Device:
        return bench.devices.inventory()[0]

    def test_the_inventory_is_by_place_with_uuids_that_differ(self, bench: Bench) -> None:
        found = bench.devices.inventory()
        assert len(found) >= 2
        assert [device.place for device in found] == sorted(device.place for device in found)
        assert len({device.uuid for device in found}) == len(found)
        for device in found:
            assert device.isolation in ISOLATIONS
            assert device.memory_mib > 0
            assert device.health == "healthy"
            assert "-" in device.model

    def test_a_restart_changes_no_uuid(self, bench: Bench) -> None:
        before = bench.devices.inventory()
        assert bench.reopen().inventory() == before

    def test_a_command_sees_its_devices_by_uuid_and_no_other(self, bench: Bench) -> None:
        uuids = [device.uuid for device in bench.devices.inventory()[:2]]
        enforcement = bench.devices.prepare("lse_1", Claim(gpus=2, gpu_milli=self.milli), uuids)
        assert enforcement.environment["CUDA_VISIBLE_DEVICES"] == ",".join(uuids)
        assert at_least(enforcement.level, "soft")

    def test_nothing_is_promised_above_what_the_device_offers(self, bench: Bench, one: Device) -> None:
        assert at_least(one.isolation, bench.devices.prepare("lse_1", self.half, [one.uuid]).level)

    def test_a_level_that_is_not_on_offer_is_refused_by_name(self, bench: Bench, one: Device) -> None:
        for level in ISOLATIONS:
            claim = Claim(gpu_milli=self.milli, isolation_at_least=level)
            if at_least(one.isolation, level):
                assert at_least(bench.devices.prepare(f"lse_{level}", claim, [one.uuid]).level, level)
                continue
            with pytest.raises(Refused) as refused:
                bench.devices.prepare(f"lse_{level}", claim, [one.uuid])
            assert refused.value.code == "isolation_unavailable"
            assert one.isolation in refused.value.message
            assert refused.value.hint

    def test_a_device_that_is_not_there_is_told(self, bench: Bench) -> None:
        with pytest.raises(Unavailable, match="GPU-of-another-machine"):
            bench.devices.prepare("lse_1", self.half, ["GPU-of-another-machine"])

    def test_a_claim_without_devices_is_shown_none(self, bench: Bench) -> None:
        assert bench.devices.prepare("lse_1", Claim(gpus=0), []).environment["CUDA_VISIBLE_DEVICES"] == ""

    def test_preparing_and_admitting_again_change_nothing(
        self, bench: Bench, one: Device, worker: subprocess.Popen[bytes]
    ) -> None:
        first = bench.devices.prepare("lse_1", self.half, [one.uuid])
        assert bench.devices.prepare("lse_1", self.half, [one.uuid]) == first
        level = bench.devices.admit("lse_1", worker.pid)
        assert bench.devices.admit("lse_1", worker.pid) == level
        assert bench.devices.prepare("lse_1", self.half, [one.uuid]) == first

    def test_a_lease_that_was_never_prepared_has_no_isolation(
        self, bench: Bench, worker: subprocess.Popen[bytes]
    ) -> None:
        assert bench.devices.admit("lse_unknown", worker.pid) == "none"

    def test_releasing_twice_or_the_unknown_is_no_error(self, bench: Bench, one: Device) -> None:
        bench.devices.prepare("lse_1", self.half, [one.uuid])
        for _ in range(2):
            bench.devices.release("lse_1")
        bench.devices.release("lse_unknown")

    def test_use_is_told_by_lease(self, bench: Bench, one: Device, worker: subprocess.Popen[bytes]) -> None:
        assert not any(use.lease for use in bench.devices.use().processes)
        bench.devices.prepare("lse_1", self.half, [one.uuid])
        bench.devices.admit("lse_1", worker.pid)
        bench.uses("lse_1", worker.pid, one.uuid, 3000, 400)
        use = bench.devices.use()
        assert of_lease(use.processes, "lse_1") == [ProcessUse(worker.pid, one.uuid, 3000, 400, "lse_1")]
        device = next(device for device in use.devices if device.uuid == one.uuid)
        assert device.used_mib >= 3000
        assert device.busy_milli is not None
        assert 400 <= device.busy_milli <= WHOLE

    def test_use_ends_with_the_process_and_with_the_lease(
        self, bench: Bench, one: Device, worker: subprocess.Popen[bytes]
    ) -> None:
        bench.devices.prepare("lse_1", self.half, [one.uuid])
        bench.devices.admit("lse_1", worker.pid)
        bench.uses("lse_1", worker.pid, one.uuid, 3000, 400)
        end(worker)
        assert of_lease(bench.devices.use().processes, "lse_1") == []
        bench.devices.release("lse_1")
        assert of_lease(bench.devices.use().processes, "lse_1") == []

    def test_a_crash_of_the_caller_loses_no_lease(
        self, bench: Bench, one: Device, worker: subprocess.Popen[bytes]
    ) -> None:
        first = bench.devices.prepare("lse_1", self.half, [one.uuid])
        level = bench.devices.admit("lse_1", worker.pid)
        bench.uses("lse_1", worker.pid, one.uuid, 3000, 400)
        again = bench.reopen()
        assert [use.lease for use in of_lease(again.use().processes, "lse_1")] == ["lse_1"]
        assert again.prepare("lse_1", self.half, [one.uuid]) == first
        assert again.admit("lse_1", worker.pid) == level
        again.release("lse_1")

    def test_who_exceeds_a_watched_share_is_warned_and_then_to_be_stopped(
        self, bench: Bench, one: Device, worker: subprocess.Popen[bytes]
    ) -> None:
        bench.devices.prepare("lse_1", Claim(gpu_milli=self.milli, gpu_limit_mib=2000), [one.uuid])
        level = bench.devices.admit("lse_1", worker.pid)
        bench.uses("lse_1", worker.pid, one.uuid, 1500, 400)
        assert bench.devices.overuse() == []
        bench.uses("lse_1", worker.pid, one.uuid, 3000, 400)
        stops = []
        for _ in range(3):
            stops += [one.stop for one in bench.devices.overuse()]
            bench.passes(5_000)
        assert stops == ([False, True, True] if level == "soft" else [])

    def test_calls_from_many_threads_end(self, bench: Bench, one: Device, worker: subprocess.Popen[bytes]) -> None:
        wrong: list[BaseException] = []

        def work(name: str) -> None:
            try:
                for _ in range(5):
                    bench.devices.prepare(name, Claim(gpu_milli=100), [one.uuid])
                    bench.devices.admit(name, worker.pid)
                    bench.devices.use()
                    bench.devices.overuse()
                    bench.devices.inventory()
                    bench.devices.release(name)
            except BaseException as cause:  # told below: a thread's own end is not seen
                wrong.append(cause)

        threads = [threading.Thread(target=work, args=(f"lse_{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert of_lease(bench.devices.use().processes, "lse_0") == []


def of_lease(processes: Sequence[ProcessUse], lease: str) -> list[ProcessUse]:
    """The use that is told of this lease."""
    return [use for use in processes if use.lease == lease]
