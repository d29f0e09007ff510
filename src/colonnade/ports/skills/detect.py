# SPDX-License-Identifier: Apache-2.0
"""What rooms ask of detectors: a monitor of one measure that rings when it has risen. Not how it knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Ring:
    """A measure has risen.

    Attributes:
        at, since: samples, counted from 1: the one that rang, the first that probably belongs to the change.
        observed: the mean since then; mean: what was tolerated. Of a latency: shares of slow requests.
        level: the latency above which a request is slow, in milliseconds; else 0.
    """

    at: int
    since: int
    observed: float
    mean: float
    level: float = 0.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a measure was: the sum of n values in [0, 1], n 0 for what is to be learned from the first samples; or a
    limit that was agreed on. `slow_ms`: latencies above it are counted, None: it is learned.
    """

    total: float = 0.0
    n: int = 0
    limit: float | None = None
    slow_ms: float | None = None


class Monitor(Protocol):
    """One measure. It rings once, and is calm again when the measure is."""

    ringing: bool
    samples: int

    def take(self, values: Sequence[float]) -> Ring | None:
        """Samples in their order; a Ring with the one that rang. The rest of them count, too."""
        ...

    def rebase(self, total: float, n: int) -> None:
        """A firmer baseline: begin afresh with the mean of n values; the count of samples goes on. Calm again."""
        ...

    def state(self) -> Mapping[str, Any]:
        """All that `Detect.restored` needs, as JSON can hold it."""
        ...


class Detect(Protocol):
    """Makes monitors."""

    def begin(self, measure: str, baseline: Baseline, run_length: int) -> Monitor:
        """measure: wrong (values in [0, 1]), errors, missing (flags), latency (milliseconds)."""
        ...

    def restored(self, state: Mapping[str, Any]) -> Monitor:
        """The monitor whose `state()` this is."""
        ...
