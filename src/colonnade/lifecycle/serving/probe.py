# SPDX-License-Identifier: Apache-2.0
"""Ask a replica from a thread: what it is (the health probe), or one request after another. Its socket is reached
through its folder, whatever the path's length.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colonnade.core.predicting import ANSWERED, HEALTH, SOCKET, Frames, Item, frame

PROBE_S = 2.0
ASK_S = 5.0


def probe(place: Path, timeout_s: float = PROBE_S) -> Mapping[str, Any] | None:
    """What a replica says it is; None while it does not answer."""
    try:
        folder = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as line:
            line.settimeout(timeout_s)
            line.connect(f"/proc/self/fd/{folder}/{SOCKET}")  # a socket's path has at most 107 bytes
            line.sendall(frame([Item(HEALTH, 0, b"")]))
            frames = Frames()
            while data := line.recv(65536):
                for items in frames.feed(data):
                    told: Mapping[str, Any] = json.loads(items[0].data)
                    return told if items[0].kind == ANSWERED else None
    except (OSError, ValueError):
        return None
    finally:
        os.close(folder)
    return None


class ReplicaLine:
    """A connection to one replica that waits for each answer, made anew after one that did not come. Raises OSError
    where there is none, or it takes too long.
    """

    def __init__(self, place: Path, timeout_s: float = ASK_S) -> None:
        self._place, self._timeout_s = place, timeout_s
        self._frames = Frames()
        self._line: socket.socket | None = self._connected()

    def ask(self, item: Item) -> Item:
        """One request's answer."""
        if self._line is None:
            self._frames, self._line = Frames(), self._connected()
        try:
            self._line.sendall(frame([item]))
            while data := self._line.recv(1 << 20):
                for items in self._frames.feed(data):
                    return items[0]
            raise ConnectionResetError("the replica ended while it answered")
        except (OSError, ValueError) as error:  # what comes later would be taken for the next answer
            self.close()
            raise error if isinstance(error, OSError) else OSError("it answers what is no frame") from error

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _connected(self) -> socket.socket:
        folder = os.open(self._place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(self._timeout_s)
        try:
            line.connect(f"/proc/self/fd/{folder}/{SOCKET}")
        except OSError:
            line.close()
            raise
        finally:
            os.close(folder)
        return line
