# SPDX-License-Identifier: Apache-2.0
"""Server-sent events out of bytes that arrive in any pieces. Pure.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html. Only `data` is kept; nothing about a model.
"""

from __future__ import annotations

MOST_BYTES = 4 << 20
"""The longest event; more is a fault of the sender."""


class Events:
    """Collects bytes; gives each event's data once it is whole. A last event without its blank line is not given."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._size = 0

    def take(self, data: bytes) -> list[bytes]:
        """Data of the events that these bytes complete. Raises `ValueError` when one grows past 4 MiB.

        >>> events = Events()
        >>> events.take(b"data: a"), events.take(b"b" + bytes([10, 10]))
        ([], [b'ab'])
        """
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = bytearray(rest)
        out = []
        for line in lines:
            line = line.removesuffix(b"\r")
            if not line:
                if self._data:
                    out.append(b"\n".join(self._data))
                self._data, self._size = [], 0
            elif line.startswith(b"data:"):
                self._data.append(bytes(line[5:].removeprefix(b" ")))
                self._size += len(line)
        if self._size + len(self._rest) > MOST_BYTES:
            raise ValueError("an event is longer than 4 MiB")
        return out
