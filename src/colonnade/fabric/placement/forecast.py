# SPDX-License-Identifier: Apache-2.0
"""How many milli of a node will stay unused: a forecast from what is free there. Tables and their fit, no placing.

The forecast of a node is a sum over its devices of a table entry, looked up by what is free on the device, in tables
chosen by how scarce the node's CPU is. Scarcity is read in three ways: CPU for each free device, CPU against what the
usual claims would need to fill those devices, and CPU as such. Each reading has KNOTS; between two the tables are
interpolated, which `Forecast` does once, on a grid fine enough to look up. Entries are multiples of 1/1024, so sums of
them are exact and nothing depends on the order of devices.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from colonnade.fabric.placement.demand import GRID, LEVELS, Demand

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KNOTS = np.array(
    [
        [0, 1, 2, 3, 4, 6, 8, 10, 12, 14, 17, 20, 25, 35, 60, 100],
        [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 1.2, 1.4, 1.7, 2, 3, 5, 8],
        [0, 2, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 52, 68, 96, 128],
    ]
)
"""Per reading: tenths of a device's usual CPU for each free device; CPU over need; tenths of a device's usual CPU."""
READINGS, MARKS = KNOTS.shape
FINE = 8
"""Bands between two knots."""
BANDS = (MARKS - 1) * FINE + 1
OPEN = 9
"""Counts of fillable devices, and of untouched ones, that are told apart: 0 to 7, and more."""
COUNTED = 17
"""A node's counts are one number: fillable + COUNTED x untouched devices."""
LAST = COUNTED * COUNTED - 1
STEPS = np.array([8.0, 80.0, 4.0])
"""Entries of the band index for each unit of a reading: one for each band of the narrowest interval."""
BLOCK = MARKS * (LEVELS + 2 * OPEN)
"""Parameters of one reading."""
QUANTUM = 1024.0


@dataclass(frozen=True, eq=False)
class State:
    """R nodes as forecasts see them: CPU milli [R] and free milli of each device [R, G], 0 for a closed one."""

    cpu_milli: Ints
    free_milli: Ints

    def take(self, keep: NDArray[np.bool_] | Ints) -> State:
        return State(self.cpu_milli[keep], self.free_milli[keep])


def join(states: list[State]) -> State:
    """One after the other."""
    return State(np.concatenate([s.cpu_milli for s in states]), np.concatenate([s.free_milli for s in states]))


class Features:
    """The forecast as a linear function of its parameters: [R, E] positions and factors, almost all others being 0."""

    size = READINGS * BLOCK
    """How many parameters there are."""

    def __init__(self, state: State, mix: Demand) -> None:
        level = state.free_milli // GRID
        need = mix.need_milli[level]
        opens = np.minimum((need > 1).sum(1), OPEN - 1)
        wholes = np.minimum((level == LEVELS - 1).sum(1), OPEN - 1)
        positions, factors = [], []
        values = readings(state.cpu_milli, state.free_milli.sum(1), need.sum(1), mix.unit_milli)
        for reading, value in enumerate(values):
            knots = KNOTS[reading]
            value = np.minimum(value, knots[-1])
            low = np.clip(np.searchsorted(knots, value, side="right") - 1, 0, MARKS - 2)
            part = (value - knots[low]) / (knots[low + 1] - knots[low])
            for mark, factor in ((low, 1 - part), (low + 1, part)):
                start = reading * BLOCK
                positions.append(start + mark[:, None] * LEVELS + level)
                factors.append(factor[:, None] * (level > 0))
                for count in (opens, OPEN + wholes):
                    positions.append((start + MARKS * LEVELS + count * MARKS + mark)[:, None])
                    factors.append(factor[:, None])
        self.position = np.concatenate(positions, axis=1)
        self.factor = np.concatenate(factors, axis=1)

    def forecast(self, parameters: Floats) -> Floats:
        """[R]"""
        return np.asarray((self.factor * parameters[self.position]).sum(1))

    def gather(self, residual: Floats) -> Floats:
        """The transpose: [parameters]"""
        flat = (self.factor * residual[:, None]).ravel()
        return np.bincount(self.position.ravel(), flat, minlength=self.size).astype(np.float64)

    def fit(self, target: Floats, *, ridge: float, rounds: int) -> Floats:
        """Least squares with a ridge, by conjugate gradients with a diagonal preconditioner: [parameters]"""
        scale = np.bincount(self.position.ravel(), (self.factor**2).ravel(), minlength=self.size) + ridge
        solution = np.zeros(self.size)
        rest = self.gather(target)
        ahead = rest / scale
        norm = float(rest @ ahead)
        direction = ahead
        for _ in range(rounds):
            if norm < 1e-9:
                break
            image = self.gather(self.forecast(direction)) + ridge * direction
            step = norm / float(direction @ image)
            solution = solution + step * direction
            rest = rest - step * image
            ahead = rest / scale
            last, norm = norm, float(rest @ ahead)
            direction = ahead + norm / last * direction
        return solution


