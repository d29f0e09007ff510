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

    `parser` gives the parser's version for a suffix: when it changes, its files are read again. What lies beneath a
    folder that cannot be listed is not held to be gone. The same inputs give the same plan.
    """
    read: list[Seen] = []
    present: set[str] = set()
    closed: list[str] = []
    versions: dict[str, str] = {}
    for file in seen:
        present.add(file.path)
        if file.folder:
            closed.append(f"{file.path}/")
        before = known.get(file.path)
        if before is None or _differs(before, file):
            read.append(file)
        elif not file.code:
            suffix = file.suffix
            version = versions.get(suffix)
            if version is None:
                version = versions[suffix] = parser(suffix)
            if version != before.parser:
                read.append(file)
    missing = sorted(path for path in known if path not in present)
    under = tuple(closed)
    return Plan(tuple(read), tuple(known[path] for path in missing if not (under and path.startswith(under))))


def settled(plan: Plan, now_ns: int, quiet_ns: int) -> tuple[Plan, tuple[Seen, ...]]:
    """The part of a plan to carry out now, and the files written less than `quiet_ns` ago, to be looked at again.

    A file that is being written is not read half. While one is too young nothing is held to be gone either: it may be
    where a missing file went.
    """
    young = tuple(file for file in plan.read if not file.code and 0 <= now_ns - file.mtime_ns < quiet_ns)
    if not young:
        return plan, ()
    held = {file.path for file in young}
    return Plan(tuple(file for file in plan.read if file.path not in held), ()), young


def _differs(before: Known, file: Seen) -> bool:
    if (before.source, before.size, before.mtime_ns, before.inode) != (
        file.source,
        file.size,
        file.mtime_ns,
        file.inode,
    ):
        return True
    return bool(file.code) and before.code != file.code
