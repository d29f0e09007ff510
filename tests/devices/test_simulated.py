# SPDX-License-Identifier: Apache-2.0
"""Simulated devices: what the text means, what they promise, and what use they report of real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.adapters.devices.processes import Process
from colonnade.adapters.devices.simulated import USE, SimulatedDevices
from colonnade.adapters.devices.written import read_simulated
from colonnade.core.claims import Claim
from colonnade.core.errors import ColonnadeError, UsageError
from colonnade.ports.outside.devices import Devices
from colonnade.testing.devices import Milliseconds, write_health
from colonnade.testing.devices_conformance import DevicesConformance, worker

__all__ = ["worker"]
HALF = Claim(gpu_milli=500)


class SimulatedBench:
    """Simulated devices in a folder, under a clock of the test's."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder, self.text, self.clock = folder, text, Milliseconds()
        self.devices: Devices = self._open()

    def _open(self) -> SimulatedDevices:
        return SimulatedDevices(read_simulated(self.text, folder=Path(), node="n"), self.folder, now_ms=self.clock)

    def reopen(self) -> Devices:
        self.devices = self._open()
        return self.devices

    def uses(self, lease: str, pid: int, uuid: str, used_mib: int, busy_milli: int) -> None:
        (self.folder / "use" / lease).write_text(f"{busy_milli} {used_mib}")

    def passes(self, ms: int) -> None:
        self.clock.now += ms


@pytest.mark.parametrize("isolation", ["soft", "hard", "partition"])
class TestSimulated(DevicesConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path, isolation: str) -> SimulatedBench:
        return SimulatedBench(tmp_path, f"simulated://2xH100-80GB,1xL4-24GB?isolation={isolation}")


def test_eight_devices_with_their_memory_and_no_isolation_unless_asked() -> None:
    found = SimulatedDevices.parse("simulated://8xH100-80GB").inventory()
    assert [device.place for device in found] == list(range(8))
    assert {(device.model, device.memory_mib, device.isolation) for device in found} == {("H100-80GB", 81920, "none")}


def test_more_devices_leave_the_first_ones_as_they_were() -> None:
    few = SimulatedDevices.parse("simulated://4xH100-80GB").inventory()
    many = SimulatedDevices.parse("simulated://8xH100-80GB?cordoned=7", node="renamed").inventory()
    assert [device.uuid for device in many[:4]] == [device.uuid for device in few]


def test_another_model_in_the_same_place_is_another_device() -> None:
    one, two = (SimulatedDevices.parse(f"simulated://1x{model}").inventory()[0] for model in ("L4-24GB", "T4-16GB"))
    assert one.uuid != two.uuid


