# SPDX-License-Identifier: Apache-2.0
"""The embedder process: `python -m colonnade.adapters.models.minilm.child`, started by `process.py` only.

Two connections. Questions come on the first and are answered by the main thread at once, while the threads that embed
passages from the second yield to it (they are niced). It ends when its parent does, when the connections close, or
after some idle seconds (exit code 0). It reads weights and nothing else, and opens no port.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.models.minilm import frames
from colonnade.adapters.models.minilm.batches import plan
from colonnade.adapters.models.minilm.encoder import Arithmetic, Encoder
from colonnade.adapters.models.minilm.folder import default_folder, open_folder
from colonnade.core.errors import ColonnadeError

_PR_SET_PDEATHSIG = 1
_NICE = 5
DEFAULT = "default"
"""Stands for the packaged MiniLM in the arguments."""


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends (Linux; elsewhere the closed connection must do)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


class _Passages:
    """Embeds what comes on the second connection, on every core, at low priority."""

    def __init__(self, encoder: Encoder, connection: socket.socket, workers: int) -> None:
        self._encoder, self._connection, self._workers = encoder, connection, workers
        self._pool = ThreadPoolExecutor(workers, initializer=_yield_to_questions)
        self.busy = False
        self.last_s = time.monotonic()

    def serve(self) -> None:
        _yield_to_questions()
        while True:
            texts = _receive(self._connection)
            self.busy = True
            _answer(self._connection, texts, self._embed)
            self.last_s = time.monotonic()
            self.busy = False

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        pieces = self._encoder.encode(texts)
        out = np.empty((len(texts), self._encoder.dimensions), np.float32)

        def run(batch: list[int]) -> None:
            out[batch] = self._encoder.run([pieces[index] for index in batch])

        for _ in self._pool.map(run, plan([len(text) for text in pieces], workers=self._workers)):
            pass
        return out


def _yield_to_questions() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _receive(connection: socket.socket) -> list[str]:
    """The next request. Ends the process when the parent has closed its end."""
    try:
        return cast("list[str]", frames.receive(connection))
    except frames.Ended:
        os._exit(0)


def _answer(connection: socket.socket, texts: list[str], embed: Callable[[list[str]], NDArray[np.float32]]) -> None:
    """Vectors, or the words of what went wrong: only native code that crashes ends the process."""
    try:
        try:
            frames.send_vectors(connection, embed(texts))
        except frames.Ended:
            raise
        except MemoryError:
            frames.send_words(connection, {"message": "the embedder ran out of memory"})
        except Exception as error:  # onnxruntime's errors have no base of their own
            frames.send_words(connection, {"message": f"the embedder failed: {error}"})
    except frames.Ended:
        os._exit(0)


def main(arguments: list[str]) -> None:
    """Arguments: parent's pid, two descriptors, model folder or "default", arithmetic, workers, idle seconds."""
    parent, questions_fd, passages_fd, model, arithmetic, workers, idle = arguments
    die_with(int(parent))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent says when it is over
    sys.setswitchinterval(0.001)
    questions = socket.socket(fileno=int(questions_fd))
    bulk = socket.socket(fileno=int(passages_fd))
    try:
        folder = default_folder() if model == DEFAULT else open_folder(Path(model))
        encoder = Encoder(folder, cast("Arithmetic", arithmetic))
        encoder.forget_pages()
    except ColonnadeError as error:
        words = {"message": error.message, "hint": error.hint, "code": error.code}
        frames.send_words(questions, words)
        return
    except Exception as error:
        frames.send_words(questions, {"message": f"the embedding model cannot be loaded: {error}"})
        return
    frames.send_words(questions, {"id": encoder.id, "dimensions": encoder.dimensions})
    passages = _Passages(encoder, bulk, int(workers))
    threading.Thread(target=passages.serve, daemon=True).start()
    last_s = time.monotonic()
    while True:
        wait_s = max(last_s, passages.last_s) + float(idle) - time.monotonic()
        if select.select([questions], [], [], max(wait_s, 0.05))[0]:
            _answer(questions, _receive(questions), encoder.embed)
            last_s = time.monotonic()
        elif wait_s <= 0 and not passages.busy:
            os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
