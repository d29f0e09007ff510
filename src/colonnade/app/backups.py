# SPDX-License-Identifier: Apache-2.0
"""The whole state as one file, taken beside a daemon under load: a copy of the store as it was at one moment, then the
sealed files that it names, then a signed list of all digests.

    FILE    tar: state.db, blobs/ab/abcdef..., runs/LEASE/..., manifest.json, manifest.note

No key is in it. What is derived (the index), the owner's token and the logs are left out. Written aside and moved into
place, so that FILE is whole or not there.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colonnade.app import wiring
from colonnade.app.settings.environment import Places
from colonnade.app.stored import reading
from colonnade.core.canonical import canonical_json
from colonnade.core.errors import StateError, StorageFull, Tampered, UsageError
from colonnade.core.note import Checkpoint, NoteKey, sign_note
from colonnade.core.quantities import rfc3339
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State

SCHEMA = "colonnade.backup/1"
MANIFEST, NOTE = "manifest.json", "manifest.note"
PURPOSE = "/backup"
CHUNK = 4 << 20
Progress = Callable[[str, int, int], None]
"""(what, done, total)."""


@dataclass(slots=True)
class Backup:
    """What was written.

    Attributes:
        files: [path, bytes, SHA-256 in hex] of each, in order.
        gone: sealed files that went away meanwhile: erased. damaged: those that no longer match their digest; a backup
            with some is not whole.
    """

    path: Path
    files: list[tuple[str, int, str]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    size: int = 0
    checkpoint: str = ""
    seconds: float = 0.0
    keys: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """`colonnade.backup/1`."""
        return {
            "schema": SCHEMA, "file": str(self.path), "bytes": self.size, "files": len(self.files), "gone": self.gone,
            "damaged": self.damaged, "checkpoint": self.checkpoint, "seconds": round(self.seconds, 3),
            "keys": str(self.keys) if self.keys else None,
        }  # fmt: skip


def back_up(places: Places, target: Path, progress: Progress) -> Backup:
    """Write a backup. Raises UsageError (`exists`), StateError, StorageFull."""
    if target.exists():
        raise UsageError(f"{target} is there already", hint="choose another name", code="exists")
    began = time.monotonic()
    done = Backup(target)
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with reading(places) as (state, keys), open(aside, "wb", opener=_private) as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                _fill(tar, places, state, keys, done, progress)
            file.flush()
            os.fsync(file.fileno())
        os.rename(aside, target)
    except OSError as error:
        raise StorageFull(f"{target} cannot be written: {error.strerror}", hint="nothing was left there") from error
    finally:
        aside.unlink(missing_ok=True)
    done.size, done.seconds = target.stat().st_size, time.monotonic() - began
    return done


def keep_keys(places: Places, target: Path, passphrase: str) -> None:
    """Write the keys under a passphrase. Raises UsageError for a file that is there, or a short passphrase."""
    if len(passphrase) < 12:
        raise UsageError("a passphrase has at least 12 characters", hint="five random words are a good one")
    with reading(places) as (state, _keys):
        log = str(state.rows("meta_get", key="log_id")[0]["value"])
    try:
        with open(target, "xb", opener=_private) as file:
            file.write(wiring.wrapped_keys(places, log, passphrase))
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise UsageError(f"{target} is there already", hint="choose another name", code="exists") from error


def _fill(
    tar: tarfile.TarFile, places: Places, state: State, keys: Keys, done: Backup, progress: Progress
) -> None:  # fmt: skip
    log = str(state.rows("meta_get", key="log_id")[0]["value"])
    with tempfile.TemporaryDirectory(prefix=".colonnade-", dir=done.path.absolute().parent) as folder:
        copy = Path(folder) / "state.db"
        os.close(os.open(copy, os.O_CREAT | os.O_WRONLY, 0o600))
        state.copy(copy, lambda at, total: progress("store", at, total))
        done.checkpoint = _checkpoint(copy)
        _add_file(tar, copy, "state.db", done)
    blobs = wiring.open_blobs(places)
    digests = blobs.digests()
    for place, digest in enumerate(digests):
        name = digest.removeprefix("sha256:")
        try:
            data = blobs.get(digest)
        except KeyError:
            done.gone.append(digest)
            continue
        except Tampered:
            done.damaged.append(digest)
            continue
        _add(tar, f"blobs/{name[:2]}/{name}", data, name, done)
        if place % 64 == 0:
            progress("sealed files", place, len(digests))
    for path in _regular(places.runs):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        _add(tar, f"runs/{path.relative_to(places.runs).as_posix()}", data, hashlib.sha256(data).hexdigest(), done)
    _sign(tar, state, keys, log, done)


def _sign(tar: tarfile.TarFile, state: State, keys: Keys, log: str, done: Backup) -> None:
    manifest = canonical_json({
        "schema": SCHEMA, "log": log, "made": rfc3339(state.now_ms()), "checkpoint": done.checkpoint,
        "project": str(state.rows("projects_all")[0]["name"]), "gone": done.gone, "damaged": done.damaged,
        "files": [list(one) for one in done.files],
    })  # fmt: skip
    key = NoteKey(f"colonnade/{log}", keys.public_key())
    text = manifest_text(key.name, manifest)
    _add(tar, MANIFEST, manifest, "", done)
    _add(tar, NOTE, sign_note(text, key, keys.sign).encode(), "", done)


def manifest_text(origin: str, manifest: bytes) -> str:
    """What is signed: origin, size and digest of the manifest."""
    return Checkpoint(origin + PURPOSE, len(manifest), hashlib.sha256(manifest).digest()).text()


def _checkpoint(copy: Path) -> str:
    """The last checkpoint within the copy."""
    state = wiring.open_copy(copy)
    try:
        rows = state.rows("checkpoint_last")
    finally:
        state.close()
    if not rows:
        raise StateError("nothing is signed yet", hint="`colonnade up` signs within a second", code="nothing_signed")
    return str(rows[0]["note"])


def _regular(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _add(tar: tarfile.TarFile, name: str, data: bytes, digest: str, done: Backup) -> None:
    tar.addfile(_entry(name, len(data)), io.BytesIO(data))
    if digest:
        done.files.append((name, len(data), digest))


def _add_file(tar: tarfile.TarFile, path: Path, name: str, done: Backup) -> None:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
        file.seek(0)
        tar.addfile(_entry(name, size), file)
    done.files.append((name, size, digest))


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
