# SPDX-License-Identifier: Apache-2.0
"""Who answers while a version is tried: real sockets, replicas of a few lines, the gateway's own lanes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from colonnade.core.arms import arm_of
from colonnade.core.exchanges import Exchange
from colonnade.core.predicting import ANSWERED, FAILED, ROWS, SOCKET, WRONG, Frames, Item, frame
from colonnade.gateway import trial
from colonnade.gateway.failures import ApiError
from colonnade.gateway.lanes import Given, Lanes, Rival, Served
from colonnade.gateway.trial import Asked
from colonnade.lifecycle.serving.probe import ReplicaLine

Answer = Callable[[Item], Awaitable[Item]]
OLD, NEW = "sha256:old", "sha256:new"


def says(word: str, kind: int = ANSWERED) -> Answer:
    """A model that always answers the same."""

    async def answer(_: Item) -> Item:
        return Item(kind, 0, word.encode())

    return answer


async def hangs(_: Item) -> Item:
    """A model that never answers."""
    await asyncio.Event().wait()
    raise AssertionError


@contextlib.asynccontextmanager
async def replica(place: Path, answer: Answer) -> AsyncIterator[asyncio.AbstractServer]:
    """A process's socket in its folder."""
    place.mkdir()
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        frames = Frames()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(65536):
                for items in frames.feed(data):
                    writer.write(frame([await answer(item) for item in items]))
        writer.close()

    server = await asyncio.start_unix_server(talk, str(place / SOCKET))
    try:
        yield server
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class House:
    """What the gateway asks, and whom it tells."""

    def __init__(self, champion: Path, challenger: Path | None, share: float) -> None:
        self.lanes, self.told = Lanes(), list[Exchange]()
        places = (challenger,) if challenger is not None else ()
        beside = Served("credit", "ready", NEW, places, 8 * len(places))
        self.here: Served | None = Served("credit", "ready", OLD, (champion,), 8, rival=Rival("rol_1", share, beside))

    def exchanged(self, exchange: Exchange) -> None:
        self.told.append(exchange)

    async def ask(self, key: str = "k") -> Given:
        assert self.here is not None
        asked = Asked(
            self,
            "credit",
            lambda: self.here,
            Item(ROWS, 0, b"[{}]"),
            f"request/{len(self.told):x}",
            key,
            len(self.told),
        )
        return await asked.answer(self.here)

    async def heard(self, count: int) -> None:
        while len(self.told) < count:
            await asyncio.sleep(0.001)


def run(story: Awaitable[None]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(10):
            await story

    asyncio.run(whole())


def test_in_the_shadow_both_are_asked_and_only_the_live_version_is_heard(tmp_path: Path) -> None:
    async def story() -> None:
        async with replica(tmp_path / "a", says("[1]")), replica(tmp_path / "b", says("[2]")):
            house = House(tmp_path / "a", tmp_path / "b", 0.0)
            for number in range(1, 5):
                given = await house.ask()
                assert (given.item.data, given.version) == (b"[1]", OLD)
                await house.heard(number)
            one = house.told[0]
            assert (one.sent, one.share, one.rollout) == ("champion", 0.0, "rol_1")
            assert one.champion is not None
            assert one.challenger is not None
            assert (one.champion.data, one.challenger.data, one.challenger.version) == (b"[1]", b"[2]", NEW)
            assert one.challenger.ms > 0

    run(story())


def test_a_challenger_that_hangs_in_the_shadow_delays_nobody_is_spared_and_counts_as_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "SILENT_S", 0.05)

    async def story() -> None:
        async with replica(tmp_path / "a", says("[1]")), replica(tmp_path / "b", hangs):
            house = House(tmp_path / "a", tmp_path / "b", 0.0)
            for _ in range(30):
                assert (await house.ask()).item.data == b"[1]"
            await house.heard(30)
            failed = [one for one in house.told if one.challenger is not None]
            assert 0 < len(failed) < 30  # the others were spared: its lane was full
            assert all(one.challenger.late for one in failed if one.challenger is not None)
            assert all(one.champion is not None and not one.champion.error for one in house.told)

    run(story())


def test_in_the_last_stage_the_live_version_is_asked_silently_and_at_hand(tmp_path: Path) -> None:
    async def story() -> None:
        async with replica(tmp_path / "a", says("[1]")), replica(tmp_path / "b", says("[2]")):
            house = House(tmp_path / "a", tmp_path / "b", 100.0)
            for number in range(1, 5):
                assert (await house.ask()).item.data == b"[2]"
                await house.heard(number)
            one = house.told[0]
            assert (one.sent, one.paired) == ("challenger", True)
            assert one.champion is not None
            assert (one.champion.data, one.champion.version) == (b"[1]", OLD)
            house.here = Served("credit", "starting", OLD, (), 8, rival=house.here.rival)  # type: ignore[union-attr]
            assert (await house.ask()).item.data == b"[2]"
            assert (house.told[-1].paired, house.told[-1].champion) == (False, None)

    run(story())


