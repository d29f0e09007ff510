# SPDX-License-Identifier: Apache-2.0
"""Every function that we call, with every code that the header documents for it: a weaker answer and a note."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest

from colonnade.adapters.devices.nvml.library import NAMES
from colonnade.core.claims import Claim
from colonnade.core.errors import ColonnadeError, MissingExtra, Unavailable
from colonnade.testing.nvml import installed
from colonnade.testing.nvml_driver import SimulatedDriver
from colonnade.testing.nvml_functions import FUNCTIONS
from colonnade.testing.nvml_table import ALSO, CODES, TABLE, arguments, documented
from tests.devices.conftest import NvmlBench, Open, split

HALF = Claim(gpu_milli=500)
CASES = [(function, code) for function in sorted(TABLE["functions"]) for code in documented(function) if code]
QUIET = {
    # what a healthy machine answers all the time: no note
    ("nvmlDeviceGetMigDeviceHandleByIndex", CODES["NVML_ERROR_NOT_FOUND"]),
    ("nvmlDeviceGetProcessUtilization", CODES["NVML_ERROR_NOT_FOUND"]),
    ("nvmlDeviceGetGpuInstanceProfileInfoV", CODES["NVML_ERROR_NOT_SUPPORTED"]),
    ("nvmlDeviceGetMemoryLimits_v1", CODES["NVML_ERROR_NOT_FOUND"]),
    ("nvmlEventSetWait_v2", CODES["NVML_ERROR_TIMEOUT"]),
}
ASKED_WITHOUT = {  # of an older driver
    "nvmlDeviceGetMemoryInfo": "nvmlDeviceGetMemoryInfo_v2",
    "nvmlDeviceGetCurrentClocksThrottleReasons": "nvmlDeviceGetCurrentClocksEventReasons",
}


def live(bench: NvmlBench, pid: int) -> None:
    """All that is ever asked of devices, on the first two."""
    devices = bench.nvml
    devices.splits()
    uuids = [device.uuid for device in devices.inventory()]
    for number, uuid in enumerate(uuids):
        with contextlib.suppress(ColonnadeError):
            devices.prepare(f"lse_{number}", HALF, [uuid])
            devices.admit(f"lse_{number}", pid)
    for _ in range(3):
        devices.use()
        bench.passes(1000)
    devices.overuse()
    devices.inventory()
    for number in range(len(uuids)):
        devices.release(f"lse_{number}")
    devices.close()


@pytest.mark.parametrize(("function", "code"), CASES)
def test_every_documented_code_is_survived(
    machine: Open, function: str, code: int, worker: subprocess.Popen[bytes]
) -> None:
    bench = machine(split(), "root")
    bench.driver.runs(os.getpid(), bench.driver.gpus[1].uuid, 100, 10)
    bench.fake.answers[function] = code
    bench.fake.leave_out(*([ASKED_WITHOUT[function]] if function in ASKED_WITHOUT else []))
    if function == "nvmlInitWithFlags":
        with pytest.raises(Unavailable) as failed:
            bench.reopen()
        assert failed.value.hint
        return
    live(bench, worker.pid)
    assert bench.fake.calls[function]
    lost = code in (CODES["NVML_ERROR_GPU_IS_LOST"], CODES.get("NVML_ERROR_RESET_REQUIRED"))
    small = code == CODES["NVML_ERROR_INSUFFICIENT_SIZE"]
    if not lost and not small and (function, code) not in QUIET:
        said = " ".join(bench.nvml.notes())
        assert NAMES[code] in said, said


@pytest.mark.parametrize("function", sorted(TABLE["functions"]))
def test_a_driver_without_a_function_is_survived(machine: Open, function: str, worker: subprocess.Popen[bytes]) -> None:
    bench = machine(split(), "root")
    bench.fake.leave_out(function)
    if function == "nvmlInitWithFlags":
        with pytest.raises(Unavailable):
            bench.reopen()
        return
    live(bench, worker.pid)


def test_the_table_holds_what_is_called_and_nothing_else(machine: Open, worker: subprocess.Popen[bytes]) -> None:
    bench = machine(split(), "root")
    live(bench, worker.pid)
    assert set(FUNCTIONS) == set(TABLE["functions"])
    assert set(ALSO) <= set(TABLE["functions"])
    assert set(bench.fake.calls) == set(TABLE["functions"]) - set(ASKED_WITHOUT)
    assert set(CODES.values()) - {0} <= set(NAMES)
    for entry in TABLE["functions"].values():
        assert entry["line"] > 1000


def test_a_call_that_the_table_lacks_fails(machine: Open) -> None:
    with pytest.raises(AssertionError, match="nvmlDeviceGetSerial is not in nvml_table"):
        machine().fake.nvmlDeviceGetSerial(None, None, None)


def test_a_code_that_the_header_does_not_list_fails(machine: Open) -> None:
    fake = machine().fake
    fake.answers["nvmlShutdown"] = CODES["NVML_ERROR_GPU_IS_LOST"]
    with pytest.raises(AssertionError, match="does not return 15"):
        fake.nvmlShutdown()


def test_a_call_with_other_arguments_fails(machine: Open) -> None:
    assert arguments("nvmlDeviceGetTotalEccErrors") == 4
    with pytest.raises(AssertionError, match="takes 0 arguments"):
        machine().fake.nvmlShutdown(1)


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)


def test_without_the_package_the_command_that_installs_it_is_named(nothing_installed: None, machine: Open) -> None:
    from colonnade.adapters.devices.nvml.library import Library

    with pytest.raises(MissingExtra) as missing:
        Library()
    assert 'pip install "colonnade[gpu]"' in missing.value.hint


def test_on_this_machine_without_a_driver_it_is_said_what_is_missing(tmp_path: object) -> None:
    from ctypes import CDLL

    from colonnade.adapters.devices.nvml.library import Library

    try:
        CDLL("libnvidia-ml.so.1")
    except OSError:
        with pytest.raises(Unavailable, match="library not found") as failed:
            Library()
        assert "driver" in failed.value.hint
    else:
        Library().close()


def test_a_driver_that_is_not_loaded_is_told_apart(machine: Open) -> None:
    with installed(SimulatedDriver([])) as fake:
        fake.answers["nvmlInitWithFlags"] = CODES["NVML_ERROR_DRIVER_NOT_LOADED"]
        from colonnade.adapters.devices.nvml.library import Library

        with pytest.raises(Unavailable, match="driver not loaded") as failed:
            Library()
        assert "nvidia-smi" in failed.value.hint
