# SPDX-License-Identifier: Apache-2.0
"""Walk a source: which files there are, under which declared path, and which must not be opened. No file is opened
here.

A declared path is the source's path as declared, then the path within it, with `/`. Hidden files and folders are left
out. Walked once a second at worst, so an entry costs microseconds: no `Path` objects within.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
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
        folder: a folder that could not be listed: what was known beneath it may still be there.
    """

    source: str
    path: str
    location: str
    size: int
    mtime_ns: int
    inode: int
    code: str = ""
    reason: str = ""
    folder: bool = False

    @property
    def suffix(self) -> str:
        """Lower-case suffix of the declared path, with its dot."""
        return os.path.splitext(self.path)[1].lower()


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder or one file.

    Attributes:
        key: the source's key in its knowledge base, also the declared prefix.
        root: where it lies.
        readers: id of the reader set.
        include, exclude: glob patterns on the path within the source; an empty include takes all.
        skip: folders that are not walked, wherever they lie.
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
        skip = frozenset(os.path.realpath(folder) for folder in self.skip)
        yield from self._folder(str(base), str(base), "", skip)

    def _folder(self, base: str, folder: str, within: str, skip: frozenset[str]) -> Iterator[Seen]:
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda e: e.name)
        except (FileNotFoundError, NotADirectoryError):
            if not within:
                raise
            return
        except OSError as error:
            yield self._unlisted(folder, within, error)
            return
        for entry in entries:
            if entry.name.startswith(".") or entry.path in skip:
                continue
            path = within + entry.name
            if entry.is_symlink():
                yield from self._link(base, entry, path)
            elif entry.is_dir(follow_symlinks=False):
                yield from self._folder(base, entry.path, f"{path}/", skip)
            elif self._taken(path):
                try:
                    about = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    yield self._unlisted(entry.path, path, error)
                    continue
                yield self._seen(self._declared(path), about, entry.path)

    def _unlisted(self, folder: str, within: str, error: OSError) -> Seen:
        if isinstance(error, PermissionError):
            code, reason = "permission", "the folder may not be listed"
        elif error.errno == errno.ENAMETOOLONG:
            code, reason = "unsupported", "the path is longer than the operating system takes"
        else:
            code, reason = "permission", f"cannot be listed: {error.strerror}"
        return Seen(self.key, self._declared(within), folder, 0, 0, 0, code, reason, folder=True)

    def _link(self, base: str, entry: os.DirEntry[str], path: str) -> Iterator[Seen]:
        """A link within the source is left out: what it leads to is walked anyway. One that leads out is told."""
        if not self._taken(path):
            return
        try:
            target = os.path.realpath(entry.path, strict=True)
            about = entry.stat(follow_symlinks=False)
        except OSError:
            return
        if os.path.commonpath((target, base)) != base:
            reason = "a link that leads out of the source"
            yield Seen(
                self.key, self._declared(path), entry.path, 0, about.st_mtime_ns, about.st_ino, "outside", reason
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


class SourceVanished(Exception):
    """A source went away while the others were walked: what lay in it may have been seen as another's."""


def absent_within(sources: Sequence[FolderSource]) -> dict[str, list[str]]:
    """Outer source -> the sources declared within it that are not there: their files may lie in it by other names."""
    roots = {source.key: Path(os.path.realpath(source.root)) for source in sources}
    absent = [key for key, root in roots.items() if not root.exists()]
    return {
        outer: within
        for outer, root in roots.items()
        if (within := [key for key in absent if key != outer and roots[key].is_relative_to(root)])
    }


def apart(sources: tuple[FolderSource, ...]) -> list[FolderSource]:
    """The sources such that no file belongs to two: what lies within another source's root is that source's.

    So `hr` with its own readers inside of `.` for everyone is read by its own readers only.
    """
    roots = {source.key: Path(os.path.realpath(source.root)) for source in sources}
    found = []
    for source in sources:
        mine = roots[source.key]
        inner = {root for root in roots.values() if root != mine and root.is_relative_to(mine)}
        found.append(
            FolderSource(
                source.key, source.root, source.readers, source.include, source.exclude, source.skip | frozenset(inner)
            )
        )
    return found


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
