# SPDX-License-Identifier: Apache-2.0
"""What has been asked before, as arrays: the mix of claims that forecasts and rehearsals draw from. No placing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import WHOLE, Claim

GRID = 10
"""Milli of a device that forecasts tell apart."""
LEVELS = WHOLE // GRID + 1
COVERED = 0.99
"""Part of the claims, and of the milli that they ask for, that the mix keeps; the rest is too rare to learn from."""
MOST = 128
"""Claims that a mix keeps at most, whatever they cover."""
PRIOR: tuple[tuple[Claim, float], ...] = (
    (Claim(1, 1000, cpu_milli=8000), 40.0),
    (Claim(1, 500, cpu_milli=4000), 25.0),
    (Claim(1, 250, cpu_milli=2000), 15.0),
    (Claim(0, 1000, cpu_milli=4000), 10.0),
    (Claim(2, 1000, cpu_milli=16000), 5.0),
    (Claim(4, 1000, cpu_milli=32000), 3.0),
    (Claim(8, 1000, cpu_milli=64000), 2.0),
)
"""The mix of a cluster that nobody has asked yet: mostly whole devices, halves and quarters, a few gangs."""


@dataclass(frozen=True, eq=False)
class Demand:
    """K kinds of claims and how often each is asked; in an order that does not depend on the history's.

    Attributes:
        claims: the kinds.
        weight: float64 [K], their sum is 1.
        cpu_milli, memory_mib, gpus, gpu_milli: int64 [K]; `gpu_milli` is 0 where no device is asked.
        need_milli: int64 [LEVELS], CPU milli that filling a device with so much free is expected to take.
    """

    claims: tuple[Claim, ...]
    weight: NDArray[np.float64]
    cpu_milli: NDArray[np.int64]
    memory_mib: NDArray[np.int64]
    gpus: NDArray[np.int64]
    gpu_milli: NDArray[np.int64]
    need_milli: NDArray[np.int64]

    @property
    def unit_milli(self) -> float:
        """A tenth of the CPU that a whole device needs: what forecasts measure CPU in."""
        return float(self.need_milli[-1]) / 10 or 1000.0


def demand(history: Sequence[tuple[Claim, float]]) -> Demand:
    """The mix of a history, or of PRIOR when there is none. Claims that differ in memory alone count as one kind."""
    counts: dict[Claim, float] = {}
    memory: dict[Claim, float] = {}
    for claim, weight in sorted(history or PRIOR, key=repr):
        kind = replace(claim, memory_mib=0, gpu_limit_mib=0)
        counts[kind] = counts.get(kind, 0.0) + weight
        memory[kind] = memory.get(kind, 0.0) + weight * claim.memory_mib
    kinds = [(replace(kind, memory_mib=round(memory[kind] / weight)), weight) for kind, weight in counts.items()]
    kept = _frequent(sorted(kinds, key=lambda item: (-item[1], repr(item[0]))))
    claims = tuple(claim for claim, _ in kept)
    share = np.array([weight for _, weight in kept])
    columns = {
        "cpu_milli": np.array([claim.cpu_milli for claim in claims], dtype=np.int64),
        "memory_mib": np.array([claim.memory_mib for claim in claims], dtype=np.int64),
        "gpus": np.array([claim.gpus for claim in claims], dtype=np.int64),
        "gpu_milli": np.array([claim.gpu_milli if claim.gpus else 0 for claim in claims], dtype=np.int64),
    }
    share /= share.sum()
    need = _need(share, columns["cpu_milli"], columns["gpus"], columns["gpu_milli"])
    return Demand(claims=claims, weight=share, need_milli=need, **columns)


def _frequent(ranked: list[tuple[Claim, float]]) -> list[tuple[Claim, float]]:
    """Those that together make COVERED of the claims and of the milli, most frequent first."""
    kept: list[tuple[Claim, float]] = []
    for amount in (_count, _milli):
        seen, whole = 0.0, sum(amount(item) for item in ranked)
        for item in sorted(ranked, key=amount, reverse=True):  # stable: equal ones stay in the ranked order
            if seen >= COVERED * whole:
                break
            seen += amount(item)
            if item not in kept and len(kept) < MOST:
                kept.append(item)
    return kept


def _count(item: tuple[Claim, float]) -> float:
    return item[1]


def _milli(item: tuple[Claim, float]) -> float:
    return item[1] * item[0].milli if item[0].gpus else 0.0


def _need(
    weight: NDArray[np.float64], cpu: NDArray[np.int64], gpus: NDArray[np.int64], milli: NDArray[np.int64]
) -> NDArray[np.int64]:
    """[LEVELS] expected CPU of the single-device claims that fill a device, drawn at random while one fits."""
    single = gpus == 1
    weight, cpu, size = weight[single], cpu[single], -(-milli[single] // GRID)
    need = np.zeros(LEVELS)
    for level in range(1, LEVELS):
        fits = size <= level
        if fits.any():
            need[level] = weight[fits] @ (cpu[fits] + need[level - size[fits]]) / weight[fits].sum()
    return np.rint(need).astype(np.int64)
