# SPDX-License-Identifier: Apache-2.0
"""What is noted of a request while it is answered: its stages, tokens and outcome. Whoever answers it adds what it
knows; where nobody listens, nothing is noted. Nothing is kept here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Noted:
    """Of one request. `stages`: (name, begin, end) by `time.perf_counter`.

    Attributes:
        parent: the request's `traceparent`, as it came.
        outcome: answered, abstained, failed, cancelled; "" where the status says it.
        place: the folder of the replica that answered; shared: how many requests were in its batch.
    """

    __slots__ = ("model", "outcome", "parent", "place", "service", "shared", "stages", "tokens_in", "tokens_out")

    def __init__(self, parent: bytes = b"") -> None:
        self.parent = parent
        self.stages: list[tuple[str, float, float]] = []
        self.service = self.outcome = self.model = self.place = ""
        self.tokens_in = self.tokens_out = 0
        self.shared = 1


NOTED: ContextVar[Noted | None] = ContextVar("noted", default=None)
"""Of the request that this task or thread answers."""


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time a part of what is being answered."""
    noted = NOTED.get()
    if noted is None:
        yield
        return
    began = time.perf_counter()
    try:
        yield
    finally:
        noted.stages.append((name, began, time.perf_counter()))


def note(service: str = "", outcome: str = "", model: str = "", tokens_in: int = 0, tokens_out: int = 0) -> None:
    """Say what is known of it; what is left out stays as it is."""
    noted = NOTED.get()
    if noted is None:
        return
    noted.service = service or noted.service
    noted.outcome = outcome or noted.outcome
    noted.model = model or noted.model
    noted.tokens_in, noted.tokens_out = tokens_in or noted.tokens_in, tokens_out or noted.tokens_out
