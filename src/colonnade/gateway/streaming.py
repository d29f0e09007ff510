# SPDX-License-Identifier: Apache-2.0
"""What long answers need beside their bytes: noticing that the client has gone, and a sign of life after 15 s of
silence.

One ticker serves all streams, so a chunk costs no timer. No content here.
"""

from __future__ import annotations

import asyncio
import weakref
from types import TracebackType

from colonnade.gateway.chunks import KEEP_ALIVE
from colonnade.gateway.http import Receive, Send

SILENCE_SECONDS = 15.0


class ClientWatch:
    """Cancels the current task when the client disconnects; `gone` tells that from other cancellations.

    with ClientWatch(receive) as client: ...   # the cancellation ends at the block's end
    """

    __slots__ = ("_receive", "_task", "_watcher", "gone")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.gone = False

    def __enter__(self) -> ClientWatch:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._watcher = asyncio.ensure_future(self._watch())
        return self

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._task.cancel()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._watcher.cancel()
        if self.gone:
            self._task.uncancel()
            return kind is asyncio.CancelledError
        return False


class Stream:
    """One streamed response: `write` sends whole frames, and remembers when."""

    __slots__ = ("__weakref__", "_loop", "_send", "busy", "last", "open")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self.last = self._loop.time()
        self.busy = False
        self.open = True

    async def write(self, frames: bytes) -> None:
        """Send whole frames; waits while the client does not read."""
        self.busy = True
        await self._send({"type": "http.response.body", "body": frames, "more_body": True})
        self.busy = False
        self.last = self._loop.time()

    async def end(self, frames: bytes = b"") -> None:
        """Send the last frames and end the response."""
        self.open = False
        await self._send({"type": "http.response.body", "body": frames, "more_body": False})


class Heartbeat:
    """Sends a comment into each stream that was silent for `silence_s`."""

    def __init__(self, silence_s: float = SILENCE_SECONDS) -> None:
        self.silence_s = silence_s
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        self._ticker: asyncio.Task[None] | None = None

    def add(self, stream: Stream) -> None:
        """Look after a stream until it ends."""
        self._streams.add(stream)
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.ensure_future(self._tick())

    def remove(self, stream: Stream) -> None:
        """Its response has ended."""
        stream.open = False
        self._streams.discard(stream)

    async def _tick(self) -> None:
        while self._streams:
            await asyncio.sleep(min(1.0, self.silence_s / 4))
            late = asyncio.get_running_loop().time() - self.silence_s
            for stream in list(self._streams):
                if stream.open and not stream.busy and stream.last <= late:
                    await stream.write(KEEP_ALIVE)