def test_each_key_has_its_version(tmp_path: Path) -> None:
    async def story() -> None:
        async with replica(tmp_path / "a", says("[1]")), replica(tmp_path / "b", says("[2]")):
            house = House(tmp_path / "a", tmp_path / "b", 25.0)
            for number in range(40):
                arm = arm_of(f"k{number}", 25.0, "rol_1")
                given = await house.ask(f"k{number}")
                told = house.told[-1]
                assert given.version == (NEW if arm == "challenger" else OLD)
                assert (told.sent, told.champion is None, told.challenger is None) == (
                    arm, arm == "challenger", arm == "champion",
                )  # fmt: skip

    run(story())


@pytest.mark.parametrize(
    "answer",
    [says("it broke", FAILED), says("no such column", WRONG), hangs, None],
    ids=["fails", "refuses", "hangs", "gone"],
)
def test_whatever_the_challenger_does_the_caller_is_answered_and_it_is_blamed(
    answer: Answer | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "PATIENCE_S", 0.05)

    async def story() -> None:
        async with replica(tmp_path / "a", says("[1]")), replica(tmp_path / "b", answer or hangs):
            house = House(tmp_path / "a", tmp_path / "b" if answer is not None else None, 100.0)
            given = await house.ask()
            assert (given.item.data, given.version) == (b"[1]", OLD)
            told = house.told[0]
            assert told.sent == "champion"
            assert told.challenger is not None
            assert (told.challenger.error, told.challenger.late) == (True, answer is hangs)
            assert told.champion is not None
            assert not told.champion.error

    run(story())


def test_what_waits_for_a_challenger_is_answered_when_its_rollout_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "PATIENCE_S", 0.3)

    async def story() -> None:
        async with replica(tmp_path / "a", says("[1]")), replica(tmp_path / "b", hangs):
            house = House(tmp_path / "a", tmp_path / "b", 100.0)
            first = asyncio.ensure_future(house.ask("first"))
            await asyncio.sleep(0.02)  # its batch is under way
            rest = [asyncio.ensure_future(house.ask(f"k{number}")) for number in range(4)]
            await asyncio.sleep(0.02)
            assert not any(one.done() for one in rest)
            assert house.here is not None
            house.here = Served("credit", "ready", OLD, house.here.places, 8)
            assert {given.item.data for given in await asyncio.gather(*rest)} == {b"[1]"}
            assert (await first).item.data == b"[1]"

    run(story())


def test_a_request_that_is_wrong_itself_is_told_to_its_caller_and_is_nobodys_error(tmp_path: Path) -> None:
    async def story() -> None:
        async with replica(tmp_path / "a", says("wrong", WRONG)), replica(tmp_path / "b", says("wrong", WRONG)):
            for share in (0.0, 100.0):
                house = House(tmp_path / "a", tmp_path / "b", share)
                assert (await house.ask()).item.kind == WRONG
                await asyncio.sleep(0.02)
                assert house.told == []

    run(story())


def test_where_the_live_version_is_lost_too_the_caller_is_told(tmp_path: Path) -> None:
    async def story() -> None:
        async with replica(tmp_path / "b", says("x", FAILED)):
            house = House(tmp_path / "gone", tmp_path / "b", 100.0)
            house.here = Served("credit", "failed", OLD, (), 8, "it does not stay up", rival=house.here.rival)  # type: ignore[union-attr]
            with pytest.raises(ApiError, match="does not stay up"):
                await house.ask()
            assert house.told[0].champion is not None
            assert house.told[0].champion.error

    run(story())


def test_a_line_from_a_thread_begins_anew_after_an_answer_that_did_not_come(tmp_path: Path) -> None:
    late = asyncio.Event()

    async def first_hangs(item: Item) -> Item:
        if not late.is_set():
            late.set()
            await asyncio.sleep(0.15)
            return Item(ANSWERED, 0, b"late")
        return Item(ANSWERED, 0, item.data)

    async def story() -> None:
        async with replica(tmp_path / "a", first_hangs):
            line = await asyncio.to_thread(ReplicaLine, tmp_path / "a", 0.05)
            with pytest.raises(OSError, match="timed out"):
                await asyncio.to_thread(line.ask, Item(ROWS, 0, b"one"))
            assert (await asyncio.to_thread(line.ask, Item(ROWS, 0, b"two"))).data == b"two"
            line.close()
        with pytest.raises(OSError):
            ReplicaLine(tmp_path / "nobody")

    run(story())
