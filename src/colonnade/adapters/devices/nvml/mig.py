# SPDX-License-Identifier: Apache-2.0
"""What a GPU could be split into, and how it is split now: profiles, and where each may legally start. Reads only.

No instance is made or unmade here: existing ones are used. Changing a GPU's instances needs that nothing runs on it,
and that nobody else manages it; that is for a person, or for the cluster, to decide.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

from colonnade.adapters.devices.nvml.found import Found
from colonnade.adapters.devices.nvml.library import NOT_SUPPORTED, Failed, Gone, Library
from colonnade.adapters.devices.nvml.names import profile_from, profile_of


@dataclass(frozen=True, slots=True)
class Profile:
    """A way to split: its name, slices of compute, MiB, and legal placements as (start, size) in slices of memory."""

    name: str
    slices: int
    memory_mib: int
    placements: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Split:
    """A GPU and MIG.

    Attributes:
        capable: whether the GPU can do it.
        enabled: whether it is in that mode now.
        profiles: what it could hold; empty where that may not be asked (NVML wants root for placements).
        taken: (start, size) of each GPU instance that exists; empty where that may not be asked.
    """

    gpu: str
    capable: bool
    enabled: bool
    profiles: Sequence[Profile] = ()
    taken: Sequence[tuple[int, int]] = ()


def split_of(library: Library, gpu: Found, instances: Sequence[Found]) -> Split:
    """How this GPU is split, and could be."""
    if gpu.lost:
        return Split(gpu.uuid, False, False)
    try:
        library.call("nvmlDeviceGetMigMode", gpu.handle)
        profiles = tuple(_profiles(library, gpu))
        taken = _taken(library, gpu, instances) if gpu.split else ()
    except Gone:
        return Split(gpu.uuid, False, False)
    except Failed as failed:
        if failed.code != NOT_SUPPORTED:
            library.note(failed)
        return Split(gpu.uuid, False, False)
    return Split(gpu.uuid, True, gpu.split, profiles, taken)


def _profiles(library: Library, gpu: Found) -> list[Profile]:
    found = []
    for number in range(int(getattr(library.nvml, "NVML_GPU_INSTANCE_PROFILE_COUNT", 0))):
        try:
            info = library.call("nvmlDeviceGetGpuInstanceProfileInfo", gpu.handle, number)
        except Gone:
            raise
        except Failed as failed:
            if failed.code != NOT_SUPPORTED:  # a profile that other models have
                library.note(failed)
            continue
        name = profile_of(str(info.name)) or profile_from(
            int(info.sliceCount), int(info.sliceCount), int(info.memorySizeMB), gpu.memory_mib
        )
        places = _placements(library, gpu, int(info.id))
        found.append(Profile(name, int(info.sliceCount), int(info.memorySizeMB), places))
    return found


def _placements(library: Library, gpu: Found, profile: int) -> tuple[tuple[int, int], ...]:
    """Where an instance of the profile may start; () where it may not be asked."""
    function = "nvmlDeviceGetGpuInstancePossiblePlacements"
    count = ctypes.c_uint(0)
    if library.ask(None, function, gpu.handle, profile, None, ctypes.byref(count)) is None or not count.value:
        return ()
    places = (library.nvml.c_nvmlGpuInstancePlacement_t * count.value)()
    if library.ask(None, function, gpu.handle, profile, places, ctypes.byref(count)) is None:
        return ()
    return tuple((int(place.start), int(place.size)) for place in places[: count.value])


def _taken(library: Library, gpu: Found, instances: Sequence[Found]) -> tuple[tuple[int, int], ...]:
    taken = []
    for number in sorted({one.instance for one in instances if one.gpu == gpu.uuid and one.instance >= 0}):
        handle = library.ask(None, "nvmlDeviceGetGpuInstanceById", gpu.handle, number)
        info = None if handle is None else library.ask(None, "nvmlGpuInstanceGetInfo", handle)
        if info is not None:
            taken.append((int(info.placement.start), int(info.placement.size)))
    return tuple(taken)
