# SPDX-License-Identifier: Apache-2.0
"""A state from a backup: every digest checked, the list's signature, the ledger from end to end; then what was erased
since is erased in it, too. Only then does it become a state directory: until its end everything lies beside it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from colonnade.app import erased, wiring
from colonnade.app.backups import CHUNK, MANIFEST, NOTE, SCHEMA, Progress, manifest_text
from colonnade.app.erasing import Erasing
from colonnade.app.house import House
from colonnade.app.settings.environment import Places
from colonnade.app.verifying import verify_places
from colonnade.core.errors import StorageFull, Tampered, UsageError
from colonnade.core.note import open_note

_NAME = re.compile(r"^(state\.db|blobs/[0-9a-f]{2}/[0-9a-f]{64}|runs/lse_[0-9a-z]{36}(/[^/\0]+)+)\Z")
AGAIN = "the backup was changed or cut off since it was made: use another one"


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it. `replayed`: erasures from after the backup that were carried out in it."""

    home: Path
    files: int
    bytes: int
    entries: int
    checkpoint: str
    made: str
    replayed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """`colonnade.restore/1`."""
        return {
            "schema": "colonnade.restore/1", "home": str(self.home), "files": self.files, "bytes": self.bytes,
            "entries": self.entries, "checkpoint": self.checkpoint, "made": self.made,
            "replayed": [f"erasure/{one}" for one in self.replayed],
        }  # fmt: skip


def restore(
    places: Places, source: Path, progress: Progress, *, erasures: Path | None = None, since: Sequence[str] = ()
) -> Restored:
    """Make the state directory of these places from a backup.

    Args:
        erasures: a list of erasures to carry out beside those of the list next to the keys.
        since: checkpoints to hold against its ledger beside the one in the backup.

    Raises:
        UsageError: `exists`, when the state directory holds anything. Tampered: `backup_damaged`. StateError: the keys
            of its log are not there.
    """
    if places.home.exists() and (not places.home.is_dir() or any(places.home.iterdir())):
        raise UsageError(f"{places.home} is not empty", hint="restore into a new folder: --home DIR", code="exists")
    aside = places.home.with_name(f".{places.home.name}.{os.getpid()}.restoring")
    there = replace(places, home=aside)
    try:
        aside.mkdir(mode=0o700, parents=True)
        manifest, size = _unpack(source, aside, progress)
        _check_note(there, manifest, (aside / NOTE).read_bytes())
        for extra in (MANIFEST, NOTE):
            (aside / extra).unlink()
        told = json.loads(manifest)
        progress("ledger", 0, 1)
        report = verify_places(there, deep=True, since=[told["checkpoint"], *since])
        if not report.intact:
            raise Tampered(
                f"the ledger in the backup does not hold: {report.to_text()}", hint=AGAIN, code="backup_damaged"
            )
        replayed = _replay(there, told, erasures)
        if places.home.exists():
            places.home.rmdir()
        os.rename(aside, places.home)
    except OSError as error:
        hint = "nothing was left there"
        raise StorageFull(f"{places.home} cannot be written: {error.strerror}", hint=hint) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Restored(
        places.home, len(told["files"]), size, report.entries, told["checkpoint"], told["made"], replayed
    )  # fmt: skip


def take_keys(places: Places, data: bytes, passphrase: str) -> None:
    """Put the keys of a file where a house looks for them, and its list of erasures, where there is none."""
    log, listed = wiring.lay_down_keys(places, data, passphrase)
    path = erased.log_path(places.keys, log)
    if listed and not path.exists():
        wiring.private_file(path, listed)


def _open(source: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(source, "r:")
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}", code="backup_unreadable") from error
    except tarfile.TarError as error:
        raise Tampered(f"{source} is no backup: {error}", hint=AGAIN, code="backup_damaged") from error


def _unpack(source: Path, folder: Path, progress: Progress) -> tuple[bytes, int]:
    """Lay every file down and check it against the list; (the list, bytes)."""
    total = source.stat().st_size if source.exists() else 0
    found: dict[str, tuple[int, str]] = {}
    manifest = b""
    try:
        with _open(source) as tar:
            for entry in tar:
                file = tar.extractfile(entry)
                if not entry.isreg() or file is None:
                    raise _damaged(f"{entry.name!r} is no file")
                if entry.name in {MANIFEST, NOTE}:
                    data = file.read()
                    manifest = data if entry.name == MANIFEST else manifest
                    _write(folder / entry.name, data)
                    continue
                if _NAME.match(entry.name) is None or ".." in entry.name.split("/") or entry.name in found:
                    raise _damaged(f"{entry.name!r} does not belong in a backup")
                found[entry.name] = _lay_down(file, folder / entry.name)
                progress("files", tar.offset, total)
    except tarfile.TarError as error:
        raise _damaged(str(error)) from error
    _compare(manifest, found)
    return manifest, sum(size for size, _ in found.values())


def _compare(manifest: bytes, found: dict[str, tuple[int, str]]) -> None:
    try:
        told = json.loads(manifest)
        listed = {str(path): (int(size), str(digest)) for path, size, digest in told["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged("it has no list of its files") from error
    if told.get("schema") != SCHEMA:
        raise _damaged(f"its form is {told.get('schema')!r}, this release reads {SCHEMA}")
    for path in listed | found:
        if path not in found:
            raise _damaged(f"{path} is missing")
        if path not in listed:
            raise _damaged(f"{path} is not in its list")
        if listed[path] != found[path]:
            raise _damaged(f"{path} holds other bytes than when the backup was made")


def _lay_down(file: IO[bytes], path: Path) -> tuple[int, str]:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
        while data := file.read(CHUNK):
            out.write(data)
            digest.update(data)
            size += len(data)
    return size, digest.hexdigest()


def _write(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)


def _check_note(places: Places, manifest: bytes, note: bytes) -> None:
    """The list is signed by the key of the log: the one beside us, never one out of the backup."""
    state = wiring.open_copy(places.state_file)
    try:
        key = wiring.log_key(places, state)
    finally:
        state.close()
    try:
        said = open_note(note.decode(), [key], wiring.signature_check())
    except (ValueError, Tampered) as error:
        raise _damaged(f"its list is not signed by {key.name}: {error}") from error
    if said != manifest_text(key.name, manifest):
        raise _damaged("its list is not the one that was signed")


def _replay(places: Places, told: dict[str, Any], erasures: Path | None) -> tuple[str, ...]:
    """Carry out what was erased since; the state is sealed after it, as by a clean end."""
    from colonnade.govern.ledger.seal import seal_state

    listed = erased.log_path(places.keys, told["log"])
    known = {line.erasure for line in erased.read(listed)}
    for line in erased.read(erasures) if erasures is not None else ():
        if line.erasure not in known:
            erased.append(listed, line)
    house = House(places, holder=f"restore-{secrets.token_hex(4)}")
    try:
        house.break_leases()
        house.open_project(told["project"])
        before = _done(house)
        Erasing(house).resume()
        after = _done(house)
    finally:
        house.close()
    seal_state(places.state_file, house.keys, f"colonnade/{told['log']}")
    return tuple(sorted(after - before))


def _done(house: House) -> set[str]:
    rows = house.state.rows("erasures_in_state", project=house.project, state="done")
    return {str(row["id"]) for row in rows}


def _damaged(why: str) -> Tampered:
    return Tampered(f"the backup is not as it was made: {why}", hint=AGAIN, code="backup_damaged")
