# SPDX-License-Identifier: Apache-2.0
"""What was used and what it cost: sums over the times in which leases held their devices. No database, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from colonnade.core.claims import WHOLE

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Held:
    """One lease's time on devices: from its grant until its process tree was gone, releasing included.

    Attributes:
        project, queue: who pays.
        model: of the devices.
        milli: of all its devices together.
        from_ms, to_ms: milliseconds since 1970; `to_ms` None while it is still there.
    """

    project: str
    queue: str
    model: str
    milli: int
    from_ms: int
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Bill:
    """What one project used in one queue on one model.

    Attributes:
        gpu_ms: milliseconds of a whole device, rounded down once, in the sum.
        cost_micro: millionths of the currency in which the prices are, rounded down; None for a model without a price.
        leases: how many held something in the window.
    """

    project: str
    queue: str
    model: str
    gpu_ms: int
    cost_micro: int | None
    leases: int

    @property
    def gpu_hours(self) -> float:
        """For people.

        >>> Bill("p", "q", "m", 5_400_000, None, 1).gpu_hours
        1.5
        """
        return self.gpu_ms / HOUR_MS


def bills(
    held: Iterable[Held], from_ms: int, to_ms: int, price_micro_per_hour: Mapping[str, int] | None = None
) -> Sequence[Bill]:
    """Use within [from_ms, to_ms), by project, queue and model, in that order.

    Args:
        held: any times; what lies outside the window does not count, and what is still held counts until `to_ms`.
        price_micro_per_hour: per model, millionths of a currency for one whole device for one hour.

    >>> half_an_hour = Held("acme", "ml.research", "H100-80GB", 500, 0, 3_600_000)
    >>> bills([half_an_hour], 0, 7_200_000, {"H100-80GB": 3_000_000})
    [Bill(project='acme', queue='ml.research', model='H100-80GB', gpu_ms=1800000, cost_micro=1500000, leases=1)]
    """
    prices = price_micro_per_hour or {}
    sums: dict[tuple[str, str, str], tuple[int, int]] = {}
    for one in held:
        end = to_ms if one.to_ms is None else min(one.to_ms, to_ms)
        long = end - max(one.from_ms, from_ms)
        if long > 0:
            key = one.project, one.queue, one.model
            milli_ms, leases = sums.get(key, (0, 0))
            sums[key] = milli_ms + long * one.milli, leases + 1
    return [
        Bill(
            *key,
            milli_ms // WHOLE,
            milli_ms * prices[key[2]] // (WHOLE * HOUR_MS) if key[2] in prices else None,
            leases,
        )
        for key, (milli_ms, leases) in sorted(sums.items())
    ]
