# SPDX-License-Identifier: Apache-2.0
"""MIG profiles and where each may legally start, per device model: data, nothing computed.

A device has memory slices (8; A30: 4) and compute slices (7; A30: 4). An instance takes `size` memory slices in a row
from one of `starts`; two instances never overlap there. The starts are such that what fits by memory also fits by
compute: slice 7 has no compute of its own, so that only instances wider than their compute reach it.

Sources: NVIDIA, MIG User Guide, "Supported MIG Profiles" (profiles, instances available) and "Getting Started" (the
listings `nvidia-smi mig -lgip`, memory per instance, and `-lgipp`, placements as `{starts}:size`). Listings of
`-lgipp` from A30, A100 and H100 machines agree with the starts here; H200 has H100's, by its table in the guide.
Memory is the least that a listing showed (it differs by a few MiB with driver and ECC); where a driver answers, ask
the driver. The variants with media engines (`+me`, `+gfx`) are left out: their starts are those of the plain profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """A kind of instance.

    Attributes:
        name: the driver's name of it ("3g.40gb").
        compute: compute slices.
        size: memory slices, all in a row.
        starts: first memory slices at which the driver creates it, rising.
        memory_mib: usable memory of one instance.
    """

    name: str
    compute: int
    size: int
    starts: tuple[int, ...]
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """What one device model can be cut into.

    Attributes:
        model: as `core.claims.Device.model` says it.
        compute, slices: compute slices and memory slices of the whole.
        profiles: from small to large.
    """

    model: str
    compute: int
    slices: int
    profiles: tuple[Profile, ...]

    def profile(self, name: str) -> Profile:
        """By its name. `KeyError` where the model has no such profile."""
        for profile in self.profiles:
            if profile.name == name:
                return profile
        raise KeyError(f"{self.model} has no MIG profile {name}")


SEVEN = ((1, 1, tuple(range(7))), (1, 2, (0, 2, 4, 6)), (2, 2, (0, 2, 4)), (3, 4, (0, 4)), (4, 4, (0,)), (7, 8, (0,)))
"""Compute, size and starts of the profiles of a device with seven compute and eight memory slices."""
FOUR = ((1, 1, (0, 1, 2, 3)), (2, 2, (0, 2)), (4, 4, (0,)))
"""The same of a device with four of each."""


def _geometry(model: str, shapes: tuple[tuple[int, int, tuple[int, ...]], ...], sold_gb: str, mib: str) -> Geometry:
    kinds = zip(shapes, sold_gb.split(), mib.split(), strict=True)
    profiles = tuple(Profile(f"{c}g.{gb}gb", c, size, starts, int(m)) for (c, size, starts), gb, m in kinds)
    return Geometry(model, profiles[-1].compute, profiles[-1].size, profiles)


GEOMETRIES: Mapping[str, Geometry] = {
    geometry.model: geometry
    for geometry in (
        _geometry("A30-24GB", FOUR, "6 12 24", "5836 11672 23344"),
        _geometry("A100-40GB", SEVEN, "5 10 10 20 20 40", "4864 9856 9856 19968 19968 40192"),
        _geometry("A100-80GB", SEVEN, "10 20 20 40 40 80", "9728 19968 19968 40192 40192 80384"),
        _geometry("H100-80GB", SEVEN, "10 20 20 40 40 80", "9984 20090 20090 40448 40448 81152"),
        _geometry("H200-141GB", SEVEN, "18 35 35 71 71 141", "16384 33024 33024 71168 71168 143360"),
    )
}
"""By model, as a Device says it."""


def geometry_of(model: str) -> Geometry | None:
    """How a model can be cut; None where it cannot, or where we do not know. Also by the driver's longer names.

    >>> geometry_of("NVIDIA H100 80GB HBM3").model, geometry_of("A100-SXM4-40GB").model, geometry_of("L40S")
    ('H100-80GB', 'A100-40GB', None)
    """
    if model in GEOMETRIES:
        return GEOMETRIES[model]
    words = model.upper().replace("-", " ").split()
    for known, geometry in GEOMETRIES.items():
        chip, memory = known.split("-")
        if chip in words and (memory in words or chip in ("H200", "A30")):
            return geometry
    return None
