# SPDX-License-Identifier: Apache-2.0
"""What was erased, told in a file beside the keys, outside the state directory: a backup that is older than an erasure
is brought up to it before it serves.

    DIR/LOG.erased    one JSON object a line: {"erasure", "at_ms", "subjects": [ids], "stones": [hex]}

Ids and keyed MACs only: nothing in it can be read back. Written before the keys die, so it may tell of one that did not
come to its end; carrying that out again is right.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colonnade.core.errors import StateError


@dataclass(frozen=True, slots=True)
class Line:
    """One erasure."""

    erasure: str
    at_ms: int
    subjects: tuple[str, ...]
    stones: tuple[bytes, ...]


def log_path(keys: Path, log: str) -> Path:
    """Where the list of a log's erasures lies."""
    return keys / f"{log}.erased"


def append(path: Path, line: Line) -> None:
    """Add a line; durable when this returns."""
    body = {"erasure": line.erasure, "at_ms": line.at_ms, "subjects": line.subjects}
    text = json.dumps({**body, "stones": [stone.hex() for stone in line.stones]}) + "\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        hint = "nothing was erased: make the folder writable, then ask again"
        raise StateError(
            f"{path} cannot be written: {error.strerror}", hint=hint, code="erasures_unwritable"
        ) from error


def read(path: Path) -> Sequence[Line]:
    """Every erasure, oldest first, each once; empty where there is no list. Raises StateError for one that is damaged.

    A last line that was cut off by a kill is passed over: its erasure had not begun.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return ()
    found: dict[str, Line] = {}
    lines = text.split("\n")
    for place, one in enumerate(lines[:-1] if text.endswith("\n") else lines):
        try:
            body = json.loads(one)
            stones = tuple(bytes.fromhex(stone) for stone in body["stones"])
            line = Line(str(body["erasure"]), int(body["at_ms"]), tuple(map(str, body["subjects"])), stones)
        except (ValueError, KeyError, TypeError) as error:
            if place == len(lines) - 1:
                break
            hint = "restore it from your backup of the keys"
            raise StateError(f"{path}:{place + 1} is damaged", hint=hint, code="erasures_damaged") from error
        before = found.get(line.erasure)
        kept = tuple(dict.fromkeys((*(before.stones if before else ()), *line.stones)))
        found[line.erasure] = Line(line.erasure, line.at_ms, line.subjects, kept)
    return tuple(found.values())
