# SPDX-License-Identifier: Apache-2.0
"""What if MIG were on: shares become instances, with the sizes and starts that the hardware allows. Nothing leaves.

A share takes the smallest profile that holds it, and so many eighths (A30: fourths) of its device as that profile has
memory slices: what it asked for and what it costs differ, and the difference is what MIG costs. Any policy chooses the
node; on the node the fullest device with a legal start is cut, at the start that leaves the most starts to others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.mig.layout import profile_for
from colonnade.fabric.mig.profiles import Geometry, Profile, geometry_of
from colonnade.fabric.placement.cluster import Cluster, Placer, Slot


class Partitions:
    """The devices of a cluster that can be cut, and how they are cut by now.

    Args:
        cluster: its free milli are followed; the caller takes what is served.
        placer: chooses nodes.
    """

    def __init__(self, cluster: Cluster, placer: Placer) -> None:
        self._cluster, self._placer = cluster, placer
        self._geometries: dict[Geometry, tuple[str, ...]] = {}
        for model in cluster.models:
            geometry = geometry_of(model)
            if geometry is not None:
                self._geometries[geometry] = (*self._geometries.get(geometry, ()), model)
        self._used = np.zeros(cluster.milli.shape, dtype=np.int64)
        cut = self._of([model for models in self._geometries.values() for model in models])
        self._whole_nodes: NDArray[np.bool_] = np.logical_not(cut.any(1))

    def serve(self, claim: Claim) -> tuple[Claim, Slot] | None:
        """What the claim takes, and where; it counts as cut from here on. None when it fits nowhere.

        Whole devices are given whole. Shares go to devices that can be cut first, and else to nodes without any.
        """
        if not claim.gpus or claim.gpu_milli == WHOLE:
            slot = self._placer.choose(claim)
            return None if slot is None else (claim, slot)
        for geometry, there in self._geometries.items():
            profile = profile_for(claim, geometry)
            models = tuple(model for model in there if not claim.models or model in claim.models)
            if profile is not None and models and (served := self._cut(claim, geometry, profile, models)):
                return served
        slot = self._placer.choose(claim, self._whole_nodes)
        return None if slot is None else (claim, slot)

    def _cut(
        self, claim: Claim, geometry: Geometry, profile: Profile, models: tuple[str, ...]
    ) -> tuple[Claim, Slot] | None:
        cost = WHOLE * profile.size // geometry.slices
        taken = replace(claim, gpu_milli=cost, gpu_mib=0, gpu_limit_mib=0, models=models)
        free = self._cluster.usable(taken) & (self._cluster.milli >= cost)
        legal = free & np.any([self._used & bits == 0 for bits in map(_bits, *_spans(profile))], axis=0)
        slot = self._placer.choose(taken, legal.sum(1) >= claim.gpus)
        if slot is None:
            return None
        places = np.flatnonzero(legal[slot.node])
        fullest = places[np.argsort(self._cluster.milli[slot.node, places], kind="stable")][: claim.gpus]
        for place in fullest.tolist():
            self._used[slot.node, place] |= self._best(geometry, profile, int(self._used[slot.node, place]))
        return taken, Slot(slot.node, tuple(fullest.tolist()))

    def _best(self, geometry: Geometry, profile: Profile, used: int) -> int:
        """The slices of the start that leaves the most starts of all profiles free; of equals the last."""
        fitting = [bits for bits in map(_bits, *_spans(profile)) if not used & bits]
        return max(reversed(fitting), key=lambda bits: _starts_left(geometry, used | bits))

    def _of(self, models: Sequence[str]) -> NDArray[np.bool_]:
        return np.isin(self._cluster.model, [self._cluster.models.index(model) for model in models])


def _bits(start: int, size: int) -> int:
    """Memory slices as bits.

    >>> bin(_bits(4, 2))
    '0b110000'
    """
    return ((1 << size) - 1) << start


def _spans(profile: Profile) -> tuple[list[int], list[int]]:
    """Starts and sizes of a profile, side by side."""
    return list(profile.starts), [profile.size] * len(profile.starts)


def _starts_left(geometry: Geometry, used: int) -> int:
    return sum(not used & _bits(start, profile.size) for profile in geometry.profiles for start in profile.starts)
