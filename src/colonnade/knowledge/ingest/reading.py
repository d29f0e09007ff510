# SPDX-License-Identifier: Apache-2.0
"""Read one file: its bytes, whether they are known, else its text and chunks. Nothing is written here."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass

from colonnade.core.documents import Chunk, Parsed
from colonnade.core.errors import Unreadable
from colonnade.knowledge.chunk import CHUNKER, chunk
from colonnade.knowledge.contents import Shelf
from colonnade.knowledge.ingest.plan import Known
from colonnade.knowledge.sources import Seen
from colonnade.ports.outside.parsers import ParseLimits, Parsers

RACY_NS = 100_000_000
"""A file changed less than this before we read it may change again without a new time stamp: it is looked at again."""


ERASED = "it was erased on request, and is never read again; delete the file"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file gave: a content (new, with its text; or known), or a reason why not."""

    seen: Seen
    known: Known
    identity: bytes = b""
    raw: bytes = b""
    parsed: Parsed | None = None
    chunks: tuple[Chunk, ...] = ()
    chars: int = 0


class FileChanged(Exception):
    """The file changed while it was read, or is gone: the next walk sees what is there then."""


def reader_version(parsers: Parsers, suffix: str) -> str:
    """Changes whenever the text or the chunks of such a file could change: then it is read again."""
    return f"{parsers.version(suffix)}+{CHUNKER}"


def read_file(seen: Seen, shelf: Shelf, parsers: Parsers, limits: ParseLimits) -> Reading:
    """Read a file that a walk found. Raises FileChanged; what cannot be read is told in the result's `known.code`."""
    parser = reader_version(parsers, seen.suffix)
    if seen.code:
        return Reading(seen, _known(seen, parser, seen.code, seen.reason))
    try:
        raw = _bytes(seen, limits)
        if shelf.is_erased(shelf.state, seen.path, raw):
            return Reading(seen, _known(seen, parser, "erased", ERASED))
        identity = shelf.identity(raw, parser)
        found = shelf.find(identity)
        if found is not None:
            return Reading(seen, _known(seen, parser), identity, raw, chars=found["chars"])
        parsed = parsers.parse(seen.location, seen.suffix)
    except FileNotFoundError as error:
        raise FileChanged(seen.path) from error
    except Unreadable as error:
        _unchanged(seen)
        return Reading(seen, _known(seen, parser, error.code, error.message))
    _unchanged(seen)
    return Reading(seen, _known(seen, parser), identity, raw, parsed, tuple(chunk(parsed)), len(parsed.text))


def _bytes(seen: Seen, limits: ParseLimits) -> bytes:
    if seen.size > limits.file_mib << 20:
        raise Unreadable(f"{seen.size >> 20} MiB; the limit is {limits.file_mib} MiB", code="too_large")
    try:
        descriptor = os.open(seen.location, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError as error:
        raise Unreadable("the operating system refuses to open it", code="permission") from error
    except FileNotFoundError as error:
        raise FileChanged(seen.path) from error
    except OSError as error:
        raise Unreadable(f"cannot be opened: {error.strerror}", code="permission") from error
    with open(descriptor, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or _stamp(about) != (seen.size, seen.mtime_ns, seen.inode):
            raise FileChanged(seen.path)
        try:
            return file.read((limits.file_mib << 20) + 1)
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror}", code="permission") from error


def _unchanged(seen: Seen) -> None:
    try:
        about = os.stat(seen.location, follow_symlinks=False)
    except OSError as error:
        raise FileChanged(seen.path) from error
    if not seen.code and _stamp(about) != (seen.size, seen.mtime_ns, seen.inode):
        raise FileChanged(seen.path)


def _stamp(about: os.stat_result) -> tuple[int, int, int]:
    return about.st_size, about.st_mtime_ns, about.st_ino


def _known(seen: Seen, parser: str, code: str = "", reason: str = "") -> Known:
    racy = not seen.code and 0 <= time.time_ns() - seen.mtime_ns < RACY_NS
    return Known(
        seen.source, seen.path, seen.size, -1 if racy else seen.mtime_ns, seen.inode, code, reason, None, parser
    )
