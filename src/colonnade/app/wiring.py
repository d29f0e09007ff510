# SPDX-License-Identifier: Apache-2.0
"""The only importer of adapters: which engine stands behind which port. Each import waits until it is needed."""

from __future__ import annotations

import json
import os
import secrets
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from colonnade.app.presence import is_locked
from colonnade.app.settings.environment import Places, for_programs, secret
from colonnade.core.claims import Device
from colonnade.core.errors import MissingExtra, StateError, Unavailable
from colonnade.core.note import NoteKey, Verify
from colonnade.ports.outside.blobs import Blobs
from colonnade.ports.outside.clock import Clock
from colonnade.ports.outside.devices import Devices
from colonnade.ports.outside.executor import Executor
from colonnade.ports.outside.hints import Hints
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.models import Embedder
from colonnade.ports.outside.notices import Post
from colonnade.ports.outside.parsers import Parsers
from colonnade.ports.outside.publishing import Publishing
from colonnade.ports.outside.sources import Sources
from colonnade.ports.outside.state import State
from colonnade.ports.outside.tables import Tables
from colonnade.ports.outside.telemetry import Telemetry
from colonnade.ports.outside.tuner import Tuner

if TYPE_CHECKING:
    from colonnade.adapters.devices.simulated import SimulatedDevices
    from colonnade.adapters.executor.waiting import Waiter
    from colonnade.app.settings.traces import Sink
    from colonnade.ports.outside.vectors import Vectors

WAITER_TRIES = 50
WARM = ("json", "csv", "pathlib", "runpy", "colonnade.sdk.flow.calling")
"""What nearly every script imports: loaded before a warm interpreter forks."""
UNCOUNTED = 1 << 40
"""CPU and memory of a simulated machine that tells none."""


def open_telemetry(sink: Sink, *, packed: bool = False) -> Telemetry:
    """A place that telemetry is sent to; `packed`: it takes gzip."""
    from colonnade.adapters.telemetry.http import HttpTelemetry

    key = secret(sink.key_env) if sink.key_env else ""
    return HttpTelemetry(sink.url, key=key, header=sink.header, packed=packed)


def open_clock() -> Clock:
    """The machine's clocks."""
    from colonnade.adapters.clock.system import SystemClock

    return SystemClock()


def open_state(places: Places, clock: Clock, *, readonly: bool = False) -> State:
    """The state store of these places; made if it is not there, unless read-only."""
    from colonnade.adapters.state.sqlite.engine import SqliteState

    if not readonly:
        places.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    elif not places.state_file.exists():
        raise StateError(f"there is no state in {places.home}", hint="`colonnade up` makes it", code="state_missing")
    return SqliteState(places.state_file, clock, readonly=readonly)


def open_keys(places: Places, state: State, *, readonly: bool = False) -> Keys:
    """The keys of the state's log; made, with the log's id, when the state is new."""
    from colonnade.adapters.keys.file import FileKeys

    found = state.rows("meta_get", key="log_id")
    if found:
        return FileKeys(places.keys, found[0]["value"], state, create=False)
    if readonly:
        raise StateError("the state was never used", hint="`colonnade up` begins it", code="state_missing")
    log = secrets.token_hex(16)
    keys = FileKeys(places.keys, log, state, create=True)
    with state.transaction() as tx:
        tx.run("meta_put", key="log_id", value=log)
    return keys


def open_copy(path: Path) -> State:
    """A copy of a state file, for reading only."""
    from colonnade.adapters.state.sqlite.engine import SqliteState

    return SqliteState(path, open_clock(), readonly=True)


def wrapped_keys(places: Places, log: str, passphrase: str) -> bytes:
    """The secrets of a log under a passphrase, as bytes for a file."""
    from colonnade.adapters.keys.wrapped import wrap

    return wrap(places.keys, log, passphrase)


def lay_down_keys(places: Places, data: bytes, passphrase: str) -> tuple[str, str]:
    """Put the keys of such a file where they belong; (log, its list of erasures as it was then)."""
    from colonnade.adapters.keys.wrapped import lay_down, unwrap

    keys = unwrap(data, passphrase)
    lay_down(places.keys, keys)
    return keys.log, keys.erased


