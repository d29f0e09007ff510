# SPDX-License-Identifier: Apache-2.0
"""The thresholds under which a question's topic counts as absent. Numbers only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Calibration:
    """Thresholds for one set of readable chunks, or the fixed prior.

    Attributes:
        topic: abstain when the topic score is below it (with vectors).
        topic_lexical: the same when there are no vectors.
        unsupported: abstain when the twisted-question score is above it.
        doubt: note a doubt when that score is above it.
        samples: how many pseudo-questions stood behind it; 0 for the prior.
    """

    topic: float = 0.40
    topic_lexical: float = 0.30
    unsupported: float = 2.0
    doubt: float = 2.0
    samples: int = 0


PRIOR = Calibration()
