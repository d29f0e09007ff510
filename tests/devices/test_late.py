# SPDX-License-Identifier: Apache-2.0
"""A house whose driver does not answer comes up without devices, and has them once it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from colonnade.adapters.devices.late import AGAIN_S, LateDevices
from colonnade.adapters.devices.simulated import SimulatedDevices
from colonnade.core.claims import Claim
from colonnade.core.errors import Unavailable
from colonnade.ports.outside.devices import Devices
from colonnade.testing.project import Project


class Driver:
    """Opens simulated devices, or does not answer; counts how often it was asked. Its clock stands still."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.answers, self.asked, self.now_s = folder, False, 0, 0.0

    def open(self) -> Devices:
        """What `LateDevices` asks."""
        self.asked += 1
        if not self.answers:
            raise Unavailable("driver not loaded", hint="load it")
        return SimulatedDevices.parse("simulated://2xH100-80GB", folder=self.folder, beside=self.folder)

    def devices(self) -> LateDevices:
        """The devices, by this driver and this clock."""
        return LateDevices(self.open, lambda: self.now_s)


def test_devices_are_there_once_the_driver_answers_and_it_is_not_asked_all_the_time(tmp_path: Path) -> None:
    driver = Driver(tmp_path)
    devices = driver.devices()
    assert [*devices.inventory(), *devices.use().devices, *devices.overuse()] == []
    assert (driver.asked, devices.trouble and devices.trouble.message) == (1, "driver not loaded")
    driver.answers, driver.now_s = True, AGAIN_S
    assert len(devices.inventory()) == 2
    assert devices.trouble is None
    devices.close()


def test_without_a_driver_work_that_needs_no_device_is_prepared_and_other_work_is_told_why_not(tmp_path: Path) -> None:
    devices = Driver(tmp_path).devices()
    assert devices.prepare("lse_a", Claim(gpus=0), []).level == "none"
    with pytest.raises(Unavailable, match="driver not loaded"):
        devices.prepare("lse_b", Claim(), ["GPU-1"])


def test_what_ended_meanwhile_is_released_once_the_driver_answers(tmp_path: Path) -> None:
    driver = Driver(tmp_path)
    driver.answers = True
    before = driver.devices()
    before.prepare("lse_a", Claim(gpu_milli=500), [before.inventory()[0].uuid])
    before.close()
    driver.answers = False
    devices = driver.devices()
    devices.release("lse_a")
    driver.answers, driver.now_s = True, AGAIN_S
    devices.inventory()
    assert devices.admit("lse_a", 1) == "none", "it is not known any more"
    devices.close()


@pytest.mark.slow
def test_up_without_the_declared_driver_comes_up_says_so_and_runs_what_needs_no_device(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.environment["LD_LIBRARY_PATH"] = ""
    project.write("colonnade.yaml", "version: 1\nproject: one\ncompute: {devices: nvml}\n")
    try:
        done = project.run("up", "--detach", "--port", "0")
        assert done.code == 0, done.err
        assert "no device can be used: NVIDIA" in done.err
        assert "compute: down" in project.run("status").out
        (alarm,) = project.status()["alarms"]
        assert (alarm["room"], bool(alarm["hint"])) == ("fabric", True)
        refused = project.run("run", "--", "true")
        assert (refused.code, "no device can be used" in refused.err) == (1, True)
        assert project.run("run", "--gpus", "0", "--", "true").code == 0
    finally:
        project.down()
