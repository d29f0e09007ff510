# SPDX-License-Identifier: Apache-2.0
"""Opens a source file so that nothing surprising is read: no link, no device, no pipe, nothing past the size limit."""

from __future__ import annotations

import errno
import os
import stat

from colonnade.adapters.parsers.formats import is_text
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits


def open_source(path: str, suffix: str, limits: ParseLimits) -> tuple[int, int]:
    """A read-only descriptor and the size in bytes; raises `Unreadable`, or FileNotFoundError when it is gone.

    A size past the limit is refused by `fstat` alone: a sparse file of 2 GB costs nothing.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise Unreadable("The operating system refuses to open it.", code="permission") from error
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Unreadable("It is a link.", code="outside") from error
        raise Unreadable(f"It cannot be opened: {error.strerror}.", code="permission") from error
    info = os.fstat(fd)
    most = min(limits.file_mib, limits.text_mib) if is_text(suffix) else limits.file_mib
    if not stat.S_ISREG(info.st_mode):
        os.close(fd)
        raise Unreadable("It is no regular file.", code="unsupported")
    if info.st_size > most << 20:
        os.close(fd)
        raise Unreadable(f"It is larger than {most} MiB.", code="too_large")
    return fd, info.st_size


def read_all(fd: int, size: int) -> bytes:
    """The first `size` bytes (a file that grows meanwhile is read as it was when opened)."""
    pieces = []
    left = size
    while left > 0:
        piece = os.read(fd, min(left, 1 << 24))
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
