# SPDX-License-Identifier: Apache-2.0
"""Two lists of scores become one. Pure arithmetic on the permitted rows' scores; what is permitted is decided before.

Each leg is scaled to 0..1 over the whole permitted list, not over its top, and the two are averaged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WEIGHT_DENSE = 0.5


def scaled(scores: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Scores from low..high to 0..1; below low is 0. All 0 when the range is empty."""
    if high <= low:
        return np.zeros(len(scores))
    return np.clip((scores - low) / (high - low), 0.0, None)


def fused(lexical: NDArray[np.float64], dense: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weighted mean of two scaled legs, rounded to 1e-12 so that equal inputs are equal outputs."""
    return np.round((1.0 - WEIGHT_DENSE) * lexical + WEIGHT_DENSE * dense, 12)
