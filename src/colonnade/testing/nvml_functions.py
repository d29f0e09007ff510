# SPDX-License-Identifier: Apache-2.0
"""What each NVML function does on the simulated driver, with the arguments that `pynvml` hands to the C library.

Nothing checks the table here (`nvml.py` does), and nothing lives here: the state is the driver's.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colonnade.testing.nvml_driver import MIB, PROFILES_80GB, SimGpu, SimInstance, SimulatedDriver
from colonnade.testing.nvml_table import CODES, documented

OK, INVALID, UNSUPPORTED, NOT_FOUND, SMALL = 0, 2, 3, 6, 7
_MOST = 2**64 - 1
_NAMES = {1: b"MIG 1g.10gb", 2: b"MIG 2g.20gb", 3: b"MIG 3g.40gb", 4: b"MIG 4g.40gb", 7: b"MIG 7g.80gb"}
FUNCTIONS: dict[str, Callable[..., int]] = {}


@dataclass(frozen=True, slots=True)
class At:
    """Which device is asked."""

    driver: SimulatedDriver
    gpu: SimGpu
    instance: SimInstance | None


def plain(name: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """A function of no device."""

    def register(answer: Callable[..., int]) -> Callable[..., int]:
        FUNCTIONS[name] = answer
        return answer

    return register


def device(*names: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """A function of a device. A lost one says so where the header allows it, and gives its least telling code else."""

    def register(answer: Callable[..., int]) -> Callable[..., int]:
        for name in names:

            def asked(driver: SimulatedDriver, handle: Any, *args: Any, name: str = name) -> int:
                at = _at(driver, handle)
                if not at.gpu.lost:
                    return answer(at, *args)
                return at.gpu.lost if at.gpu.lost in documented(name) else max(documented(name))

            FUNCTIONS[name] = asked
        return answer

    return register


def _at(driver: SimulatedDriver, handle: Any) -> At:
    number = ctypes.cast(handle, ctypes.c_void_p).value
    for gpu in driver.gpus:
        for one in (None, *gpu.instances):
            if (one or gpu).handle == number:
                return At(driver, gpu, one)
    raise AssertionError(f"no such handle: {number}")


def _to(reference: Any, value: int) -> None:
    """Write an integer through a pointer: to an integer, or to a handle."""
    target = reference._obj
    if isinstance(target, ctypes._SimpleCData):
        target.value = value
    else:
        ctypes.cast(ctypes.byref(target), ctypes.POINTER(ctypes.c_void_p)).contents.value = value


def _text(buffer: Any, text: str, length: Any) -> int:
    if len(text) >= length.value:
        return SMALL
    buffer.value = text.encode()
    return OK


def _folder(limits: Any) -> str:
    name = limits.nameSpace
    return name if isinstance(name, str) else name.decode()


@plain("nvmlInitWithFlags")
def _init(_driver: SimulatedDriver, _flags: Any) -> int:
    return OK


@plain("nvmlShutdown")
def _shutdown(_driver: SimulatedDriver) -> int:
    return OK


@plain("nvmlDeviceGetCount_v2")
def _count(driver: SimulatedDriver, count: Any) -> int:
    _to(count, len(driver.gpus))
    return OK


@plain("nvmlDeviceGetHandleByIndex_v2")
def _handle(driver: SimulatedDriver, index: Any, handle: Any) -> int:
    gpu = driver.gpus[index.value]
    _to(handle, gpu.handle)
    return CODES["NVML_ERROR_GPU_IS_LOST"] if gpu.lost else OK


@device("nvmlDeviceGetUUID")
def _uuid(at: At, buffer: Any, length: Any) -> int:
    return _text(buffer, (at.instance or at.gpu).uuid, length)


@device("nvmlDeviceGetName")
def _name(at: At, buffer: Any, length: Any) -> int:
    return _text(buffer, f"{at.gpu.name} MIG {at.instance.profile}" if at.instance else at.gpu.name, length)


@device("nvmlDeviceGetMemoryInfo", "nvmlDeviceGetMemoryInfo_v2")
def _memory(at: At, memory: Any) -> int:
    held = [one for one in at.gpu.processes.values() if at.instance is None or one.instance == at.instance.number]
    memory._obj.total = (at.instance or at.gpu).memory_mib * MIB
    memory._obj.used = sum(one.used_mib for one in held) * MIB
    return OK


@device("nvmlDeviceGetMigMode")
def _mig_mode(at: At, now: Any, pending: Any) -> int:
    _to(now, int(at.gpu.mig))
    _to(pending, int(at.gpu.mig))
    return OK if at.gpu.mig_capable else UNSUPPORTED


@device("nvmlDeviceGetMaxMigDeviceCount")
def _mig_count(at: At, count: Any) -> int:
    _to(count, 7 if at.gpu.mig_capable else 0)
    return OK


@device("nvmlDeviceGetMigDeviceHandleByIndex")
def _mig_handle(at: At, index: Any, handle: Any) -> int:
    if index.value >= len(at.gpu.instances):
        return NOT_FOUND
    _to(handle, at.gpu.instances[index.value].handle)
    return OK


@device("nvmlDeviceGetAttributes_v2")
def _attributes(at: At, into: Any) -> int:
    if at.instance is None:
        return UNSUPPORTED
    into._obj.gpuInstanceSliceCount = at.instance.slices
    into._obj.computeInstanceSliceCount = at.instance.compute_slices or at.instance.slices
    into._obj.memorySizeMB = at.instance.memory_mib
    return OK


@device("nvmlDeviceGetGpuInstanceId")
def _instance_id(at: At, number: Any) -> int:
    if at.instance is None:
        return UNSUPPORTED
    _to(number, at.instance.number)
    return OK


@device("nvmlDeviceGetGpuInstanceProfileInfoV")
def _profile(at: At, profile: int, into: Any) -> int:
    if not at.gpu.mig_capable or profile not in PROFILES_80GB:
        return UNSUPPORTED
    number, slices, memory_mib, _, _ = PROFILES_80GB[profile]
    into._obj.id, into._obj.sliceCount, into._obj.memorySizeMB = number, slices, memory_mib
    into._obj.name = _NAMES[slices]
    return OK


@device("nvmlDeviceGetGpuInstancePossiblePlacements_v2")
def _placements(_at: At, profile: int, into: Any, count: Any) -> int:
    starts, size = next((one[3], one[4]) for one in PROFILES_80GB.values() if one[0] == profile)
    count._obj.value = len(starts)
    for slot, start in zip(into or (), starts, strict=False):
        slot.start, slot.size = start, size
    return OK


@device("nvmlDeviceGetGpuInstanceById")
def _by_id(at: At, number: int, into: Any) -> int:
    _to(into, next(one.handle for one in at.gpu.instances if one.number == number))
    return OK


@device("nvmlGpuInstanceGetInfo")
def _info(at: At, into: Any) -> int:
    assert at.instance is not None
    into._obj.placement.start, into._obj.placement.size = at.instance.start, at.instance.size
    return OK


@device("nvmlDeviceGetComputeRunningProcesses_v3")
def _compute(at: At, count: Any, into: Any) -> int:
    return _processes(at, count, into, mps=False)


@device("nvmlDeviceGetMPSComputeRunningProcesses_v3")
def _mps(at: At, count: Any, into: Any) -> int:
    return _processes(at, count, into, mps=True)


def _processes(at: At, count: Any, into: Any, *, mps: bool) -> int:
    here = at.gpu.processes.values()
    found = [one for one in here if one.mps == mps and (at.instance is None or one.instance == at.instance.number)]
    room, count._obj.value = count._obj.value, len(found)
    if into is None or room < len(found):
        return SMALL if found else OK
    for slot, one in zip(into, found, strict=False):
        slot.pid, slot.usedGpuMemory, slot.gpuInstanceId = one.pid, one.used_mib * MIB, one.instance & 0xFFFFFFFF
    return OK


@device("nvmlDeviceGetProcessUtilization")
def _utilization(at: At, into: Any, count: Any, since: Any) -> int:
    """The header names no code for the call that only asks for the room; pynvml expects that of a small buffer."""
    found = [one for one in at.gpu.samples if one[0] > since.value]
    if at.gpu.mig:
        return UNSUPPORTED
    if not found:
        return NOT_FOUND
    count._obj.value = len(found)
    for slot, (moment, pid, percent) in zip(into or (), found, strict=False):
        slot.timeStamp, slot.pid, slot.smUtil = moment, pid, percent
    return SMALL if into is None else OK


@device("nvmlDeviceGetUtilizationRates")
def _rates(at: At, into: Any) -> int:
    into._obj.gpu = min(100, sum(one.sm_percent for one in at.gpu.processes.values()))
    return UNSUPPORTED if at.gpu.mig else OK


@device("nvmlDeviceGetTotalEccErrors")
def _ecc(at: At, kind: Any, counter: Any, into: Any) -> int:
    assert (kind.value, counter.value) == (1, 0), "uncorrected and volatile"
    _to(into, at.gpu.ecc)
    return OK


@device("nvmlDeviceGetRemappedRows")
def _remapped(at: At, *into: Any) -> int:
    for reference, value in zip(into, (0, 0, 0, int(at.gpu.remap_failed)), strict=True):
        _to(reference, value)
    return OK


@device("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
def _reasons(at: At, into: Any) -> int:
    _to(into, at.gpu.slow)
    return OK


@device("nvmlDeviceGetComputeMode")
def _compute_mode(at: At, into: Any) -> int:
    _to(into, at.gpu.compute_mode)
    return OK


@plain("nvmlEventSetCreate")
def _event_set(_driver: SimulatedDriver, into: Any) -> int:
    _to(into, 0x77)
    return OK


@device("nvmlDeviceGetSupportedEventTypes")
def _event_types(_at: At, into: Any) -> int:
    _to(into, 0x1F)
    return OK


@device("nvmlDeviceRegisterEvents")
def _register(at: At, types: Any, _events: Any) -> int:
    at.driver.watched[at.gpu.uuid] = types.value
    return OK


@plain("nvmlEventSetWait_v2")
def _wait(driver: SimulatedDriver, _events: Any, into: Any, timeout: Any) -> int:
    assert timeout.value == 0, "nobody waits here"
    if not driver.events:
        return CODES["NVML_ERROR_TIMEOUT"]
    uuid, kind, number, instance = driver.events.popleft()
    into._obj.device = ctypes.cast(ctypes.c_void_p(driver.gpu(uuid).handle), type(into._obj.device))
    into._obj.eventType, into._obj.eventData, into._obj.gpuInstanceId = kind, number, instance
    return OK


@plain("nvmlEventSetFree")
def _free(_driver: SimulatedDriver, _events: Any) -> int:
    return OK


@device("nvmlDeviceSetMemoryLimits_v1")
def _set_limits(at: At, limits: Any) -> int:
    asked, folder = limits._obj, _folder(limits._obj)
    if at.gpu.mig or at.instance:
        return UNSUPPORTED
    if asked.softLimit > asked.hardLimit or (asked.hardLimit != _MOST and asked.hardLimit > at.gpu.memory_mib * MIB):
        return INVALID
    if not Path(folder).is_dir():
        return CODES["NVML_ERROR_OPERATING_SYSTEM"]
    at.driver.limits.pop((at.gpu.uuid, folder), None)
    if asked.hardLimit != _MOST:
        at.driver.limits[at.gpu.uuid, folder] = (asked.softLimit, asked.hardLimit)
    return OK


@device("nvmlDeviceGetMemoryLimits_v1")
def _get_limits(at: At, limits: Any) -> int:
    asked, folder = limits._obj, _folder(limits._obj)
    if (at.gpu.uuid, folder) not in at.driver.limits:
        return NOT_FOUND
    asked.softLimit, asked.hardLimit = at.driver.limits[at.gpu.uuid, folder]
    return OK


@device("nvmlGpmQueryDeviceSupport")
def _gpm_support(at: At, into: Any) -> int:
    into._obj.isSupportedDevice = int("A100" not in at.gpu.name)
    return OK


@plain("nvmlGpmSampleAlloc")
def _gpm_alloc(driver: SimulatedDriver, into: Any) -> int:
    number = next(driver.handles)
    driver.counters[number] = ("", 0)
    _to(into, number)
    return OK


@plain("nvmlGpmSampleFree")
def _gpm_free(driver: SimulatedDriver, sample: Any) -> int:
    del driver.counters[ctypes.cast(sample, ctypes.c_void_p).value or 0]
    return OK


@device("nvmlGpmMigSampleGet")
def _gpm_sample(at: At, instance: int, sample: Any) -> int:
    busy = sum(one.sm_percent for one in at.gpu.processes.values() if one.instance == instance)
    at.driver.counters[ctypes.cast(sample, ctypes.c_void_p).value or 0] = (at.gpu.uuid, busy)
    return OK


@plain("nvmlGpmMetricsGet")
def _gpm_metrics(driver: SimulatedDriver, asked: Any) -> int:
    """As if the instance had been as busy all the time as it is at the second sample."""
    numbers = [ctypes.cast(sample, ctypes.c_void_p).value or 0 for sample in (asked._obj.sample1, asked._obj.sample2)]
    first, second = (driver.counters[number] for number in numbers)
    if first[0] != second[0]:
        return INVALID
    asked._obj.metrics[0].value = float(second[1])
    return OK
