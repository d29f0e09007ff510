# SPDX-License-Identifier: Apache-2.0
"""Server-sent events that redraw one part of a page while something moves. No page and no backend call of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from colonnade.gateway.http import offload, sse

EVERY_S = 0.5
LIFE_S = 120.0
"""A stream ends after so long and the browser asks for it anew: with the rights that it has by then."""


async def watch(
    draw: Callable[[], tuple[str, bool]], every_s: float = EVERY_S, life_s: float = LIFE_S
) -> AsyncIterator[bytes]:
    """Fragments as unnamed events, sent when they differ from the last one; `done` ends the stream once nothing
    moves.
    """
    last: str | None = None
    for _ in range(max(1, round(life_s / every_s))):
        html, finished = await offload(draw)
        if html != last:
            yield sse(html)
            last = html
        if finished:
            yield sse("", event="done")
            return
        await asyncio.sleep(every_s)
