# SPDX-License-Identifier: Apache-2.0
"""Who answers a prediction while another version is tried beside the live one, and what is told of it afterwards.

In the shadow phase both are asked, and the live version's answer goes out without waiting for the other. Afterwards
each key has its version. Whatever the tried version does, callers are answered: where it fails, is lost or takes much
longer than usual, the live version is asked instead, and that counts against the one that is tried.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from colonnade.core.arms import arm_of
from colonnade.core.exchanges import Arm, Exchange, Reply
from colonnade.core.predicting import ANSWERED, WRONG, Item
from colonnade.gateway.failures import ApiError
from colonnade.gateway.lanes import WAIT_S, Find, Given, Lanes, Rival, Served

SHADOWS = 32
"""So many requests are under way in a shadow at most; beyond that, and while the live version is busy, it is spared."""
PATIENCE_S, PATIENCE = 1.0, 20.0
"""A tried version may take so long, or so many times what the live one usually takes; then that one is asked."""


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

    __slots__ = ("_at_ms", "_find", "_item", "_key", "_name", "_ref", "_serving")

    def __init__(self, serving: Tells, name: str, find: Find, item: Item, ref: str, key: str, at_ms: int) -> None:
        self._serving, self._name, self._find, self._item = serving, name, find, item
        self._ref, self._key, self._at_ms = ref, key, at_ms

    async def answer(self, here: Served) -> Given:
        """The answer that is to be sent. Raises `ApiError` 429, 503, 504."""
        rival = here.rival
        if rival is None:
            return await self._champion("", 0.0, None)
        if rival.share <= 0:
            return await self._shadow(here, rival)
        if arm_of(self._key, rival.share, rival.rollout) == "champion":
            return await self._champion(rival.rollout, rival.share, None)
        return await self._challenger(rival)

    async def _champion(self, rollout: str, share: float, instead_of: Reply | None) -> Given:
        began = time.perf_counter()
        try:
            given = await self._serving.lanes.lane(self._name).begin(self._find, self._item)
        except ApiError as error:
            if error.http_status != 429:
                self._tell(rollout, share, "champion", _lost(self._version(), began), instead_of)
            raise
        if given.item.kind != WRONG:
            self._tell(rollout, share, "champion", _reply(given), instead_of)
        return given

    async def _challenger(self, rival: Rival) -> Given:
        """The tried version's answer; or the live one's, where it has none."""
        lanes, began = self._serving.lanes, time.perf_counter()
        patience_s = min(WAIT_S, max(PATIENCE_S, PATIENCE * lanes.lane(self._name).usual_s))
        reply: Reply | None
        try:
            given = await lanes.beside(self._name).begin(self._rival, self._item, patience_s)
        except ApiError as error:  # too many at once is the callers' doing, and no evidence
            reply = None if error.http_status == 429 else _lost(rival.served.version, began)
        else:
            reply = _reply(given)
            if given.item.kind == ANSWERED:
                self._tell(rival.rollout, rival.share, "challenger", None, reply)
                return given
        return await self._champion(rival.rollout, rival.share, reply)

    async def _shadow(self, here: Served, rival: Rival) -> Given:
        """Both are asked, now the one first and now the other, so that neither has it easier."""
        lanes = self._serving.lanes
        lane, beside = lanes.lane(self._name), lanes.beside(self._name)
        spared = beside.under_way >= SHADOWS or 2 * lane.under_way > here.most or not rival.served.places
        shadow: asyncio.Future[Given] | None = None
        began = time.perf_counter()
        last = self._at_ms & 1
        if last and not spared:
            shadow = self._begin_shadow(lane.usual_s)
        try:
            asked = lane.begin(self._find, self._item)
            if not last and not spared:
                shadow = self._begin_shadow(lane.usual_s)
            given = await asked
        except ApiError as error:
            if error.http_status != 429:
                self._pair(rival, _lost(here.version, began), shadow)
            raise
        if given.item.kind != WRONG:
            self._pair(rival, _reply(given), shadow)
        return given

    def _begin_shadow(self, usual_s: float) -> asyncio.Future[Given] | None:
        patience_s = min(WAIT_S, max(PATIENCE_S, PATIENCE * usual_s))
        try:
            shadow = self._serving.lanes.beside(self._name).begin(self._rival, self._item, patience_s)
        except ApiError:
            return None
        shadow.add_done_callback(_look_at)
        return shadow

    def _pair(self, rival: Rival, champion: Reply, shadow: asyncio.Future[Given] | None) -> None:
        """Tell of the request once both have answered."""
        if shadow is None:
            self._tell(rival.rollout, 0.0, "champion", champion, None)
            return

        def both(done: asyncio.Future[Given]) -> None:
            if done.cancelled():
                return
            failed = done.exception() is not None
            reply = Reply(rival.served.version, 0.0, True, b"") if failed else _reply(done.result())
            self._tell(rival.rollout, 0.0, "champion", champion, reply)

        if shadow.done():
            both(shadow)
        else:
            shadow.add_done_callback(both)

    def _rival(self) -> Served | None:
        here = self._find()
        return here.rival.served if here is not None and here.rival is not None else None

    def _version(self) -> str:
        here = self._find()
        return here.version if here is not None else ""

    def _tell(self, rollout: str, share: float, sent: Arm, champion: Reply | None, challenger: Reply | None) -> None:
        item = self._item
        self._serving.exchanged(
            Exchange(
                self._ref, self._name, rollout, self._key, item.kind, item.mark, item.data, self._at_ms, sent, champion,
                challenger, share,
            )
        )  # fmt: skip


def _reply(given: Given) -> Reply:
    item = given.item
    return Reply(given.version, given.ms, item.kind != ANSWERED, item.data, item.mark)


def _lost(version: str, began: float) -> Reply:
    return Reply(version, (time.perf_counter() - began) * 1000, True, b"")


def _look_at(done: asyncio.Future[Given]) -> None:
    """So that nobody complains about an error that nobody looked at."""
    if not done.cancelled():
        done.exception()
