# SPDX-License-Identifier: Apache-2.0
"""The devices of this machine as NVML lists them: whole GPUs, and the instances of those in MIG mode. Reads only.

A GPU in MIG mode is no device itself: CUDA runs on its instances, and only there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from colonnade.adapters.devices.nvml.library import NOT_FOUND, Failed, Gone, Library
from colonnade.adapters.devices.nvml.names import model_of, profile_from, profile_of

MIB = 1 << 20
ENABLED = 1
SILENT = "does not answer"


@dataclass(frozen=True, slots=True)
class Found:
    """A GPU, or an instance of one.

    Attributes:
        handle: NVML's, good until it is closed.
        gpu: the uuid of the GPU itself; of an instance, that of the GPU that it is on.
        instance: its GPU instance's id; -1 for a whole GPU.
        alone: whether its memory is its own: false for a compute instance that shares a GPU instance with others.
        split: whether the GPU is in MIG mode (then it is listed for its health, and offered by its instances only).
        lost: why it does not answer, or "".
        parent: the handle of the GPU that an instance is on.
    """

    handle: Any
    uuid: str
    gpu: str
    model: str
    memory_mib: int
    profile: str = ""
    instance: int = -1
    alone: bool = True
    split: bool = False
    lost: str = ""
    parent: Any = None


def look(
    library: Library, before: Mapping[int, Found], offered_before: Sequence[Found] = ()
) -> tuple[dict[int, Found], list[Found]]:
    """GPUs by NVML's index, and all that is offered: whole GPUs and instances, in order of index.

    Args:
        before, offered_before: what was last seen. A GPU that does not answer now is told as it was, with `lost` set,
            and so are its instances; one that never answered cannot be named and is left out.
    """
    count = library.ask(None, "nvmlDeviceGetCount")
    if count is None:  # nobody was taken out of the machine: the driver is silent
        silent = {index: replace(gpu, lost=gpu.lost or SILENT) for index, gpu in before.items()}
        return silent, [replace(one, lost=one.lost or SILENT) for one in offered_before]
    gpus: dict[int, Found] = {}
    offered: list[Found] = []
    for index in range(int(count)):
        gpu: Found | None
        try:
            gpu = _gpu(library, index)
        except Gone as gone:
            gpu = _missed(before.get(index), gone)
        except Failed as failed:
            library.note(failed)
            gpu = before.get(index)
        if gpu is None:
            continue
        gpus[index] = gpu
        if not gpu.split:
            offered.append(gpu)
        elif gpu.lost:
            offered += [replace(one, lost=gpu.lost) for one in offered_before if one.gpu == gpu.uuid]
        else:
            offered += _instances(library, gpu)
    return gpus, offered


def _missed(before: Found | None, gone: Gone) -> Found | None:
    lost = "gone" if "lost" in str(gone) else "needs a reset"
    return replace(before, lost=lost) if before else None


def _gpu(library: Library, index: int) -> Found:
    handle = library.call("nvmlDeviceGetHandleByIndex", index)
    uuid = str(library.call("nvmlDeviceGetUUID", handle))
    name = str(library.ask("GPU", "nvmlDeviceGetName", handle))
    total_mib = memory(library, handle)[0]
    split = library.ask((0, 0), "nvmlDeviceGetMigMode", handle)[0] == ENABLED
    return Found(handle, uuid, uuid, model_of(name, total_mib), total_mib, split=split)


def memory(library: Library, handle: Any) -> tuple[int, int]:
    """MiB in all and in use, without what the driver keeps for itself where it tells; zeros when nobody knows."""
    versioned = getattr(library.nvml, "nvmlMemory_v2", None)
    found = library.ask(None, "nvmlDeviceGetMemoryInfo", handle, versioned)
    if found is None:
        found = library.ask(None, "nvmlDeviceGetMemoryInfo", handle)
    return (int(found.total) // MIB, int(found.used) // MIB) if found is not None else (0, 0)


def _instances(library: Library, gpu: Found) -> Iterator[Found]:
    for index in range(int(library.ask(0, "nvmlDeviceGetMaxMigDeviceCount", gpu.handle))):
        try:
            handle = library.call("nvmlDeviceGetMigDeviceHandleByIndex", gpu.handle, index)
            uuid = str(library.call("nvmlDeviceGetUUID", handle))
        except Failed as failed:
            if failed.code != NOT_FOUND:  # an empty place is no news
                library.note(failed)
            continue
        yield _instance(library, gpu, handle, uuid)


def _instance(library: Library, gpu: Found, handle: Any, uuid: str) -> Found:
    def ask(weaker: Any, function: str) -> Any:
        return _or(lambda: library.ask(weaker, function, handle), weaker)

    attributes = ask(None, "nvmlDeviceGetAttributes_v2")
    total_mib = _or(lambda: memory(library, handle), (0, 0))[0]
    slices = compute = 0
    if attributes is not None:
        slices, compute = int(attributes.gpuInstanceSliceCount), int(attributes.computeInstanceSliceCount)
        total_mib = total_mib or int(attributes.memorySizeMB)
    profile = profile_of(str(ask("", "nvmlDeviceGetName")))
    if not profile and slices:
        profile = profile_from(slices, compute, total_mib, gpu.memory_mib)
    alone = compute >= slices > 0 or (not slices and "c." not in profile)
    number = int(ask(-1, "nvmlDeviceGetGpuInstanceId"))
    return Found(handle, uuid, gpu.uuid, gpu.model, total_mib, profile or "unknown", number, alone, parent=gpu.handle)


def _or(ask: Callable[[], Any], weaker: Any) -> Any:
    """The weaker answer also where the GPU goes away between two questions: the next look tells it."""
    try:
        return ask()
    except Gone:
        return weaker
