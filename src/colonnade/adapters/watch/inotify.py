# SPDX-License-Identifier: Apache-2.0
"""Hints by Linux' inotify, through ctypes: one watch a folder, up to a cap. Events only wake; they are never trusted.

An overflow of the queue, a folder made while we were adding its parent, a file system that tells nothing (NFS): all
are covered by looking at the files from time to time, which is not done here.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

MOST_FOLDERS = 50_000
GATHER_S = 0.05
"""So long events are gathered before one hint is given for all of them."""
LOCAL = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs", "jfs", "bcachefs", "vfat", "ramfs"}
)
"""File systems whose changes all go through this kernel."""

_CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x8, 0x40, 0x80, 0x100, 0x200
_ATTRIB, _DELETE_SELF, _MOVE_SELF = 0x4, 0x400, 0x800
_ONLYDIR, _DONT_FOLLOW, _EXCL_UNLINK, _ISDIR, _OVERFLOW, _IGNORED = (
    0x01000000,
    0x02000000,
    0x04000000,
    0x40000000,
    0x4000,
    0x8000,
)
_MASK = _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ATTRIB | _DELETE_SELF | _MOVE_SELF
_EVENT = struct.Struct("iIII")


class InotifyHints:
    """Implements `Hints`. One thread reads events; `watch` may be called from any other."""

    def __init__(self, descriptor: int, add: Callable[[bytes, int], int], remove: Callable[[int], int]) -> None:
        self._descriptor, self._add, self._remove = descriptor, add, remove
        self._lock = threading.Lock()
        self._roots: tuple[str, ...] = ()
        self._folders: dict[int, str] = {}
        self._complete = False
        self._ending, self._end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._thread: threading.Thread | None = None

    def start(self, wake: Callable[[], None]) -> None:
        """Read events until closed."""
        self._thread = threading.Thread(target=self._read, args=(wake,), name="hints", daemon=True)
        self._thread.start()

    def watch(self, roots: Sequence[Path]) -> bool:
        """See `Hints.watch`."""
        wanted = tuple(sorted({os.path.realpath(root) for root in roots}))
        with self._lock:
            if wanted == self._roots and self._complete:
                return True
            for number in self._folders:
                self._remove(number)
            self._folders.clear()
            self._roots = wanted
            self._complete = not [root for root in wanted if not self._root(root)]
            return self._complete

    def close(self) -> None:
        """Watch nothing any more."""
        os.write(self._end, b".")
        if self._thread is not None:
            self._thread.join()
        for descriptor in (self._descriptor, self._ending, self._end):
            os.close(descriptor)

    def _root(self, root: str) -> bool:
        if not os.path.lexists(root):
            return False
        if not os.path.isdir(root):
            return self._one(os.path.dirname(root)) and file_system(root) in LOCAL
        return self._tree(root) and file_system(root) in LOCAL

    def _tree(self, root: str) -> bool:
        """Watch a folder and all beneath it, each before it is listed, so that nothing new is missed."""
        return not [folder for folder in _folders(root) if not self._one(folder)]

    def _one(self, folder: str) -> bool:
        if len(self._folders) >= MOST_FOLDERS:
            return False
        number = self._add(os.fsencode(folder), _MASK | _ONLYDIR | _DONT_FOLLOW | _EXCL_UNLINK)
        if number < 0:
            return False
        self._folders[number] = folder
        return True

    def _read(self, wake: Callable[[], None]) -> None:
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN)
        waiting.register(self._ending, select.POLLIN)
        pause = threading.Event()
        while not any(descriptor == self._ending for descriptor, _ in waiting.poll()):
            pause.wait(GATHER_S)
            with self._lock:
                if self._take():
                    wake()

    def _take(self) -> bool:
        """Read what is there; whether any of it may concern a file that is read."""
        found = False
        while True:
            try:
                data = os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                return found
            place = 0
            while place < len(data):
                number, mask, _, length = _EVENT.unpack_from(data, place)
                name = data[place + _EVENT.size : place + _EVENT.size + length].rstrip(b"\0")
                place += _EVENT.size + length
                found = self._event(number, mask, name) or found

    def _event(self, number: int, mask: int, name: bytes) -> bool:
        if mask & _OVERFLOW:
            return True
        if mask & _IGNORED:
            gone = self._folders.pop(number, None)
            if gone in self._roots:
                self._complete = False
            return gone is not None
        if name.startswith(b"."):
            return False
        folder = self._folders.get(number)
        if folder is None:
            return False
        if mask & (_DELETE_SELF | _MOVE_SELF) and folder in self._roots:
            self._complete = False
        if mask & _ISDIR and mask & (_CREATE | _MOVED_TO) and not self._tree(os.path.join(folder, os.fsdecode(name))):
            self._complete = False
        return True


def open_inotify(wake: Callable[[], None]) -> InotifyHints | None:
    """Hints that call `wake`, from a thread of their own; None where the kernel has no inotify to give."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        init, add, remove = libc.inotify_init1, libc.inotify_add_watch, libc.inotify_rm_watch
    except (OSError, AttributeError):
        return None
    descriptor = int(init(os.O_CLOEXEC | os.O_NONBLOCK))
    if descriptor < 0:
        return None
    hints = InotifyHints(
        descriptor,
        lambda path, mask: int(add(descriptor, path, ctypes.c_uint32(mask))),
        lambda number: int(remove(descriptor, number)),
    )
    hints.start(wake)
    return hints


def file_system(path: str) -> str:
    """The kind of file system that a path lies on, as the kernel names it; "" when it does not tell."""
    try:
        about = os.stat(path)
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    best = ("", "")
    for line in lines:
        fields = line.split()
        point = fields[4].replace("\\040", " ")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, fields[fields.index("-") + 1])
    return best[1] if about else ""


def _folders(root: str) -> Iterator[str]:
    """A folder, then all beneath it that are not hidden; each is given before it is listed."""
    yield root
    try:
        with os.scandir(root) as listing:
            inner = [e.path for e in listing if not e.name.startswith(".") and e.is_dir(follow_symlinks=False)]
    except OSError:
        return
    for folder in inner:
        yield from _folders(folder)
