# SPDX-License-Identifier: Apache-2.0
"""A rehearsal: requests of before are replayed to both versions, because nobody asks. Nobody sees the answers.

It learns what live requests would have shown of errors, invalid answers and latency; whether the answers are right is
what the gates have judged on rows with labels. It decides nothing.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from colonnade.core.predicting import ANSWERED, ROWS, WRONG, Item
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.rollout.canary import Answer
from colonnade.lifecycle.rollout.outputs import is_invalid
from colonnade.lifecycle.table import read_table

WARM_UP = 20
"""A replica's first answers are slow because they are the first; so many requests are asked and not counted."""
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\Z")


class Line(Protocol):
    """One replica, asked one request at a time."""

    def ask(self, item: Item) -> Item:
        """Its answer. Raises OSError when it is lost, or takes too long."""
        ...

    def close(self) -> None:
        """No more."""
        ...


class Rehearsal:
    """A replay under way."""

    def __init__(self, items: Sequence[Item], champion: Line, challenger: Line) -> None:
        self._lines = (champion, challenger)
        self._items: Iterator[tuple[int, Item]] = enumerate([*items[:WARM_UP], *items])
        self._warm = min(WARM_UP, len(items))

    def go(self, seconds: float) -> tuple[list[tuple[Answer, Answer]], bool]:
        """Replay for about so long: what both made of each request, and whether it is over."""
        end, pairs = time.monotonic() + seconds, []
        for number, item in self._items:
            made: list[tuple[int, Answer]] = [(WRONG, Answer()), (WRONG, Answer())]
            for arm in (0, 1) if number % 2 else (1, 0):  # who is asked first has neither an advantage nor a handicap
                made[arm] = _asked(self._lines[arm], item)
            if number >= self._warm and made[0][0] != WRONG:  # what the champion cannot be asked proves nothing
                answer = Answer(error=True) if made[1][0] == WRONG else made[1][1]
                pairs.append((made[0][1], answer))
            if time.monotonic() > end:
                return pairs, False
        return pairs, True

    def close(self) -> None:
        """Hang up."""
        for line in self._lines:
            line.close()


def _asked(line: Line, item: Item) -> tuple[int, Answer]:
    began = time.perf_counter()
    try:
        given = line.ask(item)
    except OSError:
        return ANSWERED, Answer(error=True)
    ms = (time.perf_counter() - began) * 1000
    if given.kind != ANSWERED:
        return given.kind, Answer(error=True)
    return ANSWERED, Answer(invalid=is_invalid(given.data, given.mark), latency_ms=ms)


def held_out(artifacts: Artifacts, split: str, label: str, most: int) -> list[Item]:
    """Rows that a pipeline held out, as requests of one row without the label; the newest where they are many."""
    entry = next((one for one in artifacts.get(split).files if one.path == "test.csv"), None)
    if entry is None:
        return []
    table = read_table(artifacts.read(entry), entry.path)
    names = [name for name in table.header if name != label]
    places = [table.header.index(name) for name in names]
    rows = [dict(zip(names, (_value(values[at]) for at in places), strict=True)) for _, values in table.rows[-most:]]
    return [Item(ROWS, 0, json.dumps([row], ensure_ascii=False).encode()) for row in rows]


def _value(text: str) -> str | float | int | None:
    """A cell as a client would send it."""
    if not text.strip():
        return None
    if _NUMBER.match(text):
        return float(text) if any(mark in text for mark in ".eE") else int(text)
    return text
