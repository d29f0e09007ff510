# SPDX-License-Identifier: Apache-2.0
"""The seal of a closed state file: its size and digest, signed by the log's key, in a file beside it.

The log proves itself; rows that are not in it (rights, sealed text, vectors) do not. So whoever closes the state
cleanly seals the file as a whole, and whoever opens it for writing breaks the seal first. Without a seal nothing is
known of the last close, and that is said, not guessed. Who may write seals is not decided here.

    STATE.seal    C2SP signed note:  colonnade/LOG/state  LF  size  LF  base64(SHA-256 of the file)  LF
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from colonnade.core.errors import Tampered
from colonnade.core.note import Checkpoint, NoteKey, Verify, open_note, sign_note
from colonnade.govern.ledger.report import Finding
from colonnade.ports.outside.keys import Keys

STATE = "/state"


@dataclass(frozen=True, slots=True)
class SealCheck:
    """sealed, unsealed or broken; a finding for the last."""

    status: str
    finding: Finding | None = None


def seal_path(state: Path) -> Path:
    """Where the seal of a state file lies."""
    return state.with_name(f"{state.name}.seal")


def seal_state(state: Path, keys: Keys, origin: str) -> None:
    """Seal a state file that was just closed, its write-ahead log folded in. Durable when this returns.

    Raises:
        Tampered: `seal_open` if a write-ahead log with content still lies there: it was not closed, and must not be
        sealed.
    """
    if _left_over(state):
        raise Tampered(
            f"{state.name} still has a write-ahead log", hint="close it before it is sealed", code="seal_open"
        )
    size, digest = _digest(state)
    key = NoteKey(origin, keys.public_key())
    note = sign_note(Checkpoint(origin + STATE, size, digest).text(), key, keys.sign)
    path = seal_path(state)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(aside, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    _sync(path.parent)


def break_seal(state: Path) -> None:
    """Take the seal away, durably, before the first write.

    A kill from here on leaves `unsealed`, never a false alarm.
    """
    path = seal_path(state)
    if path.exists():
        path.unlink(missing_ok=True)
        _sync(path.parent)


def check_seal(state: Path, key: NoteKey, check: Verify) -> SealCheck:
    """Whether the file is the one that was closed. Reads the file once, some gigabytes a second."""
    path = seal_path(state)
    try:
        note = path.read_text("utf-8")
    except FileNotFoundError:
        return SealCheck("unsealed")
    except UnicodeDecodeError:
        return _broken(f"{path.name} is no seal")
    try:
        seal = Checkpoint.parse(open_note(note, [key], check))
    except (Tampered, ValueError) as error:
        return _broken(f"{path.name} does not hold: {error.message if isinstance(error, Tampered) else error}")
    if seal.origin != key.name + STATE:
        return _broken(f"{path.name} is no seal of a state file", key.name + STATE, seal.origin)
    if left := _left_over(state):
        return _broken(f"{left} was written after the state file was closed")
    if not state.exists():
        return _broken(f"{state.name} is gone; its seal is there")
    size, digest = _digest(state)
    if size != seal.size:
        return _broken(f"{state.name} has another size than when it was closed", str(seal.size), str(size))
    if digest != seal.root:
        return _broken(f"{state.name} is not the file that was closed", seal.root.hex(), digest.hex())
    return SealCheck("sealed")


def _broken(message: str, expected: str = "", found: str = "") -> SealCheck:
    return SealCheck("broken", Finding("seal", message, expected=expected, found=found))


def _left_over(state: Path) -> str:
    """The name of a write-ahead log with content, or ""."""
    for suffix in ("-wal", "-journal"):
        path = state.with_name(state.name + suffix)
        if path.exists() and path.stat().st_size:
            return path.name
    return ""


def _digest(path: Path) -> tuple[int, bytes]:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        return file.tell(), digest


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
