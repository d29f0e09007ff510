# SPDX-License-Identifier: Apache-2.0
"""Who answers a prediction while another version is tried beside the live one, and what is told of it afterwards.

In the shadow phase both are asked, and the live version's answer goes out without waiting for the other. Afterwards
each key has its version. In the last stage, where every key is the tried version's, the live one is asked silently: so
that the two still are compared on the same requests, and a world that changes just then is not held against the new
one. Whatever the tried version does, callers are answered: where it fails, is lost or takes much longer than usual,
the live version's answer is sent, and that counts against the one that is tried.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from colonnade.core.arms import arm_of
from colonnade.core.exchanges import Arm, Exchange, Reply
from colonnade.core.predicting import ANSWERED, WRONG, Item
from colonnade.gateway.failures import ApiError
from colonnade.gateway.lanes import WAIT_S, Find, Given, Lane, Lanes, Rival, Served

SHADOWS = 32
"""So many requests are under way in a shadow at most; beyond that, and while the live version is busy, it is spared."""
SILENT_S = 10.0
"""Nobody waits for an answer that nobody hears, so it has more time."""
PATIENCE_S, PATIENCE = 1.0, 20.0
"""A tried version may take so long, or so many times what the live one usually takes; then that one is asked. Whether
it is slower is judged by all latencies: when the whole machine stands still, both are late."""


class Tells(Protocol):
    """Where a request is asked, and who is told."""

    @property
    def lanes(self) -> Lanes:
        """Where requests wait."""
        ...

    def exchanged(self, exchange: Exchange) -> None:
        """A request was answered."""
        ...


class Asked:
    """One request to a service. `find` gives who answers now."""

    __slots__ = ("_at_ms", "_began", "_find", "_item", "_key", "_name", "_ref", "_serving")

    def __init__(self, serving: Tells, name: str, find: Find, item: Item, ref: str, key: str, at_ms: int) -> None:
        self._serving, self._name, self._find, self._item = serving, name, find, item
        self._ref, self._key, self._at_ms = ref, key, at_ms
        self._began = time.perf_counter()

    async def answer(self, here: Served) -> Given:
        """The answer that is to be sent. Raises `ApiError` 429, 503, 504."""
        rival = here.rival
        if rival is None:
            return await self._champion("", 0.0, None)
        if rival.share <= 0:
            return await self._shadow(here, rival)
        if rival.share >= 100:
            return await self._last(here, rival)
        if arm_of(self._key, rival.share, rival.rollout) == "champion":
            return await self._champion(rival.rollout, rival.share, None)
        return await self._challenger(rival)

    async def _champion(self, rollout: str, share: float, instead_of: Reply | None) -> Given:
        began = time.perf_counter()
        try:
            given = await self._serving.lanes.lane(self._name).begin(self._find, self._item)
        except ApiError as error:
            if error.http_status != 429:
                self._tell(rollout, share, "champion", _lost(error, self._version(), began), instead_of)
            raise
        if given.item.kind != WRONG:
            self._tell(rollout, share, "champion", _reply(given), instead_of)
        return given

    async def _challenger(self, rival: Rival) -> Given:
        """The tried version's answer; or the live one's, where it has none."""
        began = time.perf_counter()
        reply: Reply | None
        try:
            given = await self._begin_rival()
        except ApiError as error:
            reply = self._blame(error, rival, began)
        else:
            reply = _reply(given)
            if given.item.kind == ANSWERED:
                self._tell(rival.rollout, rival.share, "challenger", None, reply)
                return given
        return await self._champion(rival.rollout, rival.share, reply)

    async def _shadow(self, here: Served, rival: Rival) -> Given:
        """Both are asked, at random the one or the other first, so that neither has it easier."""
        lane, beside = self._lanes()
        spared = beside.under_way >= SHADOWS or 2 * lane.under_way > here.most or not rival.served.places
        silent: asyncio.Future[Given] | None = None
        began = time.perf_counter()
        first = self._heads and not spared
        if first:
            silent = _quietly(self._begin_shadow)
        try:
            asked = lane.begin(self._find, self._item)
            if not first and not spared:
                silent = _quietly(self._begin_shadow)
            given = await asked
        except ApiError as error:
            if error.http_status != 429:
                self._pair(rival, "champion", _lost(error, here.version, began), silent)
            raise
        if given.item.kind != WRONG:
            self._pair(rival, "champion", _reply(given), silent)
        return given

    async def _last(self, here: Served, rival: Rival) -> Given:
        """The same the other way round: the tried version is heard, the live one is asked as long as it is there."""
        lane, beside = self._lanes()
        spared = lane.under_way >= SHADOWS or 2 * beside.under_way > rival.served.most or not here.places
        began, silent = time.perf_counter(), None
        first = self._heads and not spared
        if first:
            silent = _quietly(self._begin_champion)
        try:
            asked = self._begin_rival()
            if not first and not spared:
                silent = _quietly(self._begin_champion)
            given = await asked
        except ApiError as error:
            reply = self._blame(error, rival, began)
        else:
            reply = _reply(given)
            if given.item.kind == ANSWERED:
                self._pair(rival, "challenger", reply, silent)
                return given
        if silent is None:
            return await self._champion(rival.rollout, rival.share, reply)
        given = await silent
        if given.item.kind != WRONG:
            self._tell(rival.rollout, rival.share, "champion", _reply(given), reply, paired=reply is not None)
        return given

    def _blame(self, error: ApiError, rival: Rival, began: float) -> Reply | None:
        """A tried version's failure; None: too many at once is the callers' doing, and that its rollout has ended is
        nobody's.
        """
        if error.http_status == 429 or self._rival() is None:
            return None
        return _lost(error, rival.served.version, began)

    @property
    def _heads(self) -> bool:
        """Half of the requests, at random: clients that ask every so many milliseconds would always meet one side."""
        return self._ref[-1] in "02468ace"

    def _lanes(self) -> tuple[Lane, Lane]:
        lanes = self._serving.lanes
        return lanes.lane(self._name), lanes.beside(self._name)

    def _begin_rival(self) -> asyncio.Future[Given]:
        lane, beside = self._lanes()
        return beside.begin(self._rival, self._item, min(WAIT_S, max(PATIENCE_S, PATIENCE * lane.usual_s)))

    def _begin_shadow(self) -> asyncio.Future[Given]:
        return self._lanes()[1].begin(self._rival, self._item, SILENT_S)

    def _begin_champion(self) -> asyncio.Future[Given]:
        return self._lanes()[0].begin(self._find, self._item)

    def _pair(self, rival: Rival, heard: Arm, reply: Reply, silent: asyncio.Future[Given] | None) -> None:
        """Tell of the request once the one that nobody hears has answered, too."""
        version, began = rival.served.version if heard == "champion" else self._version(), self._began

        def told(other: Reply | None) -> None:
            champion, challenger = (reply, other) if heard == "champion" else (other, reply)
            self._tell(rival.rollout, rival.share, heard, champion, challenger, paired=other is not None)

        def both(done: asyncio.Future[Given]) -> None:
            if not done.cancelled():
                error = done.exception()
                told(_lost(error, version, began) if error is not None else _reply(done.result()))

        if silent is None:
            told(None)
        elif silent.done():
            both(silent)
        else:
            silent.add_done_callback(both)

    def _rival(self) -> Served | None:
        here = self._find()
        return here.rival.served if here is not None and here.rival is not None else None

    def _version(self) -> str:
        here = self._find()
        return here.version if here is not None else ""

    def _tell(
        self, rollout: str, share: float, sent: Arm, champion: Reply | None, challenger: Reply | None, *,
        paired: bool = False,
    ) -> None:  # fmt: skip
        item = self._item
        self._serving.exchanged(
            Exchange(
                self._ref, self._name, rollout, self._key, item.kind, item.mark, item.data, self._at_ms, sent, champion,
                challenger, share, paired,
            )
        )  # fmt: skip


def _reply(given: Given) -> Reply:
    item = given.item
    return Reply(given.version, given.ms, item.kind != ANSWERED, item.data, item.mark)


def _lost(error: BaseException | None, version: str, began: float) -> Reply:
    late = isinstance(error, ApiError) and error.http_status == 504
    return Reply(version, (time.perf_counter() - began) * 1000, True, b"", late=late)


def _quietly(begin: Callable[[], asyncio.Future[Given]]) -> asyncio.Future[Given] | None:
    """Ask somebody whom nobody waits for; None where that cannot be."""
    try:
        silent = begin()
    except ApiError:
        return None
    silent.add_done_callback(_look_at)
    return silent


def _look_at(done: asyncio.Future[Given]) -> None:
    """So that nobody complains about an error that nobody looked at."""
    if not done.cancelled():
        done.exception()
