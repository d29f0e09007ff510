# SPDX-License-Identifier: Apache-2.0
"""Blobs as files named by their digest: `DIR/ab/abcdef...`, written aside, synced, renamed, the folder synced.

One daemon writes; any process may read. Nothing here knows what the bytes mean or who may see them.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from colonnade.core.errors import StateError, StorageFull, Tampered

THREADS = 16
"""Files synced at once; measured: 13 ms a file one by one, 2 ms with 16, no gain beyond."""
_DIGEST = re.compile(r"^sha256:([0-9a-f]{64})$")
_FULL = {errno.ENOSPC, errno.EDQUOT}


class FileBlobs:
    """A folder of blobs. Made on the first `put`, 0700."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._aside = directory / "tmp"
        self._lock = threading.Lock()
        self._count = 0
        self._ready = False

    def put(self, data: bytes) -> str:
        """`sha256:HEX` of the bytes, durable when this returns; a damaged file of that digest is replaced.

        Raises `StorageFull`.
        """
        return self.put_many([data])[0]

    def put_many(self, blobs: Sequence[bytes]) -> list[str]:
        """The digest of each, in order; all durable when this returns. Raises `StorageFull`, having stored some or
        none.

        The disk is waited for by several threads at once, because a journalling file system then syncs many files in
        one go.
        """
        names = [sha256(data).hexdigest() for data in blobs]
        with _plain_errors():
            self._prepare()
            held = dict(zip(names, blobs, strict=True))
            wanted = {self._path(name): data for name, data in held.items() if not _holds(self._path(name), data)}
            if wanted:
                self._write(wanted)
        return [f"sha256:{name}" for name in names]

    def get(self, digest: str) -> bytes:
        """The bytes. Raises KeyError if absent, `Tampered` if they no longer match the digest."""
        path = self._path(_name(digest))
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise KeyError(digest) from None
        found = sha256(data).hexdigest()
        if f"sha256:{found}" != digest:
            raise Tampered(
                f"blob {digest} now holds bytes of sha256:{found}",
                hint="restore the file from a backup",
                code="blob_tampered",
            )
        return data

    def delete(self, digest: str) -> None:
        """Gone, or already gone; durable when this returns."""
        path = self._path(_name(digest))
        with _plain_errors():
            try:
                path.unlink()
            except FileNotFoundError:
                return
            _sync_folder(path.parent)

    def held(self, digest: str) -> tuple[int, int]:
        """(bytes, when written in ms since 1970 by the machine's clock). Raises KeyError if absent."""
        try:
            about = self._path(_name(digest)).stat()
        except FileNotFoundError:
            raise KeyError(digest) from None
        return about.st_size, about.st_mtime_ns // 1_000_000

    def digests(self) -> list[str]:
        """All digests held, sorted."""
        found = (f"sha256:{path.name}" for path in self._directory.glob("[0-9a-f][0-9a-f]/*"))
        return sorted(digest for digest in found if _DIGEST.match(digest))

    def _path(self, name: str) -> Path:
        return self._directory / name[:2] / name

    def _prepare(self) -> None:
        """Make the folders, and sweep what a killed writer left aside."""
        with self._lock:
            if self._ready:
                return
            self._aside.mkdir(mode=0o700, parents=True, exist_ok=True)
            for leftover in self._aside.iterdir():
                if not _is_alive(leftover.name.partition("-")[0]):
                    leftover.unlink(missing_ok=True)
            self._ready = True

    def _write(self, wanted: Mapping[Path, bytes]) -> None:
        """Write all aside and sync them, then rename all and sync their folders."""
        with self._lock:
            first, self._count = self._count, self._count + len(wanted)
        mine = f"{os.getpid()}-{id(self):x}"
        aside = {path: self._aside / f"{mine}-{first + number}" for number, path in enumerate(wanted)}
        try:
            _side_by_side(lambda path: _write_synced(aside[path], wanted[path]), list(wanted))
            folders = {path.parent for path in wanted}
            for folder in [folder for folder in folders if not folder.exists()]:
                folder.mkdir(mode=0o700, exist_ok=True)
                folders.add(self._directory)
            for path in wanted:
                os.replace(aside[path], path)
        except BaseException:
            for path in aside.values():
                path.unlink(missing_ok=True)
            raise
        _side_by_side(_sync_folder, sorted(folders))


def _side_by_side(work: Callable[[Path], None], paths: Sequence[Path]) -> None:
    """Do it for each path, in threads when there are several; all are waited for, the first error is raised."""
    if len(paths) == 1:
        work(paths[0])
        return
    with ThreadPoolExecutor(min(THREADS, len(paths)), thread_name_prefix="blobs") as pool:
        list(pool.map(work, paths))


def _write_synced(path: Path, data: bytes) -> None:
    with open(path, "xb", opener=_private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _name(digest: str) -> str:
    """The hex digits. Anything else is no digest of ours, and never a path."""
    shape = _DIGEST.match(digest)
    if shape is None:
        raise KeyError(digest)
    return shape.group(1)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except FileNotFoundError:
        return False


def _is_alive(pid: str) -> bool:
    return pid.isdecimal() and Path(f"/proc/{pid}").exists()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or "the blob folder"
        if error.errno in _FULL:
            raise StorageFull(f"no space left for {where}", hint="free some space; nothing was half written") from error
        raise StateError(f"cannot write {where}: {error.strerror}", hint="check the folder's owner and mode") from error
