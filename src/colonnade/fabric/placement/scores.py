# SPDX-License-Identifier: Apache-2.0
"""What each slot would cost, kept for every claim shape and node, and computed again only where something changed.

The cost of a slot is the forecast of the node after the claim less the forecast before. This module keeps the numbers;
who chooses by them is `engine` (one cluster) and `rehearsal` (many small ones at once).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import ISOLATIONS, WHOLE, Claim
from colonnade.fabric.placement.cluster import Cluster
from colonnade.fabric.placement.demand import GRID
from colonnade.fabric.placement.forecast import LAST, Floats, Forecast, Ints

UNKNOWN_MIB = 1 << 40
"""What a cluster writes for a device of unknown memory."""
TIGHT_CPU = 2.0**-27
TIGHT_MEMORY = 2.0**-37 / 4096
"""Ties go to the node with less CPU left, then less memory: below the forecast's quantum of 1/1024, so ties only."""
NODES_AT_ONCE = 1024
PLACES_AT_ONCE = 1 << 16
"""Shapes x nodes x devices that one pass works on: what fits a processor's cache."""

Column = tuple[Any, ...]
"""What is kept of one node: arrays and numbers that nobody but this module looks into."""
Rows = slice | Ints
"""Nodes by index; one node alone as a slice, which is a view and therefore much quicker."""
add = np.add.reduce


