# SPDX-License-Identifier: Apache-2.0
"""Choose device and start of each MIG instance so that what is left stays worth the most. No moves, driver or clock.

Never refuses what some legal placement fits. The same history gives the same choices; nothing hangs on a device's
name, and ties go to the lower index.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from colonnade.fabric.mig.demand import Demand
from colonnade.fabric.mig.profiles import Geometry
from colonnade.fabric.mig.states import states_of
from colonnade.fabric.mig.worth import Floats, prices, worths

FIRST_LOOK = 64
"""Requests after which the worths are first made anew from what was learned; then after twice as many, up to LOOK."""
LOOK = 1024


class Spot(NamedTuple):
    """Where an instance goes: the device's index, the profile, and its first memory slice."""

    gpu: int
    profile: str
    start: int


class _Kind:
    """The devices of one geometry, by class of layout."""

    def __init__(self, geometry: Geometry, profiles: Sequence[str]) -> None:
        known = {profile.name for profile in geometry.profiles}
        self.names = tuple(name for name in profiles if name in known)
        self.local = {name: p for p, name in enumerate(self.names)}
        self.to_all = np.array([profiles.index(name) for name in self.names], dtype=np.int64)
        self.states = states_of(geometry, self.names)
        count = len(self.states.fits)
        fits = [np.flatnonzero(row) for row in self.states.fits]
        self.fits: list[list[int]] = [self.to_all[row].tolist() for row in fits]
        self.before = [pairs[:, 0].copy() for pairs in self.states.adds]
        self.after = [pairs[:, 1].copy() for pairs in self.states.adds]
        self.class_of: list[int] = self.states.kind.tolist()
        self.gain: list[Floats] = []
        self.members: list[list[int]] = [[] for _ in range(count)]
        self.present = np.zeros(count, dtype=bool)
        self.gpus = 0

    def learn(self, knock: Floats, end: Floats) -> None:
        """New rates for the profiles of this kind, per device."""
        worth = worths(self.states, knock, end)
        self.gain = [worth[after] - worth[before] for before, after in zip(self.before, self.after, strict=True)]

    def join(self, kind: int, gpu: int) -> None:
        insort(self.members[kind], gpu)
        self.present[kind] = True

    def leave(self, kind: int, gpu: int) -> None:
        members = self.members[kind]
        del members[bisect_left(members, gpu)]
        self.present[kind] = bool(members)


