# SPDX-License-Identifier: Apache-2.0
"""The head of a request, bounded in bytes and in time: uvicorn bounds neither, so that anybody could fill the memory or
hold connections without a key. Bodies are bounded in `http`. No routing here.

And the end of a connection when the server ends: uvicorn closes those that are idle at once, and others after an answer
that does not say so; a request that is on its way then gets no answer. Here every answer says `connection: close` from
then on, and an idle connection stays for LINGER_S, so that what was sent before the sender knew is answered.

And a shorter way for the most frequent case, as the ASGI extension `colonnade.direct` (`http.Direct`): a body that is
here already is taken without waiting, and a whole answer goes out in one write. uvicorn writes head and body apart,
which wakes the client twice, and looks through every header with two regular expressions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from colonnade.gateway.http import DIRECT, Scope

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 30.0
LINGER_S = 0.5
CLOSE = (b"connection", b"close")


class BoundedHeads(HttpToolsProtocol):
    """Closes a connection whose next request's head is longer than `HEAD_BYTES` or takes longer than `HEAD_SECONDS`."""

    _head: int = 0
    _heading: bool = False
    _waiting: asyncio.TimerHandle | None = None
    _idle_since: float | None = None
    _leaving: bool = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head must come as the others."""
        super().connection_made(transport)
        self._extensions = {DIRECT: self}
        self._heading = True
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._arrived()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        self._extensions = {}
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head. Most heads come whole: only others need a clock."""
        super().data_received(data)
        if self._heading:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._give_up()
            elif self._waiting is None:
                self._expect()

    def on_message_begin(self) -> None:
        """A head begins; also the first of a connection that was kept."""
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]
        self._arrived()
        self._heading, self._head = True, 0

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._heading = False
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

    def body(self, scope: Scope) -> bytes | None:
        """See `http.Direct`."""
        cycle = self.cycle
        if cycle.scope is not scope or cycle.more_body or cycle.response_complete or cycle.disconnected:
            return None
        if cycle.waiting_for_100_continue:
            return None
        found = bytes(cycle.body)
        cycle.body = bytearray()
        cycle.message_event.clear()
        return found

    def answer(self, scope: Scope, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
        """See `http.Direct`."""
        cycle = self.cycle
        if cycle.scope is not scope or cycle.response_started or cycle.disconnected or self.flow.write_paused:
            return False
        lines = [b"%b: %b\r\n" % pair for pair in (*self.server_state.default_headers, *headers)]
        if not cycle.keep_alive:
            lines.append(b"connection: close\r\n")
        head = b"".join(lines)
        if head.count(b"\r") != len(lines) or head.count(b"\n") != len(lines):
            raise ValueError("a header of an answer holds a line's end")
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], head, body))
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
        return True

    def on_response_complete(self) -> None:
        """As uvicorn does it, but with one timer a connection in place of one a request."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self._idle)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def _idle(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return  # at the end of what is under way it is armed anew
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self._idle)
        else:
            self.timeout_keep_alive_handler()

    def _expect(self) -> None:
        self._arrived()
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _arrived(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._arrived()
        if not self.transport.is_closing():
            self.transport.close()