def test_a_node_file_gives_every_machine_its_devices(tmp_path: Path) -> None:
    (tmp_path / "nodes.csv").write_text("sn,cpu_milli,memory_mib,gpu,model\na,64000,262144,2,P100\nb,9000,1024,0,\n")
    devices = SimulatedDevices.parse("simulated://nodes.csv?isolation=soft", beside=tmp_path)
    assert [(d.node, d.place, d.model, d.memory_mib) for d in devices.inventory()] == [
        ("a", 0, "P100", 16384), ("a", 1, "P100", 16384)]  # fmt: skip
    assert [(machine.name, machine.cpu_milli) for machine in devices.machines] == [("a", 64000), ("b", 9000)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nvml", "does not begin"),
        ("simulated://", "COUNTxMODEL"),
        ("simulated://0xH100-80GB", "0 devices"),
        ("simulated://8H100", "COUNTxMODEL"),
        ("simulated://8xZ1000", "how much memory"),
        ("simulated://8xH100-0GB?isolation=hart", "none of none, soft"),
        ("simulated://8xH100-80GB?cordoned=8", "no device 8"),
        ("simulated://8xH100-80GB?cordoned=x", "no list of places"),
        ("simulated://8xH100-80GB?isolatoin=hard", "isolatoin"),
        ("simulated://99999xH100-80GB,99999xH100-80GB", "more than"),
        ("simulated://absent.csv", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_hint(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        SimulatedDevices.parse(text)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a,b\n1,2\n", "lacks the column"),
        ("", "lacks the column"),
        ("sn,cpu_milli,memory_mib,gpu,model\na,1,1,x,T4\n", "number that is none"),
        ("sn,cpu_milli,memory_mib,gpu,model\na,1\n", "number that is none"),
        ("sn,cpu_milli,memory_mib,gpu,model\na,1,1,1,T4\na,1,1,1,T4\n", "twice"),
    ],
)
def test_a_bad_node_file_is_refused_with_a_hint(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "nodes.csv").write_text(content)
    with pytest.raises(UsageError, match=says) as refused:
        SimulatedDevices.parse("simulated://nodes.csv", beside=tmp_path)
    assert refused.value.hint


def test_a_machine_may_have_none() -> None:
    devices = SimulatedDevices.parse("simulated://none")
    assert (devices.inventory(), devices.use().devices) == ([], [])


@given(st.text(max_size=40).filter(lambda text: text.partition("?")[0] not in ("none", "0xnone")))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        found = read_simulated("simulated://" + text, folder=Path("/nowhere"), node="n")
    except UsageError:
        return
    assert found.devices


def test_health_comes_from_the_declaration_and_from_a_file(tmp_path: Path) -> None:
    devices = SimulatedDevices.parse("simulated://4xL4-24GB?cordoned=3", folder=tmp_path)
    assert [device.health for device in devices.inventory()] == ["healthy"] * 3 + ["cordoned"]
    write_health(tmp_path, {"1": "xid 79", devices.inventory()[2].uuid: "ecc"})
    assert [device.health for device in devices.inventory()] == ["healthy", "xid 79", "ecc", "cordoned"]
    write_health(tmp_path, {})
    assert devices.inventory()[1].health == "healthy"


def test_without_a_word_of_its_own_a_workload_is_measured_by_its_processor_time(tmp_path: Path) -> None:
    cpu, clock, root = [1000], Milliseconds(), 1 << 30  # no such process: its start is not asked of the machine

    def look() -> dict[int, Process]:
        stranger = Process(9, 1, 9, 500, 9, 7)
        return {root: Process(root, 1, root, cpu[0], 300, 5), 8: Process(8, root, root, 0, 200, 6), 9: stranger}

    written = read_simulated("simulated://2xL4-24GB", folder=Path(), node="n")
    devices = SimulatedDevices(written, tmp_path, now_ms=clock, look=look)
    uuid = devices.inventory()[0].uuid
    devices.prepare("lse_1", HALF, [uuid])
    devices.admit("lse_1", root)
    assert devices.use().processes[0].busy_milli is None
    clock.now = 1999
    devices.overuse()
    clock.now, cpu[0] = 2000, 1500
    use = devices.use()
    assert (use.processes[0].busy_milli, use.processes[0].used_mib) == (250, 500)
    assert [(device.busy_milli, device.used_mib) for device in use.devices] == [(250, 500), (0, 0)]
    clock.now, cpu[0] = 3000, 9000
    assert devices.use().devices[0].busy_milli == 1000


def test_nonsense_in_the_file_of_use_is_not_believed(tmp_path: Path) -> None:
    devices = SimulatedDevices.parse("simulated://1xL4-24GB", folder=tmp_path)
    uuid = devices.inventory()[0].uuid
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        path = Path(devices.prepare("lse_1", HALF, [uuid]).environment[USE])
        devices.admit("lse_1", process.pid)
        for text, busy in [("9999 10", 1000), ("-5 -5", 0), ("500 9", 500)]:
            path.write_text(text)
            assert devices.use().processes[0].busy_milli == busy
        for text in ["", "x y", "1", "1 2 3", "\0"]:
            path.write_text(text)
            devices.use()
        process.communicate(b"\n")
    assert devices.use().processes == []
    devices.release("lse_1")
    assert not path.exists()


def test_a_pid_that_became_another_process_counts_for_nobody(tmp_path: Path) -> None:
    looked = {7: Process(7, 1, 7, 0, 300, 5)}
    written = read_simulated("simulated://1xL4-24GB", folder=Path(), node="n")
    devices = SimulatedDevices(written, tmp_path, look=lambda: looked)
    devices.prepare("lse_1", HALF, [devices.inventory()[0].uuid])
    devices.admit("lse_1", 7)
    assert len(devices.use().processes) == 1
    looked[7] = Process(7, 1, 7, 0, 300, 99)
    assert devices.use().processes == []


def test_a_name_that_would_leave_the_folder_is_refused(tmp_path: Path) -> None:
    devices = SimulatedDevices.parse("simulated://1xL4-24GB", folder=tmp_path)
    with pytest.raises(ColonnadeError):
        devices.prepare("../x", HALF, [devices.inventory()[0].uuid])
