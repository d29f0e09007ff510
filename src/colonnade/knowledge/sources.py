# SPDX-License-Identifier: Apache-2.0
"""Walk a source: which files there are, under which declared path, and which must not be opened. No file is opened
here.

A declared path is the source's path as declared, then the path within it, with `/`. Hidden files and folders are left
out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as a walk found it.

    Attributes:
        source: the source's key.
        path: declared path.
        location: where it lies.
        size, mtime_ns, inode: what tells a change.
        code: "" or why it must not be opened (a key of UNREADABLE_CODES).
        reason: for people, when there is a code.
    """

    source: str
    path: str
    location: str
    size: int
    mtime_ns: int
    inode: int
    code: str = ""
    reason: str = ""

    @property
    def suffix(self) -> str:
        """Lower-case suffix of the declared path, with its dot."""
        return PurePosixPath(self.path).suffix.lower()


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder or one file.

    Attributes:
        key: the source's key in its knowledge base, also the declared prefix.
        root: where it lies.
        readers: id of the reader set.
        include, exclude: glob patterns on the path within the source; an empty include takes all.
    """

    key: str
    root: Path
    readers: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    skip: frozenset[Path] = field(default_factory=frozenset)

    def walk(self) -> Iterator[Seen]:
        """Every file of the source. Raises FileNotFoundError when the source itself is not there."""
        base = self.root.resolve(strict=True)
        if base.is_file():
            yield self._seen(self.key, os.stat(base), str(base))
            return
        yield from self._folder(base, base, "")

    def _folder(self, base: Path, folder: Path, within: str) -> Iterator[Seen]:
        try:
            entries = sorted(os.scandir(folder), key=lambda e: e.name)
        except PermissionError:
            yield Seen(
                self.key, self._declared(within), str(folder), 0, 0, 0, "permission", "the folder may not be listed"
            )
            return
        for entry in entries:
            path = f"{within}{entry.name}"
            if entry.name.startswith(".") or Path(entry.path) in self.skip:
                continue
            if entry.is_symlink():
                yield from self._link(base, entry, path)
            elif entry.is_dir(follow_symlinks=False):
                yield from self._folder(base, Path(entry.path), f"{path}/")
            elif self._taken(path):
                try:
                    yield self._seen(self._declared(path), entry.stat(follow_symlinks=False), entry.path)
                except FileNotFoundError:
                    continue

    def _link(self, base: Path, entry: os.DirEntry[str], path: str) -> Iterator[Seen]:
        """A link within the source is left out: what it leads to is walked anyway. One that leads out is told."""
        try:
            target = Path(entry.path).resolve(strict=True)
        except (OSError, RuntimeError):
            return
        if self._taken(path) and not target.is_relative_to(base):
            about = entry.stat(follow_symlinks=False)
            yield Seen(
                self.key,
                self._declared(path),
                entry.path,
                0,
                about.st_mtime_ns,
                about.st_ino,
                "outside",
                "a link that leads out of the source",
            )

    def _seen(self, path: str, about: os.stat_result, location: str) -> Seen:
        if not stat.S_ISREG(about.st_mode):
            return Seen(
                self.key, path, location, 0, about.st_mtime_ns, about.st_ino, "unsupported", "not a regular file"
            )
        return Seen(self.key, path, location, about.st_size, about.st_mtime_ns, about.st_ino)

    def _declared(self, within: str) -> str:
        return within.rstrip("/") if self.key == "." else f"{self.key}/{within}".rstrip("/")

    def _taken(self, within: str) -> bool:
        if any(_matches(within, pattern) for pattern in self.exclude):
            return False
        return not self.include or any(_matches(within, pattern) for pattern in self.include)


def _matches(path: str, pattern: str) -> bool:
    """Glob on the whole path; `**/` also matches nothing, and a pattern without `/` matches any file name."""
    pure = PurePosixPath(path)
    if "/" not in pattern:
        return pure.match(pattern)
    if pattern.startswith("**/") and _matches(path, pattern[3:]):
        return True
    if pattern.endswith("/**"):
        return path.startswith(pattern[:-2])
    return pure.match(pattern)
