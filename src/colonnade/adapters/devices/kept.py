# SPDX-License-Identifier: Apache-2.0
"""What is remembered of a lease between `prepare` and `release`, in one small file each, so that a crash loses nothing.

The store says who holds what; here stands only what the driver was told, and which process tree it is about.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from colonnade.core.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A lease as the devices know it.

    Attributes:
        uuids: its devices.
        level: the isolation in force, or promised until `admit`.
        means: how ("mig", "cgroup", "mps", "watch", "").
        limit_mib: where its memory is cut off on each device; 0 for nowhere.
        pid, started: the root of its process tree, and that process's start; 0 before `admit`.
    """

    lease: str
    uuids: tuple[str, ...]
    level: str = "none"
    means: str = ""
    limit_mib: int = 0
    pid: int = 0
    started: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Leases:
    """Leases by name. In memory only when there is no folder. Not thread-safe: its owner holds a lock."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._kept: dict[str, Kept] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(folder.glob("*.json")):
                with contextlib.suppress(ValueError, TypeError, KeyError):  # half-written before a power cut: no lease
                    self._kept[path.stem] = _read(path)

    def all(self) -> tuple[Kept, ...]:
        """Every lease, by name."""
        return tuple(self._kept[name] for name in sorted(self._kept))

    def get(self, lease: str) -> Kept | None:
        """The lease, or None."""
        return self._kept.get(lease)

    def put(self, kept: Kept) -> None:
        """Remember it; on return it survives a crash of this process."""
        if self.folder is not None:
            path = self.folder / f"{named(kept.lease)}.json"
            draft = path.with_suffix(".draft")
            draft.write_text(json.dumps(asdict(kept)), encoding="utf-8")
            os.replace(draft, path)
        self._kept[kept.lease] = kept

    def bind(self, lease: str, pid: int, since: int) -> Kept | None:
        """The lease with the root of its tree, or None when it was never prepared."""
        kept = self._kept.get(lease)
        if kept is None:
            return None
        if (kept.pid, kept.started) != (pid, since):
            self.put(replace(kept, pid=pid, started=since))
        return self._kept[lease]

    def drop(self, lease: str) -> Kept | None:
        """Forget it; what it was, or None."""
        if self.folder is not None:
            (self.folder / f"{named(lease)}.json").unlink(missing_ok=True)
        return self._kept.pop(lease, None)


def named(lease: str) -> str:
    """The lease's name, if a file may be called so. Raises `UsageError`."""
    if not _NAME.fullmatch(lease):
        raise UsageError(f"{lease!r} is no name of a lease.", hint="Letters, digits, '-', '_' and '.'.")
    return lease


def _read(path: Path) -> Kept:
    data = json.loads(path.read_text(encoding="utf-8"))
    data["uuids"], data["notes"] = tuple(data["uuids"]), tuple(data["notes"])
    return Kept(**data)