def log_key(places: Places, state: State) -> NoteKey:
    """The public key of the state's log, from the keys outside."""
    keys = open_keys(places, state, readonly=True)
    return NoteKey("colonnade/" + str(state.rows("meta_get", key="log_id")[0]["value"]), keys.public_key())


def signature_check() -> Verify:
    """The check of an Ed25519 signature."""
    from colonnade.adapters.keys.ed25519 import verify_ed25519

    return verify_ed25519


def open_publishing(target: str) -> Publishing:
    """Where checkpoints are kept outside: a file's path, `git:FOLDER`, or an http(s) URL."""
    from colonnade.adapters.publishing.file import FilePublishing
    from colonnade.adapters.publishing.git import GitPublishing
    from colonnade.adapters.publishing.url import UrlPublishing

    if target.startswith(("https://", "http://")):
        return UrlPublishing(target)
    return GitPublishing(Path(target[4:])) if target.startswith("git:") else FilePublishing(Path(target))


def open_webhook() -> Post:
    """How a notice is handed to an address."""
    from colonnade.adapters.notices.webhook import post

    return post


def open_blobs(places: Places) -> Blobs:
    """The blob store of these places."""
    from colonnade.adapters.blobs.file import FileBlobs

    return FileBlobs(places.blobs)


def open_hints(wake: Callable[[], None]) -> Hints | None:
    """The operating system's notices of changed files; None where it gives none."""
    from colonnade.adapters.watch.inotify import open_inotify

    return open_inotify(wake)


def open_parsers() -> Parsers:
    """Parsers, each bounded in a child."""
    from colonnade.adapters.parsers.pool import BoundedParsers

    return BoundedParsers()


def open_tuner() -> Tuner:
    """Whoever proposes parameters; its library is imported when a search begins."""
    from colonnade.adapters.tuning.optuna_tuner import OptunaTuner

    return OptunaTuner()


def learning_folder() -> Path:
    """Where the built-in ways to learn lie; `script.py` there runs them in a child."""
    from colonnade.adapters import learning

    return Path(learning.__file__).parent


def open_tables() -> Tables:
    """The engine for tables; what is large or binary is read in a child."""
    from colonnade.adapters.tables.confined import ConfinedTables

    return ConfinedTables()


def open_sources(places: Places) -> Sources:
    """Databases and object stores that data come from."""
    from colonnade.adapters.sources.outside import OutsideSources

    return OutsideSources(places.folder, secret, threaded=True)


def open_vectors(dimensions: int) -> Vectors:
    """An empty vector engine."""
    from colonnade.adapters.vectors.signs import SignVectors

    return SignVectors(dimensions)


class Embedders:
    """Embedders by their specification, one process each; thread-safe.

    A specification is the declaration's `embed_with` as JSON, or "" for the default model on this machine.
    """

    def __init__(self, places: Places, stored_id: Callable[[str], str | None]) -> None:
        self._places, self._stored_id = places, stored_id
        self._open: dict[str, Embedder] = {}
        self._lock = threading.Lock()

    def get(self, specification: str) -> Embedder | None:
        """The embedder; None when the default model's weights are not installed.

        Raises UsageError for a folder that is no model, Unavailable for a model that does not run.
        """
        with self._lock:
            if specification not in self._open:
                try:
                    self._open[specification] = self._make(specification)
                except MissingExtra:
                    return None
            return self._open[specification]

    def close(self) -> None:
        """End every embedder's process."""
        with self._lock:
            for embedder in self._open.values():
                embedder.close()
            self._open.clear()

    def _make(self, specification: str) -> Embedder:
        if specification:
            wanted = json.loads(specification)
            if wanted.get("url"):
                from colonnade.adapters.models.endpoint import Endpoint
                from colonnade.adapters.models.openai_embedder import OpenAIEmbedder

                name = wanted.get("key_env")
                environ = {name: secret(name)} if name else {}
                return OpenAIEmbedder(Endpoint(wanted["url"], wanted["model"], name, environ))
            path = self._places.folder / wanted["folder"]
        else:
            path = None
        from colonnade.adapters.models.minilm.probe import open_minilm

        return open_minilm(path, stored_id=self._stored_id(specification), cache=self._places.home)


