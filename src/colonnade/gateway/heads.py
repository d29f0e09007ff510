# SPDX-License-Identifier: Apache-2.0
"""The head of a request, bounded in bytes and in time: uvicorn bounds neither, so that anybody could fill the memory or
hold connections without a key. Bodies are bounded in `http`. No routing here.

And the end of a connection when the server ends: uvicorn closes those that are idle at once, and others after an answer
that does not say so; a request that is on its way then gets no answer. Here every answer says `connection: close` from
then on, and an idle connection stays for LINGER_S, so that what was sent before the sender knew is answered.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 30.0
LINGER_S = 0.5
CLOSE = (b"connection", b"close")


class BoundedHeads(HttpToolsProtocol):
    """Closes a connection whose next request's head is longer than `HEAD_BYTES` or takes longer than `HEAD_SECONDS`."""

    _head: int = 0
    _waiting: asyncio.TimerHandle | None = None
    _leaving: bool = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head must come as the others."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head."""
        super().data_received(data)
        if self._waiting is not None:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._give_up()

    def on_message_begin(self) -> None:
        """A head begins; also the first of a connection that was kept."""
        super().on_message_begin()
        self._expect()

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._arrived()
        super().on_headers_complete()
        if self._leaving:
            self._last()

    def shutdown(self) -> None:
        """The server ends: answer what is under way and what comes within LINGER_S, and say so."""
        self._leaving = True
        if self.cycle is not None and not self.cycle.response_complete:
            self._last()
        self.loop.call_later(LINGER_S, self._leave)

    def _last(self) -> None:
        """The answer to the request under way says that it is the last, and it is."""
        self.cycle.keep_alive = False
        self.headers.append(CLOSE)  # what an older uvicorn looks at: the list in the scope

    def _leave(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _expect(self) -> None:
        self._arrived()
        self._head = 0
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _arrived(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._arrived()
        if not self.transport.is_closing():
            self.transport.close()
