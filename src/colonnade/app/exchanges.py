# SPDX-License-Identifier: Apache-2.0
"""Exchanges on their way from the gateway to whoever watches: handed over at once, looked at a moment later.

The gateway's loop only appends; one thread passes what has come to every watcher, in order and many at once. Where
watchers are slower than what comes, the newest are dropped and counted: predictions must not wait for being watched.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from colonnade.core.exchanges import Exchange

PAUSE_S = 0.1
MOST = 100_000
"""So many exchanges are held, or `MOST_BYTES` of their bodies."""
MOST_BYTES = 64 * 1024 * 1024
_log = logging.getLogger("colonnade.serving")

Watcher = Callable[[Sequence[Exchange]], None]


class Exchanges:
    """One a house. `watchers` are called from one thread, one after the other."""

    def __init__(self) -> None:
        self.watchers: list[Watcher] = []
        self.dropped = 0
        self._held: deque[Exchange] = deque()
        self._bytes = 0
        self._stop, self._passing = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._pass_on, name="exchanges", daemon=True)
        self._started = False

    def put(self, exchange: Exchange) -> None:
        """From the gateway's loop; never waits."""
        if not self.watchers:
            return
        if len(self._held) >= MOST or self._bytes > MOST_BYTES:
            self.dropped += 1
            return
        self._held.append(exchange)
        self._bytes += len(exchange.body) + 256
        if not self._started:
            self._started = True
            self._thread.start()

    def flush(self) -> None:
        """Pass on what has come so far; from any thread, one at a time."""
        with self._passing:
            taken = [self._held.popleft() for _ in range(len(self._held))]
            self._bytes = 0
            if not taken:
                return
            for watcher in self.watchers:
                try:
                    watcher(taken)
                except Exception:  # one watcher's trouble is not the others'
                    _log.exception("a watcher of predictions failed on %d of them", len(taken))

    def close(self) -> None:
        """Pass on the rest and end."""
        self._stop.set()
        if self._started:
            self._thread.join(10)

    def _pass_on(self) -> None:
        while not self._stop.wait(PAUSE_S):
            self.flush()
        self.flush()