def engine_versions() -> str:
    """The versions of the engines that come with Python, for `doctor`."""
    from colonnade.adapters.state.sqlite.engine import VERSION

    return f"sqlite {VERSION}"


def default_weights() -> str | None:
    """What the default embedder's weights are; None when they are not installed. Raises Tampered when they are not the
    known ones.
    """
    from colonnade.adapters.models.minilm.folder import default_folder

    try:
        folder = default_folder()
    except Unavailable:
        return None
    folder.check()
    return f"{folder.name}, weights as known by their digest"


def private_file(path: os.PathLike[str], text: str) -> None:
    """Write a file that only its owner may read, replacing it at once."""
    temporary = f"{os.fspath(path)}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, stat.S_IRUSR | stat.S_IWUSR)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def open_executor(places: Places) -> Executor:
    """Runs commands on this machine."""
    from colonnade.adapters.executor.local import LocalExecutor

    return LocalExecutor(places.runs, warm=WARM)


def tidy_runs(places: Places) -> int:
    """Remove what commands printed that ended long ago; how many folders."""
    from colonnade.adapters.executor.tidy import tidy

    return tidy(places.runs, time.time())


def is_waited_for(places: Places, lease: str) -> bool:
    """Whether whoever asked for an attached lease is there: they hold a lock in its folder."""
    return is_locked(places.runs / lease / "attached")


def wait_for(places: Places, lease: str, out: int, err: int) -> Waiter:
    """Be the one who waits for a lease's command, and tell the loop that somebody does."""
    from colonnade.adapters.executor.waiting import Waiter

    for attempt in range(WAITER_TRIES):
        try:
            waiter = Waiter(places.runs, lease, out=out, err=err)
            break
        except StateError:  # the loop or a supervisor looks at the lock just now; or somebody else waits indeed
            if attempt == WAITER_TRIES - 1:
                raise
            threading.Event().wait(0.01)
    os.utime(places.runs / "changed")
    return waiter


def look_at_devices(places: Places, declared: str) -> tuple[Sequence[Device], Sequence[str]]:
    """The devices as they are, and what the driver did not answer; beside a daemon too: nothing of its is touched."""
    if declared.startswith("nvml"):
        from colonnade.adapters.devices.nvml.devices import NvmlDevices

        with tempfile.TemporaryDirectory() as aside:
            found = NvmlDevices.parse(declared, folder=Path(aside), environment=for_programs())
            try:
                return found.inventory(), found.notes()
            finally:
                found.close()
    return _simulated(places, declared).inventory(), ()


def _simulated(places: Places, declared: str, folder: Path | None = None) -> SimulatedDevices:
    """The devices of `simulated://...`, or of `none`; what is kept of them lies in the folder."""
    from colonnade.adapters.devices.simulated import SimulatedDevices

    wanted = "simulated://none" if declared == "none" else declared
    return SimulatedDevices.parse(wanted, folder=folder, beside=places.folder)


def open_devices(places: Places, declared: str) -> tuple[Devices, dict[str, tuple[int, int]]]:
    """The devices as declared, and (cpu_milli, memory_mib) of each machine; under "" of every other one.

    Where no driver answers there are none until one does (`LateDevices.trouble` says why). Raises UsageError for
    devices that cannot be.
    """
    here = (1000 * (os.cpu_count() or 1), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20)
    if declared.startswith("simulated://") or declared == "none":
        devices = _simulated(places, declared, folder=places.home / "devices")
        told = {m.name: (m.cpu_milli or UNCOUNTED, m.memory_mib or UNCOUNTED) for m in devices.machines}
        return devices, {"": (UNCOUNTED, UNCOUNTED), **told}
    from colonnade.adapters.devices.late import LateDevices
    from colonnade.adapters.devices.nvml.devices import NvmlDevices

    folder = places.home / "devices"
    return LateDevices(lambda: NvmlDevices.parse(declared, folder=folder, environment=for_programs())), {"": here}


def parquet_records() -> ModuleType:
    """Rows of Parquet as dictionaries, and JSON lines into Parquet: `adapters.tables.records`."""
    from colonnade.adapters.tables import records

    return records
