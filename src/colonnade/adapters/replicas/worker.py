# SPDX-License-Identifier: Apache-2.0
"""A replica: loads one model from its folder, listens on a socket there, answers batches, drains on SIGTERM.

FOLDER/model holds the version's files, FOLDER/code the user's own script if there is one, FOLDER/serve.json what is
served. One thread: a model answers one batch at a time. The process outlives the daemon; whoever connects may ask.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from pathlib import Path
from types import FrameType
from typing import Any

from colonnade.adapters.replicas.batch import answer
from colonnade.adapters.replicas.formats import load
from colonnade.adapters.replicas.model import Judge, Loaded, Loading
from colonnade.core.predicting import ANSWERED, HEALTH, SOCKET, TOOK, Frames, Item, frame

READ_BYTES = 1 << 20
LINGER_S = 0.05
"""After SIGTERM: what was sent to us before the sender knew is waited for so long."""


class Worker:
    """Connections and the model behind them."""

    def __init__(self, model: Loaded, about: dict[str, Any]) -> None:
        self._model, self._about = model, about
        self._selector = selectors.DefaultSelector()
        self._draining = False
        self._wake, waker = socket.socketpair()
        for end in (self._wake, waker):
            end.setblocking(False)
        signal.set_wakeup_fd(waker.fileno())
        self._waker = waker

    def serve(self) -> None:
        """Until SIGTERM, and then until everything that was asked is answered."""
        signal.signal(signal.SIGTERM, self._drain)
        listening = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET)
        listening.bind(f"{SOCKET}.new")
        listening.listen(64)
        os.rename(f"{SOCKET}.new", SOCKET)
        listening.setblocking(False)
        self._selector.register(listening, selectors.EVENT_READ, None)
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        while True:
            ready = self._selector.select(LINGER_S if self._draining else None)
            asked = [key for key, _ in ready if isinstance(key.data, Frames)]
            if self._draining and not asked:
                return
            for key, _ in ready:
                if key.fileobj is listening:
                    self._accept(listening)
                elif key.fileobj is self._wake:
                    with contextlib.suppress(BlockingIOError):
                        self._wake.recv(64)
            for key in asked:
                self._read(key.fileobj, key.data)  # type: ignore[arg-type]

    def _accept(self, listening: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = listening.accept()
            connection.setblocking(True)
            self._selector.register(connection, selectors.EVENT_READ, Frames())

    def _read(self, connection: socket.socket, frames: Frames) -> None:
        try:
            data = connection.recv(READ_BYTES)
            for items in frames.feed(data):
                began = time.perf_counter()
                made = self._answer(items)
                took_us = min(0xFFFFFFFF, int((time.perf_counter() - began) * 1e6))
                connection.sendall(frame([*made, Item(TOOK, took_us, b"")]))
        except (OSError, ValueError):
            data = b""
        if not data:
            self._selector.unregister(connection)
            connection.close()

    def _answer(self, items: list[Item]) -> list[Item]:
        if items and items[0].kind == HEALTH:
            return [Item(ANSWERED, 0, json.dumps({**self._about, **self._model.about}).encode())]
        return answer(self._model, items, self._about)

    def _drain(self, _number: int, _frame: FrameType | None) -> None:
        self._draining = True
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET)  # nobody new is to come


def main(place: str, judge: Judge | None) -> int:
    """The program. `app.wiring_replica` runs it, and gives it who judges."""
    folder = Path(place)
    os.chdir(folder)
    about = json.loads(Path("serve.json").read_text("utf-8"))
    loading = Loading(folder / "model", folder / "code", about.pop("script"), about.pop("threads", 1), judge)
    Worker(load(loading), about).serve()
    return 0
