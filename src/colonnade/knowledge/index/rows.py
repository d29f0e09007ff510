# SPDX-License-Identifier: Apache-2.0
"""One row a chunk: which content, which place in it, how long, what breaks ties. Appended, never moved while a search
runs.

No words, no vectors, no rights here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.index.alike import WIDTH, sketches
from colonnade.knowledge.index.analyse import Analysed
from colonnade.knowledge.index.stored import sealed

_FIRST_CAPACITY = 256
_SKETCH_AT = 1024
_SAVED = ("content", "order", "length", "live", "has_vector", "draw", "keys")


class Rows:
    """Columns by row number, each with room beyond `count`.

    Attributes:
        count: how many rows there are, dead ones included.
        content, order, length: the content's number, the chunk's place in it, its number of terms.
        live, has_vector: whether it was not removed, whether it has a vector.
        draw: a number drawn from the key alone, for samples that hidden rows cannot move.
        keys: [capacity, width] bytes, zero-padded, so that keys compare as byte strings.
        sketches: [capacity, WIDTH] see `alike`; those of new rows are made by `sketch`, many at a time.
    """

    def __init__(self) -> None:
        self.count = 0
        self.content = np.zeros(_FIRST_CAPACITY, np.int32)
        self.order = np.zeros(_FIRST_CAPACITY, np.int32)
        self.length = np.zeros(_FIRST_CAPACITY, np.int32)
        self.live = np.zeros(_FIRST_CAPACITY, np.bool_)
        self.has_vector = np.zeros(_FIRST_CAPACITY, np.bool_)
        self.draw = np.zeros(_FIRST_CAPACITY, np.uint64)
        self.keys = np.zeros((_FIRST_CAPACITY, 8), np.uint8)
        self.sketches = np.zeros((_FIRST_CAPACITY, WIDTH), np.uint64)
        self._unsketched: list[tuple[int, Analysed]] = []

    @property
    def alive(self) -> NDArray[np.bool_]:
        """[count] not removed."""
        return self.live[: self.count]

    @property
    def embedded(self) -> NDArray[np.bool_]:
        """[count] has a vector."""
        return self.has_vector[: self.count]

    def append(self, content: int, orders: Sequence[int], keys: Sequence[bytes], passages: Sequence[Analysed]) -> int:
        """The first of the new rows' numbers."""
        first, many = self.count, len(orders)
        self._make_room(first + many, max(map(len, keys), default=0))
        if not many:
            return first
        span = slice(first, first + many)
        self.content[span], self.live[span], self.has_vector[span] = content, True, False
        self.order[span], self.length[span] = orders, [passage.length for passage in passages]
        draws = b"".join([hashlib.blake2b(key, digest_size=8).digest() for key in keys])
        self.draw[span] = np.frombuffer(draws, "<u8")
        width = self.keys.shape[1]
        padded = b"".join([key.ljust(width, b"\0") for key in keys])
        self.keys[span] = np.frombuffer(padded, np.uint8).reshape(many, width)
        self.count += many
        self._unsketched += enumerate(passages, first)
        if len(self._unsketched) >= _SKETCH_AT:
            self.sketch()
        return first

    def sketch(self) -> None:
        """Make the sketches of the rows that came since the last time; before them nobody may look."""
        if self._unsketched:
            rows, passages = zip(*self._unsketched, strict=True)
            self.sketches[list(rows)] = sketches([p.words for p in passages], [p.facts for p in passages])
            self._unsketched = []

    def arrays(self, secret: bytes) -> dict[str, NDArray[Any]]:
        """Everything in use, copied, for a file; sketches sealed."""
        self.sketch()
        named = {name: getattr(self, name)[: self.count].copy() for name in _SAVED}
        return {f"rows.{name}": a for name, a in named.items()} | {
            "rows.sketches": sealed(self.sketches[: self.count], secret)
        }

    @staticmethod
    def restored(arrays: dict[str, NDArray[Any]], secret: bytes) -> Rows:
        """From what `arrays` gave."""
        rows = Rows()
        for name in _SAVED:
            setattr(rows, name, arrays[f"rows.{name}"].copy())
        rows.sketches = sealed(arrays["rows.sketches"], secret)
        rows.count = len(rows.content)
        return rows

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Only these rows remain, renumbered in order."""
        self.sketch()
        old = self.count
        self.content, self.order, self.length = (c[:old][kept] for c in (self.content, self.order, self.length))
        self.live, self.has_vector, self.draw = (
            self.live[:old][kept],
            self.has_vector[:old][kept],
            self.draw[:old][kept],
        )
        self.keys, self.sketches = self.keys[:old][kept], self.sketches[:old][kept]
        self.count = int(np.count_nonzero(kept))

    def _make_room(self, count: int, width: int) -> None:
        capacity, old_width = self.keys.shape
        if count <= capacity and width <= old_width:
            return
        grown = max(count, 2 * capacity) if count > capacity else capacity
        extra = np.zeros(grown - capacity, np.int32)
        self.content, self.order, self.length = (np.append(c, extra) for c in (self.content, self.order, self.length))
        self.live, self.has_vector = (np.append(c, extra.astype(bool)) for c in (self.live, self.has_vector))
        self.draw = np.append(self.draw, extra.astype(np.uint64))
        self.sketches = np.concatenate((self.sketches, np.zeros((len(extra), WIDTH), np.uint64)))
        keys = np.zeros((grown, max(width, old_width)), np.uint8)
        keys[: self.count, :old_width] = self.keys[: self.count]
        self.keys = keys


def ranked(rows: NDArray[np.int64], scores: NDArray[np.float64], keys: NDArray[np.uint8], k: int) -> NDArray[np.int64]:
    """Positions of the k best, best first; equal scores by key, then by nothing else: row numbers never decide."""
    places = np.arange(len(rows))
    if len(rows) > k:
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        places = np.flatnonzero(scores >= least)
    order = places[np.argsort(-scores[places], kind="stable")]
    chosen = scores[order]
    if (chosen[1:] == chosen[:-1]).any():
        names = {int(i): keys[rows[i]].tobytes() for i in order}
        order = np.array(sorted(names, key=lambda i: (-scores[i], names[i])), np.int64)
    return order[:k]
