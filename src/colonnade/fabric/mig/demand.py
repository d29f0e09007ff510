# SPDX-License-Identifier: Apache-2.0
"""How much of each profile is asked for, learned from requests and endings alone. No clock, no device."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PRIOR = 8
"""Requests of each profile that count as seen before the first."""
MEMORY = 8192
"""Requests after which everything seen counts half."""


class Demand:
    """Offered load per profile, in erlangs: requests (taken or not) per mean holding time.

    Requests are its clock. A profile's instances end at `ended / exposure` per request, where exposure sums over
    requests how many instances were held; so `erlangs = share of the requests / that rate`, and profiles may hold
    differently long.
    """

    def __init__(self, erlangs: NDArray[np.float64]) -> None:
        """Starts from a guess: erlangs of each profile, [P], all above 0."""
        count = len(erlangs)
        self.asked = [float(PRIOR)] * count
        self.ended = [float(PRIOR)] * count
        self.exposure = [PRIOR * count * float(guess) for guess in erlangs]
        self.held = [0] * count
        self.total = float(PRIOR * count)

    def ask(self, profile: int) -> None:
        """One request came."""
        self.asked[profile] += 1
        self.total += 1
        exposure = self.exposure
        for p, held in enumerate(self.held):
            exposure[p] += held
        if self.total > MEMORY:
            self.total /= 2
            for seen in (self.asked, self.ended, self.exposure):
                seen[:] = [value / 2 for value in seen]

    def start(self, profile: int) -> None:
        """One was placed."""
        self.held[profile] += 1

    def end(self, profile: int) -> None:
        """One ended."""
        self.held[profile] -= 1
        self.ended[profile] += 1

    def rates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """[P] erlangs offered, and [P] rates of ending in units of their mean (weighted by what is asked)."""
        share = np.array(self.asked) / self.total
        per_request = np.array(self.ended) / np.array(self.exposure)
        mean = 1 / float((share / per_request).sum())
        return share / per_request, per_request / mean
