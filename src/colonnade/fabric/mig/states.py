# SPDX-License-Identifier: Apache-2.0
"""Every layout that one device can be in, and how placing and ending lead from one to another. It values nothing.

Layouts between which no future can tell (an instance in slice 0 or in slice 1) are one class, found by refining a
partition until it is stable: the usual five profiles make 298 layouts of 109 classes.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from colonnade.fabric.mig.profiles import Geometry

Spots = frozenset[tuple[int, int]]
"""A layout: pairs of profile index and start."""


class States:
    """The layouts of a geometry cut into some of its profiles.

    Attributes:
        profiles: their names, P of them.
        spots: the layouts; number 0 is the empty device. `number` finds one again.
        after_add, after_remove: for each layout, the layout after (profile, start) was added or removed.
        kind: int64 [layouts] class of each; class 0 is the empty device. K of them.
        fits: bool [K, P] whether one more instance of a profile fits.
        adds: for each profile, int64 [moves, 2] pairs of classes: before and after, each pair once.
        ends: float64 [K, K, P] how many instances of each profile lead from a class to another when they end.
    """

    def __init__(self, geometry: Geometry, names: tuple[str, ...]) -> None:
        self.geometry = geometry
        self.profiles = names
        self.used = [geometry.profile(name) for name in names]
        self._list_layouts()
        self.kind = self._classes()
        self._arrange()

    def _list_layouts(self) -> None:
        self.spots: list[Spots] = [frozenset()]
        self.number: dict[Spots, int] = {self.spots[0]: 0}
        self.after_add: list[dict[tuple[int, int], int]] = []
        self.after_remove: list[dict[tuple[int, int], int]] = []
        for layout in self.spots:  # grows while we walk: breadth first
            taken = [(start, start + self.used[p].size) for p, start in layout]
            reached = {}
            for p, profile in enumerate(self.used):
                for start in profile.starts:
                    if all(start + profile.size <= low or start >= high for low, high in taken):
                        after = layout | {(p, start)}
                        if after not in self.number:
                            self.number[after] = len(self.spots)
                            self.spots.append(after)
                        reached[p, start] = self.number[after]
            self.after_add.append(reached)
        for layout in self.spots:
            self.after_remove.append({spot: self.number[layout - {spot}] for spot in layout})

    def _classes(self) -> NDArray[np.int64]:
        kind = [0] * len(self.spots)
        while True:
            signs: dict[Hashable, int] = {}
            refined = []
            for number in range(len(self.spots)):
                adds = frozenset((p, kind[to]) for (p, _), to in self.after_add[number].items())
                ends = tuple(sorted((p, kind[to]) for (p, _), to in self.after_remove[number].items()))
                refined.append(signs.setdefault((kind[number], adds, ends), len(signs)))
            if len(signs) == len(set(kind)):
                return np.array(refined, dtype=np.int64)
            kind = refined

    def _arrange(self) -> None:
        count, width = int(self.kind.max()) + 1, len(self.profiles)
        self.fits = np.zeros((count, width), dtype=bool)
        self.ends = np.zeros((count, count, width))
        moves: list[set[tuple[int, int]]] = [set() for _ in self.profiles]
        seen = set()
        for number, kind in enumerate(self.kind.tolist()):
            if kind in seen:
                continue
            seen.add(kind)
            for (p, _), to in self.after_add[number].items():
                self.fits[kind, p] = True
                moves[p].add((kind, int(self.kind[to])))
            for (p, _), to in self.after_remove[number].items():
                self.ends[kind, int(self.kind[to]), p] += 1
        self.adds = [np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2) for pairs in moves]


@cache
def states_of(geometry: Geometry, names: tuple[str, ...]) -> States:
    """The layouts of a geometry cut into these profiles; made once.

    >>> from colonnade.fabric.mig.profiles import GEOMETRIES
    >>> found = states_of(GEOMETRIES["H100-80GB"], ("1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb"))
    >>> len(found.spots), len(found.fits)
    (298, 109)
    """
    return States(geometry, names)