def readings(cpu_milli: Ints, free_milli: Ints, need_milli: Ints, unit_milli: float) -> tuple[Floats, Floats, Floats]:
    """The three readings of how scarce CPU is, in the units of KNOTS."""
    per_device = cpu_milli / np.maximum(free_milli, 1) * (1000.0 / unit_milli)
    against_need = np.where(need_milli > 0, cpu_milli / np.maximum(need_milli, 1), 2.0)
    return per_device, against_need, cpu_milli / unit_milli


def _interpolated(block: Floats) -> tuple[Floats, Floats]:
    """Parameters of one reading on the fine grid: [BANDS, LEVELS] for devices, [BANDS, COUNTED**2] for counts."""
    marks = np.arange(BANDS) / FINE
    low = np.minimum(marks.astype(np.int64), MARKS - 2)
    part = (marks - low)[:, None]
    device = block[: MARKS * LEVELS].reshape(MARKS, LEVELS)
    fillable, whole = block[MARKS * LEVELS :].reshape(2, OPEN, MARKS)[:, np.minimum(np.arange(COUNTED), OPEN - 1)]
    counts = (whole[:, None] + fillable[None, :]).reshape(-1, MARKS).T
    return (1 - part) * device[low] + part * device[low + 1], (1 - part) * counts[low] + part * counts[low + 1]


def _bands_of(reading: int) -> Ints:
    """The band of each step of a reading."""
    knots = KNOTS[reading]
    values = (np.arange(int(knots[-1] * STEPS[reading]) + 1) + 0.5) / STEPS[reading]
    return np.asarray(np.interp(values, knots, np.arange(MARKS) * float(FINE)).astype(np.int64))


class Forecast:
    """The tables, interpolated for looking up.

    Attributes:
        parameters: that it was made of; with the mix they are all of it.
        need_milli: int64 [LEVELS] of the mix.
        counted: int64 [LEVELS], what a device adds to its node's counts.
        device: float64 [READINGS * BANDS, LEVELS] milli of a device that stay unused.
        by_level: the same, transposed.
        opens: float64 [READINGS * BANDS, COUNTED**2] correction by the node's counts.
    """

    def __init__(self, parameters: Floats, mix: Demand) -> None:
        self.parameters = parameters
        self.need_milli = mix.need_milli
        self.counted = (mix.need_milli > 1) + COUNTED * (np.arange(LEVELS) == LEVELS - 1)
        self.unit_milli = mix.unit_milli
        blocks = np.rint(parameters * QUANTUM).reshape(READINGS, BLOCK)
        made = [_interpolated(block) for block in blocks]
        self.device = np.rint(np.concatenate([device for device, _ in made])) / QUANTUM
        self.by_level = np.ascontiguousarray(self.device.T)
        self.opens = np.rint(np.concatenate([opens for _, opens in made])) / QUANTUM
        index = [_bands_of(reading) + reading * BANDS for reading in range(READINGS)]
        self._last = np.array([[len(part) - 1.0] for part in index])
        self._start = np.cumsum([0] + [len(part) for part in index[:-1]])[:, None]
        self._scale = (STEPS * [1000.0 / mix.unit_milli, 1.0, 1.0 / mix.unit_milli])[:, None]
        self._index = np.concatenate(index)

    def bands(self, cpu_milli: Ints, free_milli: Ints, need_milli: Ints) -> Ints:
        """[READINGS, K] rows of the tables for K nodes; all three are [K], none negative."""
        values = np.empty((READINGS, *cpu_milli.shape))
        values[0] = cpu_milli / np.maximum(free_milli, 1)
        values[1] = cpu_milli / np.maximum(need_milli, 1)
        values[1][need_milli <= 0] = 2.0
        values[2] = cpu_milli
        values *= self._scale
        found = np.minimum(values, self._last).astype(np.int64)
        found += self._start
        return np.asarray(self._index[found])