class MigPlacer:
    """An engine over the devices of a cluster or of one machine. It chooses; the caller takes and gives.

    Args:
        geometries: one a device, in the caller's order.
        profiles: those that will ever be asked for; None for all that the devices know.
        erlangs: offered load by profile, when it is known; else it is learned from what is asked and what ends.
    """

    def __init__(
        self,
        geometries: Sequence[Geometry],
        *,
        profiles: Sequence[str] | None = None,
        erlangs: Mapping[str, float] | None = None,
    ) -> None:
        every = dict.fromkeys(p.name for geometry in dict.fromkeys(geometries) for p in geometry.profiles)
        self.profiles = tuple(every) if profiles is None else tuple(profiles)
        self.index = {name: p for p, name in enumerate(self.profiles)}
        self._kinds: dict[Geometry, _Kind] = {}
        self._kind_of: list[_Kind] = []
        self._layout = [0] * len(geometries)
        self._open = [True] * len(geometries)
        self._openings = [0] * len(self.profiles)
        for gpu, geometry in enumerate(geometries):
            kind = self._kinds.setdefault(geometry, _Kind(geometry, self.profiles))
            self._kind_of.append(kind)
            kind.gpus += 1
            self._count(gpu, 1)
        self._learning = erlangs is None
        self._demand = Demand(self._guess(geometries))
        if erlangs is not None:
            given = np.array([erlangs.get(name, 0.0) for name in self.profiles])
            self._price_all(given, np.ones(len(given)))
        else:
            self._price_all(*self._demand.rates())
        self._next_look = FIRST_LOOK
        self._asked = 0

    def choose(self, *profiles: str) -> Spot | None:
        """Where one instance of one of these profiles should go; None exactly when no legal placement is left.

        Several names are one request that any of them serves (a profile per device model). Counts as one request for
        what is learned, by the first name. Takes nothing. `KeyError` for a profile that was not announced.
        """
        self._look(self.index[profiles[0]])
        price = np.array([tail[count] for tail, count in zip(self._tails, self._openings, strict=True)])
        best, found = -np.inf, None
        for kind in self._kinds.values():
            for name in profiles:
                p = kind.local.get(name)
                if p is None:
                    continue
                score = kind.gain[p] @ price[kind.to_all]
                score[~kind.present[kind.before[p]]] = -np.inf
                move = int(score.argmax()) if len(score) else -1
                if move >= 0 and score[move] > best:
                    best, found = float(score[move]), (kind, name, p, move)
        return None if found is None else self._spot(*found)

    def take(self, spot: Spot) -> None:
        """The instance is now there. `ValueError` where that is not a legal placement in what is left."""
        kind = self._kind_of[spot.gpu]
        after = kind.states.after_add[self._layout[spot.gpu]].get((kind.local[spot.profile], spot.start))
        if after is None:
            raise ValueError(f"{spot.profile} cannot start at {spot.start} on device {spot.gpu} now")
        self._become(spot.gpu, after)
        self._demand.start(self.index[spot.profile])

    def give(self, spot: Spot) -> None:
        """The instance is no longer there. `ValueError` where none was."""
        kind = self._kind_of[spot.gpu]
        after = kind.states.after_remove[self._layout[spot.gpu]].get((kind.local[spot.profile], spot.start))
        if after is None:
            raise ValueError(f"no {spot.profile} starts at {spot.start} on device {spot.gpu}")
        self._become(spot.gpu, after)
        self._demand.end(self.index[spot.profile])

    def cordon(self, gpu: int, *, closed: bool = True) -> None:
        """Close a device to new instances, or open it again; what is there stays."""
        if self._open[gpu] is closed:
            self._count(gpu, -1 if closed else 1)
            self._open[gpu] = not closed

    def openings(self) -> dict[str, int]:
        """On how many open devices one more instance of each profile fits."""
        return dict(zip(self.profiles, self._openings, strict=True))

    def erlangs(self) -> dict[str, float]:
        """The offered load by profile, as learned so far."""
        return dict(zip(self.profiles, self._demand.rates()[0].tolist(), strict=True))

    def _guess(self, geometries: Sequence[Geometry]) -> Floats:
        """As if every profile were asked equally often, for as much memory as there is."""
        slices = sum(g.slices for g in geometries) or 1
        sizes = [max(p.size for g in self._kinds for p in g.profiles if p.name == name) for name in self.profiles]
        return np.full(len(sizes), slices / max(sum(sizes), 1))

    def _price_all(self, erlangs: Floats, end: Floats) -> None:
        self._known = erlangs
        self._tails = [prices(float(offered), len(self._layout)).tolist() for offered in erlangs]
        offering = np.zeros(len(self.profiles))
        for kind in self._kinds.values():
            offering[kind.to_all] += kind.gpus
        for kind in self._kinds.values():
            kind.learn((erlangs / np.maximum(offering, 1))[kind.to_all], end[kind.to_all])

    def _look(self, asked: int) -> None:
        self._demand.ask(asked)
        self._asked += 1
        if self._learning and self._asked >= self._next_look:
            self._next_look = self._asked + min(self._asked, LOOK)
            erlangs, end = self._demand.rates()
            if np.abs(np.log(erlangs / self._known)).max() > 0.1:
                self._price_all(erlangs, end)

    def _spot(self, kind: _Kind, name: str, p: int, move: int) -> Spot:
        gpu = kind.members[int(kind.before[p][move])][0]
        want = int(kind.after[p][move])
        reached = kind.states.after_add[self._layout[gpu]]
        start = min(s for (q, s), to in reached.items() if q == p and kind.class_of[to] == want)
        return Spot(gpu, name, start)

    def _become(self, gpu: int, layout: int) -> None:
        if self._open[gpu]:
            self._count(gpu, -1)
        self._layout[gpu] = layout
        if self._open[gpu]:
            self._count(gpu, 1)

    def _count(self, gpu: int, sign: int) -> None:
        kind = self._kind_of[gpu]
        number = kind.class_of[self._layout[gpu]]
        (kind.join if sign > 0 else kind.leave)(number, gpu)
        for p in kind.fits[number]:
            self._openings[p] += sign
