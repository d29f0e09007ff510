# SPDX-License-Identifier: Apache-2.0
"""How requests reach replicas: one lane a service, one batch at a time to each replica, refusals before collapse.

A replica that is idle is asked at once; while it answers, what comes is gathered and goes as the next batch, so batches
grow with the load and nobody waits for a timer. A lane takes so many requests and no more: the next is refused with
429; how many that are stands in `admission`. A replica that is lost gives its requests back, up to twice. Everything
here runs in the gateway's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from colonnade.core.predicting import SOCKET, Frames, Item, frame
from colonnade.gateway.admission import Admission, Refusals
from colonnade.gateway.failures import ApiError

RETRY_S = 0.02
LOOK_S = 0.05
WAIT_S = 30.0
"""A request waits so long for a replica, and for its answer."""
USUAL = 0.02
"""The weight of the newest answer in the running mean of how long they take."""
TRIES = 3
"""A request that ends every replica that it is given to must not end them all; one may die by itself, or two."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A version that is tried beside the one that answers: `share` percent of the keys are its; 0: nobody sees it."""

    rollout: str
    share: float
    served: Served


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
    rival: Rival | None = None


class Given(NamedTuple):
    """An answer: who gave it, and how long it took, in ms, from when it was handed over.

    sent: when it went to a replica, by the lane's clock, with how many in one batch; place: the replica's folder.
    """

    item: Item
    version: str
    ms: float
    sent: float = 0.0
    shared: int = 1
    place: str = ""


Find = Callable[[], Served | None]


class _Call:
    __slots__ = ("began", "done", "ends", "item", "tries")

    def __init__(self, item: Item, done: asyncio.Future[Given], began: float, ends: float) -> None:
        self.item, self.done, self.began, self.ends, self.tries = item, done, began, ends, 0


class _Line(asyncio.Protocol):
    """A connection to one replica, with at most one batch under way."""

    def __init__(self, lane: Lane, version: str, place: str) -> None:
        self._lane, self.version, self._place = lane, version, place
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self.calls: list[_Call] = []
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, calls: list[_Call]) -> None:
        """One batch."""
        assert self._transport is not None
        self.calls, self._sent = calls, self._lane.clock()
        self._transport.write(frame([call.item for call in calls]))

    def data_received(self, data: bytes) -> None:
        try:
            for items in self._frames.feed(data):
                calls, self.calls = self.calls, []
                now = self._lane.clock()
                took_s = self._frames.took_s  # this loop may be late, and then its own clock would blame the replica
                self._lane.admission.took(len(calls), now - self._sent if took_s is None else took_s, now)
                for call, item in zip(calls, items, strict=True):
                    if not call.done.done():
                        took = now - call.began
                        self._lane.usual_s += USUAL * (took - self._lane.usual_s)
                        call.done.set_result(
                            Given(item, self.version, took * 1000, self._sent, len(calls), self._place)
                        )
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


