# SPDX-License-Identifier: Apache-2.0
"""The traces of the in-memory house: what passed and what was heard, in lists. Nothing is kept or forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.core.answers import Asker
from colonnade.core.traces import Span
from colonnade.gateway.traces import Passed


class PassedTraces:
    """Implements `gateway.traces.TracesBackend`. `full`: there is no room for spans."""

    def __init__(self) -> None:
        self.passed: list[Passed] = []
        self.heard: list[tuple[str, Span]] = []
        self.full = False
        self.told: Mapping[str, Any] | None = None
        self.page: Mapping[str, Any] = {"requests": [], "looked_at": 0, "whole": True, "stages": [], "services": []}

    def put(self, passed: Passed) -> None:
        """Remember it."""
        self.passed.append(passed)

    def hear(self, asker: Asker, spans: Sequence[Span]) -> bool:
        """Remember them, unless full."""
        if not self.full:
            self.heard += [(asker.principal, one) for one in spans]
        return not self.full

    def trace(self, asker: Asker, ref: str) -> Mapping[str, Any] | None:  # noqa: ARG002
        """What a test has put there."""
        return self.told if self.told is not None and self.told["ref"] == ref else None

    def newest(self, *, service: str, status: str, minutes: int) -> Mapping[str, Any]:  # noqa: ARG002
        """What a test has put there."""
        return self.page

    def figures(self) -> str:
        """None."""
        return ""
