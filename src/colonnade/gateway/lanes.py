# SPDX-License-Identifier: Apache-2.0
"""How requests reach replicas: one lane a service, one batch at a time to each replica, refusals before collapse.

A replica that is idle is asked at once; while it answers, what comes is gathered and goes as the next batch, so batches
grow with the load and nobody waits for a timer. A lane takes so many requests and no more: the next is refused with
429. A replica that is lost gives its requests back, up to twice. Everything here runs in the gateway's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colonnade.core.predicting import SOCKET, Frames, Item, frame
from colonnade.gateway.failures import ApiError

MOST_BATCH = 64
RETRY_S = 0.02
WAIT_S = 30.0
"""A request waits so long for a replica, and for its answer."""
TRIES = 3
"""A request that ends every replica that it is given to must not end them all; one may die by itself, or two."""


@dataclass(frozen=True, slots=True)
class Served:
    """Who answers for a service; `places` are the folders of replicas. As `lifecycle.serving` has it."""

    service: str
    state: str
    version: str = ""
    places: tuple[Path, ...] = ()
    most: int = 0
    reason: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)


Find = Callable[[], Served | None]


class _Call:
    __slots__ = ("done", "ends", "item", "tries")

    def __init__(self, item: Item, done: asyncio.Future[tuple[Item, str]], ends: float) -> None:
        self.item, self.done, self.ends, self.tries = item, done, ends, 0


class _Line(asyncio.Protocol):
    """A connection to one replica, with at most one batch under way."""

    def __init__(self, lane: _Lane, version: str) -> None:
        self._lane, self.version = lane, version
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self.calls: list[_Call] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, calls: list[_Call]) -> None:
        """One batch."""
        assert self._transport is not None
        self.calls = calls
        self._transport.write(frame([call.item for call in calls]))

    def data_received(self, data: bytes) -> None:
        try:
            for items in self._frames.feed(data):
                calls, self.calls = self.calls, []
                for call, item in zip(calls, items, strict=True):
                    if not call.done.done():
                        call.done.set_result((item, self.version))
                self._lane.free(self)
        except ValueError:
            self.close()

    def connection_lost(self, _error: Exception | None) -> None:
        calls, self.calls = self.calls, []
        self._lane.lost(self, calls)

    def close(self) -> None:
        """Once nothing is under way."""
        if self._transport is not None:
            self._transport.close()


class _Lane:
    """The requests of one service."""

    def __init__(self) -> None:
        self.under_way = 0
        self._waiting: deque[_Call] = deque()
        self._lines: dict[Path, _Line] = {}
        self._idle: deque[_Line] = deque()
        self._served: Served | None = None
        self._find: Find = lambda: None
        self._keeper: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    @property
    def load(self) -> tuple[int, int]:
        """(requests that wait for a replica, replicas that answer a batch)."""
        return len(self._waiting), len(self._lines) - len(self._idle)

    async def ask(self, find: Find, item: Item) -> tuple[Item, str]:
        """The answer and the version that gave it. Raises `ApiError` 429, 503, 504."""
        self._find = find
        self._look()
        here = self._served
        if here is None or (not here.places and here.state != "starting"):
            raise _unready(here)
        if self.under_way >= here.most:
            raise ApiError(
                429, f"The service {here.service!r} has {here.most} requests under way, which is its limit.",
                code="overloaded", hint="try again, or declare more replicas.", headers={"retry-after": "1"},
            )  # fmt: skip
        loop = asyncio.get_running_loop()
        call = _Call(item, loop.create_future(), loop.time() + WAIT_S)
        self.under_way += 1
        try:
            self._waiting.append(call)
            self._pump()
            return await call.done
        finally:
            self.under_way -= 1

    def free(self, line: _Line) -> None:
        """A replica has answered its batch."""
        if line in self._lines.values():
            self._idle.append(line)
            self._pump()
        else:
            line.close()

    def lost(self, line: _Line, calls: list[_Call]) -> None:
        """A replica has gone; what it had not answered is asked again, up to twice."""
        for place in [place for place, one in self._lines.items() if one is line]:
            del self._lines[place]
        if line in self._idle:
            self._idle.remove(line)
        for call in reversed(calls):
            if call.tries < TRIES:
                self._waiting.appendleft(call)
            elif not call.done.done():
                error = ApiError(503, "The replica ended while it answered, three times.", code="service_unready")
                call.done.set_exception(error)
        self._pump()

    def _look(self) -> None:
        """Follow the snapshot: lines to replicas that are not asked any more end after their batch."""
        here = self._find()
        if here is self._served:
            return
        self._served = here
        places = here.places if here is not None else ()
        for place in [place for place in self._lines if place not in places]:
            line = self._lines.pop(place)
            if line in self._idle:
                self._idle.remove(line)
                line.close()

    def _pump(self) -> None:
        """Hand what waits to replicas that are idle."""
        self._look()
        while self._waiting and self._idle:
            line = self._idle.popleft()
            share = max(1, -(-len(self._waiting) // (1 + len(self._idle))))
            calls = [self._waiting.popleft() for _ in range(min(share, MOST_BATCH))]
            calls = [call for call in calls if not call.done.done()]
            for call in calls:
                call.tries += 1
            if calls:
                line.send(calls)
            else:
                self._idle.append(line)
        if self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep())
        elif self._lacking():
            self._wake.set()

    def _lacking(self) -> list[Path]:
        return [place for place in self._served.places if place not in self._lines] if self._served is not None else []

    async def _keep(self) -> None:
        """Connect to replicas, and give up on requests whose time is over, while anything is wanting."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                self._look()
                for place in self._lacking():
                    await self._connect(place)
                self._pump()
                for call in [call for call in self._waiting if call.ends < loop.time()]:
                    self._waiting.remove(call)
                    if not call.done.done():
                        call.done.set_exception(_unready(self._served))
                for line in list(self._lines.values()):
                    for call in [call for call in line.calls if call.ends < loop.time() and not call.done.done()]:
                        message = f"The model did not answer within {WAIT_S:.0f} s."
                        call.done.set_exception(ApiError(504, message, code="model_timeout"))
                if not self.under_way:
                    return
                if self._lacking() or not self._lines:
                    await asyncio.sleep(RETRY_S)
                    continue
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), 1.0)
        finally:
            self._keeper = None

    async def _connect(self, place: Path) -> None:
        assert self._served is not None
        version = self._served.version
        try:
            folder = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            # A socket's path has at most 107 bytes; through the folder's descriptor every folder will do.
            _, line = await asyncio.get_running_loop().create_unix_connection(
                lambda: _Line(self, version), f"/proc/self/fd/{folder}/{SOCKET}"
            )
        except OSError:
            return
        finally:
            os.close(folder)
        if self._served is None or place not in self._served.places or place in self._lines:
            line.close()
            return
        self._lines[place] = line
        self._idle.append(line)


class Lanes:
    """A lane for each service that was ever asked."""

    def __init__(self) -> None:
        self._lanes: dict[str, _Lane] = {}

    def loads(self) -> Mapping[str, tuple[int, int]]:
        """Service -> (requests that wait, replicas that are busy), of this moment; any thread may ask."""
        return {service: lane.load for service, lane in list(self._lanes.items())}

    async def ask(self, service: str, find: Find, item: Item) -> tuple[Item, str]:
        """The answer and the version that gave it. Raises `ApiError`."""
        lane = self._lanes.get(service)
        if lane is None:
            lane = self._lanes[service] = _Lane()
        return await lane.ask(find, item)


def _unready(here: Served | None) -> ApiError:
    name = here.service if here is not None else "the service"
    reason = here.reason if here is not None and here.reason else "no replica answers yet"
    headers = {"retry-after": "1"}
    return ApiError(503, f"{name} cannot answer: {reason}.", code="service_unready", headers=headers)
