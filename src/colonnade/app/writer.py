# SPDX-License-Identifier: Apache-2.0
"""One thread that writes small things in groups: answers, captures, when a key was last used. One commit serves all
that wait.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError

from colonnade.ports.outside.state import State, Transaction

Write = Callable[[Transaction], None]
GROUP = 512


class GroupWriter:
    """Takes writes from any thread. `submit` never waits; its future is done once the write is durable.

    Args:
        rolled_back: called when a group was rolled back, before its writes are tried one by one: whatever remembers
            what it wrote must forget it.
        lost: called with the error of a write that could not be done, and with None once one was done again: nobody
            may be waiting for it.
    """

    def __init__(
        self,
        state: State,
        rolled_back: Callable[[], None] = lambda: None,
        lost: Callable[[Exception | None], None] = lambda _: None,
    ) -> None:
        self._state, self._rolled_back, self._lost = state, rolled_back, lost
        self._waiting: list[tuple[Write, Future[None]]] = []
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def submit(self, write: Write) -> Future[None]:
        """Have a write done in the next group."""
        future: Future[None] = Future()
        with self._wake:
            if self._closing:
                raise RuntimeError("the writer is closed")
            self._waiting.append((write, future))
            if len(self._waiting) == 1:
                self._wake.notify()
        return future

    def close(self) -> None:
        """Write what waits, then end."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
                if not group:
                    return
            self._group(group)

    def _group(self, group: list[tuple[Write, Future[None]]]) -> None:
        try:
            with self._state.transaction() as tx:
                for write, _ in group:
                    write(tx)
        except Exception as error:
            self._rolled_back()
            if len(group) > 1:
                for one in group:
                    self._group([one])
                return
            self._lost(error)
            _tell(group[0][1], error)
            return
        self._lost(None)
        for _, future in group:
            _tell(future, None)


def _tell(future: Future[None], error: Exception | None) -> None:
    """Whoever waits may have gone: then nobody is told, and the next write is not held up."""
    with contextlib.suppress(InvalidStateError):
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
