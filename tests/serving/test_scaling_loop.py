# SPDX-License-Identifier: Apache-2.0
"""A service's loop in virtual time: replicas come and go with the load; leases are granted when the test says so, and
replicas answer the real probe."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colonnade.core.claims import Claim
from colonnade.core.predicting import ANSWERED, SOCKET, Item, frame
from colonnade.lifecycle.serving.loop import START_MS, Means, ServiceLoop
from colonnade.lifecycle.serving.scaling import DOWN_MS, Bounds, Load
from colonnade.lifecycle.serving.served import Serve
from tests.lifecycle.model_room import ACTOR, MODEL, PROJECT, ModelRoom

LOOK_MS = 250
IDLE = Load()


class Clean:
    def judge(self, folder: Path) -> tuple[str, tuple[str, ...]]:
        return "clean", ()


class ServeRoom(ModelRoom):
    """A model that is live, and the loop of its service."""

    def __init__(self, folder: Path, bounds: Bounds, claim: Claim = Claim(gpus=0)) -> None:  # noqa: B008  (frozen)
        super().__init__(folder)
        self.batch("a.csv")
        self.settle()
        self.trained = set(self.leasing.wishes)
        self.held: set[str] = set()
        self.leasing.waits = lambda lease: lease not in self.held  # type: ignore[method-assign]
        means = Means(
            self.state, PROJECT, self.artifacts, self.leasing, Clean(), folder / "serve", ("replica",), {}, ACTOR
        )
        (folder / "serve").mkdir()
        self.serving = ServiceLoop(means, Serve("svc_1", "credit", "credit", MODEL, None, bounds, 128, claim, "que_9"))
        self._open: dict[str, socket.socket] = {}

    @property
    def asked(self) -> list[str]:
        """Leases of replicas that have not ended, in the order in which they were asked for."""
        return [one for one in self.leasing.wishes if one not in self.trained and one not in self.leasing.over]

    def answer(self, lease: str) -> None:
        """The lease is granted, and the replica answers."""
        self.held.add(lease)
        folder = os.open(self.leasing.wishes[lease].folder, os.O_PATH)
        line = self._open[lease] = socket.socket(socket.AF_UNIX)
        line.bind(f"/proc/self/fd/{folder}/{SOCKET}")
        os.close(folder)
        line.listen()
        threading.Thread(target=self._health, args=(line,), daemon=True).start()

    def look(self, seconds: float = LOOK_MS / 1000, load: Load = IDLE) -> None:
        """Looks at that load."""
        for _ in range(max(1, round(seconds * 1000 / LOOK_MS))):
            self.clock.advance(LOOK_MS)
            self.serving.load = load
            self.serving.step()

    @property
    def routed(self) -> int:
        return len(self.serving.answering.places)

    def close(self) -> None:
        for line in self._open.values():
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    @staticmethod
    def _health(line: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = line.accept()
                with peer:
                    peer.recv(4096)
                    peer.sendall(frame([Item(ANSWERED, 0, json.dumps({"platform": "test"}).encode())]))


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Any]:
    made: list[ServeRoom] = []

    def make(*words: Any) -> ServeRoom:
        made.append(ServeRoom(tmp_path, *words))
        return made[0]

    yield make
    for room in made:
        room.close()


def test_replicas_come_with_the_load_and_go_after_it_drained_and_never_below_the_least(rooms: Any) -> None:
    room = rooms(Bounds(1, 4, 8))
    room.look()
    assert len(room.asked) == 1
    room.answer(room.asked[0])
    room.look(30)
    assert (room.routed, len(room.asked)) == (1, 1)

    room.look(4, Load(100, 1))
    assert len(room.asked) == 2, "twice as many"
    room.answer(room.asked[1])
    room.look(4, Load(100, 2))
    assert (room.routed, len(room.asked)) == (2, 4)
    for lease in room.asked[2:]:
        room.answer(lease)
    room.look(30, Load(100, 4))
    assert (room.routed, len(room.asked)) == (4, 4), "never more than the most"

    room.look(DOWN_MS / 1000 + 8)
    assert room.routed == 3
    assert len(room.asked) == 3, "it left the route first, and ended once whoever asked had finished"
    room.look(3 * DOWN_MS / 1000 + 60)
    assert (room.routed, len(room.asked)) == (1, 1)
    assert not room.serving.trouble


def test_one_that_is_going_is_taken_back_when_the_load_returns(rooms: Any) -> None:
    room = rooms(Bounds(1, 2, 8))
    room.look()
    room.answer(room.asked[0])
    room.look(5, Load(50, 1))
    room.answer(room.asked[1])
    room.look(2, Load(4, 2))
    assert room.routed == 2
    for _ in range(round(DOWN_MS / LOOK_MS) + 40):
        room.look()
        if room.routed == 1:
            break
    leaving = room.asked[1]
    room.serving._scaling.wanted = 2  # as if it had grown at this very moment
    room.look()
    assert room.routed == 2
    room.look(10)
    assert leaving in room.asked


def test_a_replica_that_waits_for_its_lease_neither_fails_nor_holds_up_the_others(rooms: Any) -> None:
    room = rooms(Bounds(2, 4, 8), Claim(gpus=1, gpu_milli=250, cpu_milli=2000))
    room.look()
    assert [room.leasing.wishes[lease].queue for lease in room.asked] == ["que_9"] * 2
    assert room.leasing.wishes[room.asked[0]].claim.gpu_milli == 250
    assert room.leasing.wishes[room.asked[0]].environment["OMP_NUM_THREADS"] == "2"
    room.answer(room.asked[0])
    waits = room.asked[1]
    room.look(5 * START_MS / 1000)
    assert waits in room.asked, "its place in the queue is kept"
    assert (room.routed, room.serving.answering.state, room.serving.trouble) == (1, "ready", None)
    room.held.add(waits)
    room.look(START_MS / 1000 + 5)
    assert waits not in room.asked, "granted, and silent for too long"


def test_a_changed_claim_moves_the_replicas_as_changed_code_does(rooms: Any) -> None:
    room = rooms(Bounds(1, 1))
    room.look()
    old = room.asked[0]
    room.answer(old)
    room.look()
    room.serving.serve = replace(room.serving.serve, claim=Claim(gpus=1, gpu_milli=500))
    room.look(2)
    assert (room.routed, len(room.asked)) == (1, 2), "the old one answers until the new one does"
    room.answer(room.asked[1])
    room.look(5)
    assert room.routed == 1
    assert old not in room.asked
