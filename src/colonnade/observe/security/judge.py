# SPDX-License-Identifier: Apache-2.0
"""Judge a file by what is in it, whatever it is named, and everything within it, whatever that is named.

The one door of this package. Reads; never loads. What kind of bytes they are decides `contents`; the readers of the
kinds are in `containers` and `formats`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from colonnade.observe.security.blobs import Blob, Budget, memory, part
from colonnade.observe.security.contents import Reading
from colonnade.observe.security.verdicts import Findings, Limits, Verdict


def judge(path: str | Path, limits: Limits | None = None) -> Verdict:
    """The verdict on one file. Raises OSError when it cannot be opened."""
    with Path(path).open("rb") as file:
        return judge_open(file, Path(path).name, limits)


def judge_open(file: BinaryIO, name: str, limits: Limits | None = None) -> Verdict:
    """The verdict on an open file that can seek: what is loaded later from this very handle is what was judged."""
    size = file.seek(0, 2)
    verdict = _judged(part(name, file, 0, size), limits or Limits())
    file.seek(0)
    return verdict


def judge_bytes(data: bytes, name: str = "", limits: Limits | None = None) -> Verdict:
    """The verdict on bytes at hand."""
    return _judged(memory(name, data), limits or Limits())


def _judged(blob: Blob, limits: Limits) -> Verdict:
    found = Findings()
    reading = Reading(limits, Budget(limits.unpacked_bytes), found)
    kind = _guarded(lambda: reading.read(blob, blob.name or "data", 0), found, blob.name)
    return found.verdict(kind)


def _guarded(read: Callable[[], str], found: Findings, name: str) -> str:
    """Whatever goes wrong in a reader of ours is a reason not to load the file, never a crash, never `clean`."""
    try:
        return read()
    except OSError:
        raise
    except Exception as error:
        found.unreadable(name, f"the scan itself failed on it ({type(error).__name__}: {error})")
        return "unknown"
