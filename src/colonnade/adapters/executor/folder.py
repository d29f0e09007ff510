# SPDX-License-Identifier: Apache-2.0
"""What a run's folder tells whoever looks. Nothing here writes, starts or signals."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from colonnade.adapters.executor.processes import since
from colonnade.adapters.executor.record import RECORD_BYTES, boot, unpack
from colonnade.ports.outside.executor import Seen


def alive(record: Mapping[str, str]) -> bool:
    """Whether the supervisor that wrote the record lives."""
    if record["supervisor"] == "" or record["boot"] != this_boot():
        return False
    return since(int(record["supervisor"])) == int(record["since"])


@cache
def this_boot() -> str:
    """What names this boot of the machine."""
    return boot()


def told(run: str, record: Mapping[str, str]) -> Seen:
    """A record as others see it."""
    code = int(record["code"]) if record["code"] and record["state"] == "ended" else None
    times = int(record["started_ms"] or 0), int(record["ended_ms"] or 0)
    return Seen(run, record["state"], int(record["pid"] or 0), code, *times, record["message"])  # type: ignore[arg-type]


def read(place: Path) -> dict[str, str] | None:
    """The record of a run; None when there is none, or none that is whole."""
    return _record(place / "state")


def outcome(place: Path) -> dict[str, str] | None:
    """The record of a run that was forgotten; None when it was not."""
    return _record(place / "outcome")


def _record(path: Path) -> dict[str, str] | None:
    for _ in range(3):
        try:
            block = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        record = unpack(block[:RECORD_BYTES])
        if record is not None:
            return record
    return None


def asked(place: Path) -> bool:
    """Whether a stop was asked for."""
    try:
        words = (place / "stop").read_bytes().strip(b"\0 \n")
    except OSError:
        return False
    return len(words) == 16 and words.isdigit()
