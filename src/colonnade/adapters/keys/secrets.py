# SPDX-License-Identifier: Apache-2.0
"""The secrets of one log as files outside the state directory: a root for keys, a seed for signatures, and the public
key to hand out.

    DIR (0700)/LOG.root   colonnade-root-v1 BASE64      wraps the subjects' keys: without it nothing sealed opens again
    DIR (0700)/LOG.sign   colonnade-ed25519-v1 BASE64   signs checkpoints
    DIR (0700)/LOG.pub    NAME+ID+BASE64                C2SP verifier key, for auditors; not secret

Only reading and writing of these files: nothing is derived, sealed or signed here.
"""

from __future__ import annotations

import base64
import binascii
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from colonnade.core.errors import StateError
from colonnade.core.keyed import KEY_BYTES

_MARKS = {"root": "colonnade-root-v1", "sign": "colonnade-ed25519-v1"}
"""In the order in which they are made."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """32 bytes each. Never printed."""

    root: bytes = field(repr=False)
    seed: bytes = field(repr=False)


def read_secrets(directory: Path, log: str, *, making: bool = False) -> Secrets | None:
    """The secrets of a log, or None if there are none; `making`: also when only the one made first is there so far.

    Raises `StateError` for a file that others may read, or that is damaged.
    """
    found = {kind: directory / f"{log}.{kind}" for kind in _MARKS}
    present = [path for path in found.values() if path.exists()]
    if not present or (making and present == [found["root"]]):
        return None
    if len(present) < len(found):
        raise StateError(
            f"of the two secrets of {log} only {present[0]} is there",
            hint="restore the other from your backup; both belong together",
            code="keys_missing",
        )
    _refuse_open(directory, 0o700)
    return Secrets(root=_read(found["root"], "root"), seed=_read(found["sign"], "sign"))


def make_secrets(directory: Path, log: str) -> Secrets:
    """Make what is missing, or read what another process made first. Never replaces a file."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for kind, mark in _MARKS.items():
        line = f"{mark} {base64.b64encode(os.urandom(KEY_BYTES)).decode()}\n"
        _write_once(directory / f"{log}.{kind}", line)
    made = read_secrets(directory, log)
    if made is None:
        raise StateError(f"the keys in {directory} went away while they were made", code="keys_missing")
    return made


def write_public(directory: Path, log: str, verifier: str) -> None:
    """Keep the verifier key beside the secrets, once."""
    _write_once(directory / f"{log}.pub", f"{verifier}\n")


def _read(path: Path, kind: str) -> bytes:
    _refuse_open(path, 0o600)
    mark, _, encoded = path.read_text("utf-8").strip().partition(" ")
    try:
        secret = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        secret = b""
    if mark != _MARKS[kind] or len(secret) != KEY_BYTES:
        raise StateError(f"{path} is not a key file", hint="restore it from your backup", code="keys_damaged")
    return secret


def _refuse_open(path: Path, mode: int) -> None:
    """Refuse what others than the owner may read or write."""
    found = path.stat()
    if found.st_mode & 0o077:
        raise StateError(
            f"{path} can be read or written by others (mode {found.st_mode & 0o777:04o})",
            hint=f"chmod {mode:04o} {path}; if others may have read it, start a new log",
            code="keys_exposed",
        )
    if found.st_uid != os.geteuid():
        raise StateError(
            f"{path} belongs to another user",
            hint="chown it, or set COLONNADE_KEYS to a folder of yours",
            code="keys_exposed",
        )


def _write_once(path: Path, text: str) -> None:
    """Write aside, sync, then link: whole or not there, and the first of two writers wins."""
    aside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with open(aside, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            return
    finally:
        aside.unlink(missing_ok=True)
    handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