class Scores:
    """Costs of slots on a live cluster.

    Attributes:
        cost: float64 [S, N], infinite where the shape does not fit.
        device: int64 [S, N], the device of that cost for shapes of one device; undefined for others.
        free_milli: int64 [N, G], the scarcer of share and memory on each device, 0 for a closed one.
    """

    def __init__(self, cluster: Cluster, forecast: Forecast) -> None:
        self.cluster = cluster
        self.forecast = forecast
        nodes, width = cluster.milli.shape
        self._whole_mib = _whole_mib(cluster)
        self._metered = bool((self._whole_mib < UNKNOWN_MIB).any())
        self.free_milli = np.zeros((nodes, width), dtype=np.int64)
        self._total = np.zeros(nodes, dtype=np.int64)
        self._need = np.zeros(nodes, dtype=np.int64)
        self._counts = np.zeros(nodes, dtype=np.int64)
        self._sums = np.zeros((nodes, forecast.device.shape[0]))
        self._now = np.zeros(nodes)
        self._row: dict[Claim, int] = {}
        self._asks = np.zeros((5, 0, 1), dtype=np.int64)
        self._many = np.zeros(0, dtype=np.int64)
        self._single = np.zeros((0, 1), dtype=bool)
        self._plain = np.zeros(0, dtype=bool)
        self._usable = np.zeros((0, nodes, width), dtype=bool)
        self._open = cluster.open.copy()
        self._alike = _alike(cluster)
        kinds: dict[Hashable, int] = {}
        known = [(spec.devices, whole.tobytes()) for spec, whole in zip(cluster.nodes, self._whole_mib, strict=True)]
        self._kind = [kinds.setdefault(kind, len(kinds)) for kind in known]
        self.cost = np.zeros((0, nodes))
        self.device = np.zeros((0, nodes), dtype=np.int64)
        for start in range(0, nodes, NODES_AT_ONCE):
            self._look(np.arange(start, min(nodes, start + NODES_AT_ONCE)))

    def row(self, claim: Claim) -> int:
        """Where the shape's costs stand; a shape that was not asked before is computed for all nodes now."""
        found = self._row.get(claim)
        return self.add([claim]) if found is None else found

    def add(self, claims: Sequence[Claim]) -> int:
        """Keep costs for new shapes from now on; where the first one stands."""
        first, nodes, count = len(self._row), self.cost.shape[1], len(claims)
        for claim in claims:
            self._row[claim] = len(self._row)
        asks = [
            (c.cpu_milli, c.memory_mib, c.gpus, c.gpu_milli if c.gpus else 0, c.gpu_mib if c.gpus else 0)
            for c in claims
        ]
        columns = np.array(asks, dtype=np.int64).reshape(count, 5).T[:, :, None]
        self._asks = np.concatenate([self._asks, columns], axis=1)
        self._single, self._plain = self._asks[2] < 2, self._asks[2, :, 0] == 0
        self._many = np.flatnonzero(~self._single)
        usable = [self.cluster.usable(claim) if claim.gpus else _first_place(self._open) for claim in claims]
        self._usable = np.concatenate([self._usable, np.array(usable).reshape(count, *self.free_milli.shape)])
        self.cost = np.concatenate([self.cost, np.full((count, nodes), np.inf)])
        self.device = np.concatenate([self.device, np.zeros((count, nodes), dtype=np.int64)])
        self._score(slice(first, first + count), np.arange(nodes))
        return first

    def update(self, rows: Ints) -> None:
        """Something changed on these nodes (each named once)."""
        if (self._open[rows] != self.cluster.open[rows]).any():
            self._open = self.cluster.open.copy()
            self._alike = _alike(self.cluster)
            for claim, shape in self._row.items():
                if claim.gpus:
                    self._usable[shape, rows] = self.cluster.usable(claim)[rows]
        here = _view(rows)
        self._look(here)
        self._score(slice(0, len(self._row)), here)

    def knows(self, claim: Claim) -> bool:
        """Whether the shape is kept."""
        return claim in self._row

    @property
    def shapes(self) -> int:
        """How many shapes are kept."""
        return len(self._row)

    def state(self, node: int) -> Hashable | None:
        """All that a node's costs depend on, beside the shapes; None where devices were just cordoned or opened."""
        c = self.cluster
        opened = c.open[node].tobytes()
        if opened != self._open[node].tobytes():
            return None
        free = c.milli[node].tobytes(), c.device_mib[node].tobytes() if self._metered else b""
        return self._kind[node], opened, c.cpu_milli[node].item(), c.memory_mib[node].item(), *free

    def column(self, node: int) -> Column:
        """What is kept of a node, copied."""
        kept = (self.free_milli, self._total, self._need, self._counts, self._sums, self._now)
        return self.cost[:, node].copy(), self.device[:, node].copy(), *(part[node].copy() for part in kept)

    def put(self, node: int, column: Column) -> None:
        """Keep what was computed for a node in the same state, under the same shapes."""
        self.cost[:, node], self.device[:, node], self.free_milli[node], self._total[node] = column[:4]
        self._need[node], self._counts[node], self._sums[node], self._now[node] = column[4:]

    def places(self, claim: Claim, node: int) -> tuple[int, ...]:
        """The devices on a node that the cost was computed for."""
        shape = self._row[claim]
        if claim.gpus == 1:
            return (int(self.device[shape, node]),)
        fits = self._after(self._asks[:, shape : shape + 1], np.array([node]))[0] >= 0
        chosen = _fullest(fits & self._usable[shape, node], self.free_milli[[node]], np.array([claim.gpus]))
        return tuple(np.flatnonzero(chosen[0]).tolist())

    def _look(self, rows: Rows) -> None:
        """Read what is free on these nodes, and forecast what will stay unused there."""
        cluster, forecast = self.cluster, self.forecast
        free = cluster.milli[rows]
        if self._metered:
            free = np.minimum(free, cluster.device_mib[rows] * WHOLE // self._whole_mib[rows])
        free = free * cluster.open[rows]
        level = free // GRID
        self.free_milli[rows] = free
        self._total[rows] = total = add(free, 1)
        self._need[rows] = need = add(forecast.need_milli[level], 1)
        self._counts[rows] = count = add(forecast.counted[level], 1)
        self._sums[rows] = sums = add(forecast.by_level[level], 1)
        bands = forecast.bands(cluster.cpu_milli[rows], total, need)
        now = sums[np.arange(len(total)), bands] + forecast.opens[bands, np.minimum(count, LAST)]
        self._now[rows] = add(now, 0) * (total > 0)

    def _score(self, shapes: slice, rows: Rows) -> None:
        many = self._many[self._many >= shapes.start]
        if isinstance(rows, slice):
            parts: list[Rows] = [rows]
        else:
            step = max(1, PLACES_AT_ONCE // max(1, (shapes.stop - shapes.start) * self.free_milli.shape[1]))
            parts = [rows[start : start + step] for start in range(0, len(rows), step)]
        for part in parts:
            self._score_one(shapes, part)
            if len(many):
                self._score_many(many, part)

    def _score_one(self, shapes: slice, rows: Rows) -> None:
        """Shapes of one device or none: every device is tried that differs from those before it."""
        asks, free = self._asks[:, shapes], self.free_milli[rows]
        cpu, memory = self.cluster.cpu_milli[rows] - asks[0], self.cluster.memory_mib[rows] - asks[1]
        after = self._after(asks, rows)
        room = np.minimum(cpu, memory) >= 0
        room &= self._single[shapes]
        again = (free[:, :, None] == free[:, None, :]) & self._alike[rows]
        if self._metered:
            for held in (self.cluster.milli[rows], self.cluster.device_mib[rows]):
                again &= held[:, :, None] == held[:, None, :]
        fits = after >= 0
        fits &= self._usable[shapes, rows]
        fits &= room[:, :, None]
        fits &= ~again.any(2)
        shape, index, place = fits.nonzero()
        cost = np.full(fits.shape, np.inf)
        if len(shape):
            old = free[index, place]
            then = np.where(self._plain[shapes][shape], old, after[shape, index, place])
            node = index + rows.start if isinstance(rows, slice) else rows[index]
            cost[shape, index, place] = self._forecast(node, cpu[shape, index], old, then)
        self.device[shapes, rows] = cost.argmin(2)
        self.cost[shapes, rows] = np.minimum.reduce(cost, 2) + (cpu * TIGHT_CPU + memory * TIGHT_MEMORY)

    def _forecast(self, node: Ints, cpu: Ints, old: Ints, new: Ints) -> Floats:
        """[K] change of the forecast of nodes where one device goes from old milli free to new, and CPU to `cpu`."""
        forecast = self.forecast
        before, level = old // GRID, new // GRID
        total = self._total[node] + (new - old)
        need = self._need[node] + forecast.need_milli[level] - forecast.need_milli[before]
        count = self._counts[node] + forecast.counted[level] - forecast.counted[before]
        bands = forecast.bands(cpu, total, need)
        value = self._sums[node, bands]
        value += forecast.device[bands, level]
        value -= forecast.device[bands, before]
        value += forecast.opens[bands, np.minimum(count, LAST)]
        return np.asarray(add(value, 0) * (total > 0) - self._now[node])

    def _score_many(self, shapes: Ints, rows: Rows) -> None:
        """Shapes of several devices: the fullest that still fit are taken."""
        asks, forecast = self._asks[:, shapes], self.forecast
        if isinstance(rows, slice) and (self.cluster.milli[rows] >= asks[3].min()).sum() < 2:
            self.cost[shapes, rows] = np.inf
            return
        cpu, memory = self.cluster.cpu_milli[rows] - asks[0], self.cluster.memory_mib[rows] - asks[1]
        after = self._after(asks, rows)
        fits = (after >= 0) & self._usable[:, rows][shapes]
        shape, index = ((add(fits, 2, dtype=np.int64) >= asks[2]) & (np.minimum(cpu, memory) >= 0)).nonzero()
        cost = np.full(cpu.shape, np.inf)
        if len(shape):
            free = self.free_milli[rows][index]
            chosen = _fullest(fits[shape, index], free, asks[2, shape, 0])
            new = np.where(chosen, after[shape, index], free)
            level, total = new // GRID, add(new, 1)
            bands = forecast.bands(cpu[shape, index], total, add(forecast.need_milli[level], 1))
            count = np.minimum(add(forecast.counted[level], 1), LAST)
            value = add(forecast.device[bands[..., None], level], 2) + forecast.opens[bands, count]
            cost[shape, index] = add(value, 0) * (total > 0) - self._now[rows][index]
        cost += cpu * TIGHT_CPU + memory * TIGHT_MEMORY
        if isinstance(rows, slice):
            self.cost[shapes, rows] = cost
        else:
            self.cost[shapes[:, None], rows] = cost

    def _after(self, asks: Ints, rows: Rows) -> Ints:
        """[S, R, G] free milli of each device after the claim took its share there; negative where it does not fit."""
        share = asks[3][:, :, None]
        if not self._metered:
            return np.asarray(self.free_milli[rows] - share)
        milli = self.cluster.milli[rows] - share
        mib = self.cluster.device_mib[rows] - asks[4][:, :, None]
        left = np.where(self.cluster.open[rows], np.minimum(milli, mib * WHOLE // self._whole_mib[rows]), -1)
        return np.where(share > 0, left, self.free_milli[rows])


def _view(rows: Ints) -> Rows:
    return slice(int(rows[0]), int(rows[0]) + 1) if len(rows) == 1 else rows


def _whole_mib(cluster: Cluster) -> Ints:
    """[N, G] memory of each device when nothing is there."""
    whole = np.full(cluster.milli.shape, UNKNOWN_MIB, dtype=np.int64)
    for row, node in enumerate(cluster.nodes):
        for place, device in enumerate(node.devices):
            whole[row, place] = device.memory_mib or UNKNOWN_MIB
    return whole


def _first_place(places: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[N, G] only the first place of each node: where claims without a device are counted."""
    first = np.zeros_like(places)
    first[:, 0] = True
    return first


def _alike(cluster: Cluster) -> NDArray[np.bool_]:
    """[N, G, G] whether an earlier device of the node is of the same model and isolation, and open like it."""
    kind = (cluster.model * len(ISOLATIONS) + cluster.isolation) * 2 + cluster.open
    same = kind[:, :, None] == kind[:, None, :]
    return np.asarray(same & np.tri(cluster.width, k=-1, dtype=bool))


def _fullest(fits: NDArray[np.bool_], free: Ints, wanted: Ints) -> NDArray[np.bool_]:
    """[K, G] the fullest devices that fit, as many as wanted; of equally full ones the first."""
    order = np.argsort(np.where(fits, free, 2 * WHOLE), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    return np.asarray(fits & (rank < wanted[:, None]))
