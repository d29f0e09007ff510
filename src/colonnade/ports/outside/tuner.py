# SPDX-License-Identifier: Apache-2.0
"""What we ask of whoever proposes parameters: by ask and tell. Nothing is stored there: what was tried is handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from low to high, both included; `log`: as many between 1 and 10 as between 10 and 100."""

    low: float | int
    high: float | int
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether the numbers are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Space = Mapping[str, Range | tuple[Any, ...]]
"""Parameter -> a range, or the values to choose from."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One try. `value`: what was measured, None while it runs or when it was given up."""

    parameters: Mapping[str, Any]
    value: float | None = None
    running: bool = False


class Tuner(Protocol):
    """Proposes parameters. Raises MissingExtra where its library is not installed."""

    def propose(self, space: Space, tried: Sequence[Tried], *, maximize: bool, seed: int) -> dict[str, Any]:
        """The next parameters to try. Equal arguments give equal parameters."""
        ...
