# SPDX-License-Identifier: Apache-2.0
"""What each slot would cost, kept for every claim shape and node, and computed again only where something changed.

The cost of a slot is the forecast of the node after the claim less the forecast before. This module keeps the numbers;
who chooses by them is `engine` (one cluster) and `rehearsal` (many small ones at once).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import WHOLE, Claim
from colonnade.fabric.placement.cluster import Cluster
from colonnade.fabric.placement.demand import GRID
from colonnade.fabric.placement.forecast import OPEN, Floats, Forecast, Ints

UNKNOWN_MIB = 1 << 40
"""What a cluster writes for a device of unknown memory; anything above half of it counts as unknown."""
TIGHT_CPU = 2.0**-27
TIGHT_MEMORY = 2.0**-37 / 4096
"""Ties go to the node with less CPU left, then less memory: below the forecast's quantum of 1/1024, so ties only."""
NODES_AT_ONCE = 1024
PLACES_AT_ONCE = 1 << 16
"""Shapes x nodes x devices that one pass works on: what fits a processor's cache."""


class Scores:
    """Costs of slots on a live cluster.

    Attributes:
        cost: float64 [S, N], infinite where the shape does not fit; a row is valid after `update`.
        device: int16 [S, N], the device of that cost for shapes of one device; undefined for others.
    """

    def __init__(self, cluster: Cluster, forecast: Forecast) -> None:
        self.cluster = cluster
        self.forecast = forecast
        nodes, width = cluster.milli.shape
        self._whole_mib = np.maximum(cluster.device_mib, 1)
        self._metered = bool((cluster.open & (cluster.device_mib < UNKNOWN_MIB // 2)).any())
        self._free = np.zeros((nodes, width), dtype=np.int64)
        self._total = np.zeros(nodes, dtype=np.int64)
        self._need = np.zeros(nodes, dtype=np.int64)
        self._fillable = np.zeros(nodes, dtype=np.int64)
        self._sums = np.zeros((nodes, forecast.device.shape[0]))
        self._now = np.zeros(nodes)
        self._row: dict[Claim, int] = {}
        self._asks = np.zeros((0, 5), dtype=np.int64)
        self._usable = np.zeros((0, nodes, width), dtype=bool)
        self.cost = np.zeros((0, nodes))
        self.device = np.zeros((0, nodes), dtype=np.int16)
        self._open = cluster.open.copy()
        for start in range(0, nodes, NODES_AT_ONCE):
            self._look(np.arange(start, min(nodes, start + NODES_AT_ONCE)))

    def row(self, claim: Claim) -> int:
        """Where the shape's costs stand; a shape that was not asked before is computed for all nodes now."""
        found = self._row.get(claim)
        return self.add([claim]) if found is None else found

    def add(self, claims: Sequence[Claim]) -> int:
        """Keep costs for new shapes from now on; where the first one stands."""
        first, nodes = len(self._row), self.cost.shape[1]
        for claim in claims:
            self._row[claim] = len(self._row)
        asks = [
            (c.cpu_milli, c.memory_mib, c.gpus, c.gpu_milli if c.gpus else 0, c.gpu_mib if c.gpus else 0)
            for c in claims
        ]
        count = len(claims)
        self._asks = np.concatenate([self._asks, np.array(asks, dtype=np.int64).reshape(count, 5)])
        usable = np.stack([self.cluster.usable(claim) for claim in claims])
        self._usable = np.concatenate([self._usable, usable])
        self.cost = np.concatenate([self.cost, np.empty((count, nodes))])
        self.device = np.concatenate([self.device, np.zeros((count, nodes), dtype=np.int16)])
        self._score(np.arange(first, first + count), np.arange(nodes))
        return first

    def update(self, rows: Ints) -> None:
        """Something changed on these nodes (each named once)."""
        if (self._open[rows] != self.cluster.open[rows]).any():
            self._open[rows] = self.cluster.open[rows]
            for claim, shape in self._row.items():
                self._usable[shape, rows] = self.cluster.usable(claim)[rows]
        self._look(rows)
        self._score(np.arange(len(self._row)), rows)

    def places(self, claim: Claim, node: int) -> tuple[int, ...]:
        """The devices on a node that the cost was computed for."""
        shape = self._row[claim]
        if claim.gpus == 1:
            return (int(self.device[shape, node]),)
        chosen = self._chosen(np.array([shape]), np.array([node]))[0, 0]
        return tuple(int(place) for place in np.flatnonzero(chosen))

    def _look(self, rows: Ints) -> None:
        """Read what is free on these nodes, and forecast what will stay unused there."""
        cluster, forecast = self.cluster, self.forecast
        free = cluster.milli[rows]
        if self._metered:
            free = np.minimum(free, cluster.device_mib[rows] * WHOLE // self._whole_mib[rows])
        free = free * cluster.open[rows]
        level = free // GRID
        self._free[rows] = free
        self._total[rows] = free.sum(1)
        self._need[rows] = forecast.need_milli[level].sum(1)
        self._fillable[rows] = forecast.fillable[level].sum(1)
        self._sums[rows] = forecast.by_level[level].sum(1)
        bands = forecast.bands(cluster.cpu_milli[rows], self._total[rows], self._need[rows])
        count = np.minimum(self._fillable[rows], OPEN - 1)
        now = (self._sums[rows, bands] + forecast.opens[bands, count]).sum(0)
        self._now[rows] = now * (self._total[rows] > 0)

    def _score(self, shapes: Ints, rows: Ints) -> None:
        gpus = self._asks[shapes, 2]
        few, many = shapes[gpus < 2], shapes[gpus > 1]
        step = max(1, PLACES_AT_ONCE // max(1, len(shapes) * self._free.shape[1]))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            if len(few):
                self._score_one(few, part)
            if len(many):
                self._score_many(many, part)

    def _score_one(self, shapes: Ints, rows: Ints) -> None:
        """Shapes of one device or none: every device is tried."""
        asks = self._asks[shapes]
        old = self._free[rows][None]
        new = self._after(asks, rows)
        plain = asks[:, 2] == 0
        fits = (new >= 0) & self._usable[shapes[:, None], rows]
        fits |= plain[:, None, None]
        new = np.maximum(new, 0)
        level, before = new // GRID, old // GRID
        forecast = self.forecast
        total = self._total[rows][None, :, None] - old + new
        need = self._need[rows][None, :, None] - forecast.need_milli[before] + forecast.need_milli[level]
        count = self._fillable[rows][None, :, None] - forecast.fillable[before] + forecast.fillable[level]
        cpu = (self.cluster.cpu_milli[rows] - asks[:, :1])[:, :, None]
        bands = forecast.bands(cpu, total, need)
        value = self._sums[rows[None, :, None], bands] + forecast.device[bands, level]
        value += forecast.opens[bands, np.minimum(count, OPEN - 1)]
        value -= forecast.device[bands, np.broadcast_to(before, level.shape)]
        after = np.where(fits, value.sum(0) * (total > 0), np.inf)
        best = after.argmin(2)
        self.device[shapes[:, None], rows] = best
        self._keep(shapes, rows, np.take_along_axis(after, best[:, :, None], 2)[:, :, 0])

    def _score_many(self, shapes: Ints, rows: Ints) -> None:
        """Shapes of several devices: the fullest that still fit are taken."""
        asks, forecast = self._asks[shapes], self.forecast
        chosen = self._chosen(shapes, rows)
        new = np.where(chosen, self._after(asks, rows), self._free[rows][None])
        level = new // GRID
        total = new.sum(2)
        cpu = self.cluster.cpu_milli[rows] - asks[:, :1]
        bands = forecast.bands(cpu, total, forecast.need_milli[level].sum(2))
        count = np.minimum(forecast.fillable[level].sum(2), OPEN - 1)
        value = forecast.device[bands[..., None], level].sum(3) + forecast.opens[bands, count]
        enough = chosen.sum(2) >= asks[:, 2:3]
        self._keep(shapes, rows, np.where(enough, value.sum(0) * (total > 0), np.inf))

    def _chosen(self, shapes: Ints, rows: Ints) -> NDArray[np.bool_]:
        """[S, R, G] the fullest devices on which each shape fits, as many as it asks for or fewer."""
        asks = self._asks[shapes]
        fits = (self._after(asks, rows) >= 0) & self._usable[shapes[:, None], rows]
        order = np.argsort(np.where(fits, self._free[rows][None], 2 * WHOLE), axis=2, kind="stable")
        rank = np.argsort(order, axis=2, kind="stable")
        return np.asarray(fits & (rank < asks[:, 2, None, None]))

    def _after(self, asks: Ints, rows: Ints) -> Ints:
        """[S, R, G] free milli of each device after the claim took its share there; negative where it does not fit."""
        if not self._metered:
            return np.asarray(self._free[rows][None] - asks[:, 3, None, None])
        milli = self.cluster.milli[rows][None] - asks[:, 3, None, None]
        mib = self.cluster.device_mib[rows][None] - asks[:, 4, None, None]
        share = np.minimum(milli, mib * WHOLE // self._whole_mib[rows])
        return np.where(self.cluster.open[rows], share, -1)

    def _keep(self, shapes: Ints, rows: Ints, after: Floats) -> None:
        asks, cluster = self._asks[shapes], self.cluster
        cpu = cluster.cpu_milli[rows] - asks[:, :1]
        memory = cluster.memory_mib[rows] - asks[:, 1:2]
        cost = after - self._now[rows] + cpu * TIGHT_CPU + memory * TIGHT_MEMORY
        cost[(cpu < 0) | (memory < 0)] = np.inf
        self.cost[shapes[:, None], rows] = cost
