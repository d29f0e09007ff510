# SPDX-License-Identifier: Apache-2.0
"""The embedder in a process of its own: loaded on demand, gone when idle, restarted after a crash. `Embedder` port.

So the daemon stays small (an idle one holds no model) and a crash in native code never takes it down. No arithmetic
enters here, and onnxruntime is never imported.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from colonnade.adapters.models.minilm import frames
from colonnade.adapters.models.minilm.encoder import Arithmetic, embedder_id
from colonnade.adapters.models.minilm.folder import ModelFolder
from colonnade.core.errors import ColonnadeError, MissingExtra, Tampered, Unavailable, UsageError

_MODULE = "colonnade.adapters.models.minilm.child"
_QUESTION_TEXTS, _QUESTION_CHARS = 4, 4_000
_WINDOW_TEXTS = 1_024
_ENDING_S = 2.0
_TOLD: dict[str, type[ColonnadeError]] = {
    "model_tampered": Tampered,
    "model_unsupported": UsageError,
    "model_invalid": UsageError,
    "weights_missing": MissingExtra,
    "missing_extra": MissingExtra,
}


QUIET = {"ORT_DISABLE_TELEMETRY": "1"}
"""onnxruntime's wheels from 1.32 on keep a database of events in the user's cache and send it to their maker, from the
import on; only this stops it (`disable_telemetry_events()` comes too late)."""


def python_child(module: str) -> tuple[list[str], dict[str, str]]:
    """Command and environment that run a module of ours with what this process can import, and nothing else."""
    paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path if path)
    environment = {"PYTHONPATH": paths, "LANG": "C.UTF-8", **QUIET}
    return [sys.executable, "-s", "-P", "-m", module], environment


class _Child:
    """One running child: its two connections, each one request at a time."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.questions, questions_end = socket.socketpair()
        self.passages, passages_end = socket.socketpair()
        self.locks = {self.questions: threading.Lock(), self.passages: threading.Lock()}
        self.ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._trouble: OSError | None = None
        started = threading.Event()
        ends = (questions_end, passages_end)
        # The kernel's "die with the parent" means the thread that started the child: this one lives as long as it.
        threading.Thread(target=self._live, args=(arguments, ends, started), daemon=True, name="embedder").start()
        started.wait()
        for end in ends:
            end.close()
        if self._trouble is not None:
            self.questions.close()
            self.passages.close()
            raise Unavailable(f"the embedder cannot be started: {self._trouble}", code="embedder_failed")

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode if self._process else None

    def _live(self, arguments: Sequence[str], ends: Sequence[socket.socket], started: threading.Event) -> None:
        fds = [end.fileno() for end in ends]
        python, environment = python_child(_MODULE)
        command = [*python, str(os.getpid()), *map(str, fds), *arguments]
        try:
            self._process = subprocess.Popen(command, pass_fds=fds, stdin=subprocess.DEVNULL, cwd="/", env=environment)
        except OSError as error:
            self._trouble = error
            started.set()
            return
        started.set()
        self._process.wait()
        self.ended.set()

    def hello(self) -> dict[str, Any]:
        """What the child says once the model is loaded. Raises `frames.Ended` when it died of it."""
        return cast("dict[str, Any]", frames.receive(self.questions))

    def ask(self, connection: socket.socket, texts: Sequence[str]) -> NDArray[np.float32]:
        with self.locks[connection]:
            frames.send_texts(connection, texts)
            answer = frames.receive(connection)
        if isinstance(answer, dict):
            raise Unavailable(str(answer["message"]), code="embedder_failed")
        return cast("NDArray[np.float32]", answer)

    def end(self) -> None:
        """Close both connections, upon which it exits; kill it if it does not."""
        for connection in (self.questions, self.passages):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        if not self.ended.wait(_ENDING_S) and self._process is not None:
            self._process.kill()
            self.ended.wait(_ENDING_S)


class EmbedderProcess:
    """A model behind the `Embedder` port, in a child process. Safe for several threads; forking is not supported.

    A call of up to four short texts counts as a question: it overtakes passages that are being embedded.

    Args:
        folder: which model (`default_folder()` or `open_folder(path)`).
        arithmetic: "fp32" or "int8"; `probe.choose` says which.
        threads: cores to embed passages with; None for all that this process may use.
        idle_seconds: after so long without work the child ends.
    """

    def __init__(
        self,
        folder: ModelFolder,
        arithmetic: Arithmetic = "fp32",
        *,
        threads: int | None = None,
        idle_seconds: float = 120.0,
    ) -> None:
        self._folder, self._arithmetic = folder, arithmetic
        workers = threads if threads is not None else len(os.sched_getaffinity(0))
        model = "default" if folder.sha256 is not None else str(folder.path.resolve())
        self._arguments = [model, arithmetic, str(workers), str(idle_seconds)]
        self._lock = threading.Lock()
        self._child: _Child | None = None

    @property
    def id(self) -> str:
        """As `all-MiniLM-L6-v2@53aa51172d14/fp32`. Needs no child."""
        return embedder_id(self._folder, self._arithmetic)

    @property
    def dimensions(self) -> int:
        """384 for MiniLM."""
        return self._folder.shape.hidden

    @property
    def pid(self) -> int | None:
        """The child's, or None while none runs."""
        child = self._child
        return child.pid if child is not None and not child.ended.is_set() else None

    @property
    def resident_mib(self) -> int:
        """Memory that the child holds now, MiB; 0 while none runs. Pages shared with the weights' file count."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE") >> 20

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[len(texts), dimensions] float32, rows of length 1. Raises `Unavailable` when the child died twice."""
        if len(texts) <= _QUESTION_TEXTS and sum(map(len, texts)) <= _QUESTION_CHARS:
            return self._embed(texts, question=True) if texts else np.empty((0, self.dimensions), np.float32)
        windows = range(0, len(texts), _WINDOW_TEXTS)
        return np.concatenate([self._embed(texts[at : at + _WINDOW_TEXTS], question=False) for at in windows])

    def close(self) -> None:
        """End the child; the next `embed` starts another."""
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.end()

    def _embed(self, texts: Sequence[str], *, question: bool) -> NDArray[np.float32]:
        crashes = 0
        while crashes < 2:
            try:
                child = self._running()
                return child.ask(child.questions if question else child.passages, texts)
            except _Crashed:
                crashes += 1
            except (frames.Ended, OSError):
                # Exit code 0: it had gone idle just then, or was closed by another thread. Not its fault.
                child.ended.wait(_ENDING_S)
                crashes += child.exit_code != 0
                self._discard(child)
        raise Unavailable(
            "the embedder process died twice on the same texts",
            hint="free some memory and try again; `colonnade doctor` checks the model",
            code="embedder_crashed",
        )

    def _running(self) -> _Child:
        with self._lock:
            child = self._child
            if child is not None and not child.ended.is_set():
                return child
            if child is not None:
                child.end()
            self._child = None
            child = _Child(self._arguments)
            try:
                words = child.hello()
            except frames.Ended as error:
                child.end()
                raise _Crashed from error
            if "id" not in words:
                child.end()
                kind = _TOLD.get(str(words.get("code")), Unavailable)
                raise kind(str(words["message"]), hint=str(words.get("hint", "")), code=words.get("code"))
            self._child = child
            return child

    def _discard(self, child: _Child) -> None:
        with self._lock:
            if self._child is child:
                self._child = None
        child.end()


class _Crashed(Exception):
    """The child died while it loaded the model."""
