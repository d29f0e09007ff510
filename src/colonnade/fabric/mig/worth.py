# SPDX-License-Identifier: Apache-2.0
"""What a layout is worth: the requests that a device in it will still take, and their prices. Pure arithmetic.

A device is looked at alone, as a small Markov decision process: requests of each profile knock at its share of the
whole demand, it takes what fits where that is best for it, instances end at their rate, and the future is discounted
a little. `worths` solves that exactly; placing then means to spoil the least worth (one step of policy improvement
over devices that are asked at random: Krishnan, "Markov decision algorithms for dynamic routing", IEEE Communications
Magazine, 1990).

Worth is kept per profile, because what an opening is worth depends on how many others there are now: `prices` says
how likely the openings left will be used up before others appear. The window is a square root of the demand, as in
safety staffing (Halfin and Whitt, "Heavy-traffic limits for queues with many exponential servers", Operations
Research 29, 1981).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from colonnade.fabric.mig.states import States

Floats = NDArray[np.float64]

DISCOUNT = 0.1
"""Per mean holding time."""
WINDOW = 1.2
"""Requests in the window, over the square root of the demand in erlangs. This, DISCOUNT and the plain share of the
demand are the only constants; chosen over eight mixes and loads and three cluster sizes, not for one of them."""
ROUNDS = 4
"""Of policy iteration; the choice inside one device is stable after two or three."""
LEAST = 1e-9
"""No price falls to zero: where everything is plentiful, the layouts' own order still decides."""


def worths(states: States, knock: Floats, end: Floats) -> Floats:
    """[K, P] requests of each profile that a device now in a class will take, discounted.

    Args:
        states: the classes.
        knock: [P] requests per device and mean holding time.
        end: [P] rate at which an instance ends, in the same time; 1 when all hold equally long.
    """
    ends = states.ends @ end
    total = -np.arange(len(ends), dtype=np.float64)
    found: Floats = np.zeros(states.fits.shape)
    rows = np.arange(len(ends))
    for _ in range(ROUNDS):
        flow = ends.copy()
        for p, pairs in enumerate(states.adds):
            before, after = pairs[np.argsort(total[pairs[:, 1]], kind="stable")].T
            best = np.full(len(ends), -1)
            best[before] = after  # the last, the most worth, stays
            inside = best >= 0
            flow[rows[inside], best[inside]] += knock[p]
        flow[rows, rows] -= flow.sum(1) + DISCOUNT
        found = np.asarray(np.linalg.solve(flow, states.fits * -knock), dtype=np.float64)
        total = found.sum(1)
    return found


def prices(erlangs: float, most: int) -> Floats:
    """[most + 1] what one opening is worth by how many there are: the chance that a window's requests want them all.

    >>> prices(49.0, 12)[[0, 4, 8, 12]].round(3).tolist()
    [1.0, 0.968, 0.601, 0.143]
    """
    mean = WINDOW * math.sqrt(erlangs)
    counts = range(most + 1)
    if mean == 0:
        return np.array([1.0] + [LEAST] * most)
    chance = np.exp([k * math.log(mean) - mean - math.lgamma(k + 1) for k in counts])
    tail = 1 - np.concatenate([[0.0], np.cumsum(chance)[:-1]])
    return np.asarray(np.maximum(tail, LEAST))
