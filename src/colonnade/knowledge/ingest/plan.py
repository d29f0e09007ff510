# SPDX-License-Identifier: Apache-2.0
"""Decide what to read and what is gone. Pure: what was known, what was seen; no file, no store, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from colonnade.knowledge.sources import Seen


@dataclass(frozen=True, slots=True)
class Known:
    """What was seen of a file when it was last read.

    Attributes:
        document: the document that holds it, or None if it could not be read.
        parser: version of the parser that read it.
    """

    source: str
    path: str
    size: int
    mtime_ns: int
    inode: int
    code: str
    reason: str
    document: str | None
    parser: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in order."""

    read: tuple[Seen, ...]
    gone: tuple[Known, ...]

    def __bool__(self) -> bool:
        return bool(self.read or self.gone)


def plan_ingest(known: Mapping[str, Known], seen: Iterable[Seen], parser: Callable[[str], str]) -> Plan:
    """Files that are new or differ from when they were read, and files that are no longer there.

    `parser` gives the parser's version for a suffix: when it changes, its files are read again. The same inputs give
    the same plan.
    """
    read: list[Seen] = []
    present: set[str] = set()
    for file in seen:
        present.add(file.path)
        before = known.get(file.path)
        if before is None or _differs(before, file, parser):
            read.append(file)
    gone = tuple(before for path, before in sorted(known.items()) if path not in present)
    return Plan(tuple(read), gone)


def _differs(before: Known, file: Seen, parser: Callable[[str], str]) -> bool:
    if (before.source, before.size, before.mtime_ns, before.inode) != (
        file.source,
        file.size,
        file.mtime_ns,
        file.inode,
    ):
        return True
    if file.code:
        return before.code != file.code
    return before.parser != parser(file.suffix)