class Lane:
    """The requests of one service, or those for a version that is tried beside the one that answers.

    In a `brief` lane nothing is tried again and nothing waits for a replica to come: whoever asks has another answer.
    """

    def __init__(self, clock: Callable[[], float], *, brief: bool = False) -> None:
        self.clock, self._brief = clock, brief
        self.admission = Admission()
        self.under_way = 0
        self.usual_s = 0.0
        """How long an answer takes, as a running mean."""
        self._waiting: deque[_Call] = deque()
        self._lines: dict[Path, _Line] = {}
        self._leaving: set[_Line] = set()
        """Lines that are not asked any more and have a batch under way."""
        self._idle: deque[_Line] = deque()
        self._served: Served | None = None
        self._find: Find = lambda: None
        self._keeper: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    @property
    def load(self) -> tuple[int, int]:
        """(requests that wait for a replica, replicas that answer a batch); while some are refused, the limit waits."""
        waiting = len(self._waiting)
        if self._served is not None and self.admission.overloaded(self.clock()):
            waiting = max(waiting, self._served.most)
        return waiting, len(self._lines) - len(self._idle)

    async def ask(self, find: Find, item: Item, wait_s: float = WAIT_S) -> Given:
        """The answer. Raises `ApiError` 429, 503, 504."""
        return await self.begin(find, item, wait_s)

    def begin(self, find: Find, item: Item, wait_s: float = WAIT_S) -> asyncio.Future[Given]:
        """Hand a request over; its answer comes, or an `ApiError` 503 or 504. Raises `ApiError` 429, 503."""
        self._find = find
        self._look()
        here = self._served
        if here is None or (not here.places and (self._brief or here.state != "starting")):
            raise _unready(here)
        now = self.clock()
        if self.under_way >= self.admission.room(here.most, len(here.places) or 1, now):
            self.admission.refuse(now)
            self._shed(here)
            raise _overloaded(here)
        call = _Call(item, asyncio.get_running_loop().create_future(), now, now + wait_s)
        self.under_way += 1
        call.done.add_done_callback(self._over)
        self._waiting.append(call)
        self._pump()
        return call.done

    def _over(self, _done: object) -> None:
        self.under_way -= 1

    def _shed(self, here: Served) -> None:
        """Refuse what waits beyond the replicas' next batch, the newest first: it would only wait longer."""
        while len(self._waiting) > self.admission.room(here.most, len(here.places) or 1, self.clock()):
            call = self._waiting.pop()
            if not call.done.done():
                call.done.set_exception(_overloaded(here))

    def free(self, line: _Line) -> None:
        """A replica has answered its batch."""
        if line in self._lines.values():
            self._idle.append(line)
            self._pump()
        else:
            self._leaving.discard(line)
            line.close()

    def lost(self, line: _Line, calls: list[_Call]) -> None:
        """A replica has gone; what it had not answered is asked again, up to twice."""
        for place in [place for place, one in self._lines.items() if one is line]:
            del self._lines[place]
        self._leaving.discard(line)
        if line in self._idle:
            self._idle.remove(line)
        for call in reversed(calls):
            if call.tries < (1 if self._brief else TRIES):
                self._waiting.appendleft(call)
            elif not call.done.done():
                times = "" if self._brief else ", three times"
                error = ApiError(503, f"The replica ended while it answered{times}.", code="service_unready")
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
            else:
                self._leaving.add(line)
        if self._brief and not places:
            self._give_up()

    def _give_up(self) -> None:
        """Nobody is there to be asked."""
        while self._waiting:
            call = self._waiting.popleft()
            if not call.done.done():
                call.done.set_exception(_unready(self._served))

    def _pump(self) -> None:
        """Hand what waits to replicas that are idle."""
        self._look()
        while self._waiting and self._idle:
            line = self._idle.popleft()
            share = max(1, -(-len(self._waiting) // (1 + len(self._idle))))
            calls = [self._waiting.popleft() for _ in range(min(share, self.admission.batch))]
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
        try:
            while True:
                self._look()
                for place in self._lacking():
                    await self._connect(place)
                self._pump()
                if self._brief and not self._lines:
                    self._give_up()
                now = self.clock()
                for call in [call for call in self._waiting if call.ends < now]:
                    self._waiting.remove(call)
                    if not call.done.done():
                        there = self._served is not None and bool(self._served.places)
                        call.done.set_exception(_late(now - call.began) if there else _unready(self._served))
                for line in [*self._lines.values(), *self._leaving]:
                    for call in [call for call in line.calls if call.ends < now and not call.done.done()]:
                        call.done.set_exception(_late(now - call.began))
                if not self.under_way:
                    return
                if self._lacking() or not self._lines:
                    await asyncio.sleep(RETRY_S)
                    continue
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), 0.25 if self._brief else 1.0)
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
                lambda: _Line(self, version, place.name), f"/proc/self/fd/{folder}/{SOCKET}"
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
    """A lane for each service that was ever asked, and one for each of them in which a version was ever tried."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lanes: dict[str, Lane] = {}
        self._beside: dict[str, Lane] = {}
        self._refusals = Refusals()
        self._refused = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def hold(self) -> None:
        """Until the next refusal may be told."""
        self._refused = self._clock()
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())
        if pause_s := self._refusals.pause_s(self._refused):
            await asyncio.sleep(pause_s)

    async def _look(self) -> None:
        """How late this loop is, while refusals are told."""
        try:
            while self._clock() - self._refused < 1.0:
                began = self._clock()
                await asyncio.sleep(LOOK_S)
                self._refusals.lag_s = self._clock() - began - LOOK_S
        finally:
            self._refusals.lag_s, self._looking = 0.0, None

    def loads(self) -> Mapping[str, tuple[int, int]]:
        """Service -> (requests that wait, replicas that are busy), of this moment; any thread may ask. Where a version
        is tried beside the live one, of the lane that has more to do.
        """
        loads = {service: lane.load for service, lane in list(self._lanes.items())}
        for service, lane in list(self._beside.items()):
            loads[service] = max(lane.load, loads.get(service, (0, 0)))
        return loads

    def lane(self, service: str) -> Lane:
        """A service's lane."""
        lane = self._lanes.get(service)
        if lane is None:
            lane = self._lanes[service] = Lane(self._clock)
        return lane

    def beside(self, service: str) -> Lane:
        """The lane of what is tried beside it: it shares nothing with the other."""
        lane = self._beside.get(service)
        if lane is None:
            lane = self._beside[service] = Lane(self._clock, brief=True)
        return lane

    async def ask(self, service: str, find: Find, item: Item) -> Given:
        """The answer. Raises `ApiError`."""
        return await self.lane(service).begin(find, item)


def _overloaded(here: Served) -> ApiError:
    return ApiError(
        429, f"The service {here.service!r} has more requests under way than it can answer; its limit is {here.most}.",
        code="overloaded", hint="try again, or declare more replicas.", headers={"retry-after": "1"},
    )  # fmt: skip


def _late(seconds: float) -> ApiError:
    return ApiError(504, f"The model did not answer within {seconds:.0f} s.", code="model_timeout")


def _unready(here: Served | None) -> ApiError:
    name = here.service if here is not None else "the service"
    reason = here.reason if here is not None and here.reason else "no replica answers yet"
    headers = {"retry-after": "1"}
    return ApiError(503, f"{name} cannot answer: {reason}.", code="service_unready", headers=headers)
