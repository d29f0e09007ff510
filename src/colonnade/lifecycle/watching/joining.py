# SPDX-License-Identifier: Apache-2.0
"""Truths that come with new data: a label there belongs to the latest prediction for the same key made before.

When a pipeline has taken data in, rows with a label that were not in the data taken in before are the news. For each
key of the news, the last one counts; kept predictions are read through in slices, so that other work goes on beside it.
What was joined stands in `meta`; a kill -9 begins the reading anew, and truths that are there stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from colonnade.core.exchanges import Exchange
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.watching.captures import Captures
from colonnade.lifecycle.watching.rules import LabelRule
from colonnade.lifecycle.watching.scoring import rows_of
from colonnade.lifecycle.watching.tables import news_of, word
from colonnade.lifecycle.watching.telling import TOLD
from colonnade.lifecycle.watching.truths import Label
from colonnade.ports.outside.state import State

SLICE = 10
"""Pieces that are read at once."""


@dataclass(slots=True)
class Joined:
    """What a data set told. `labels` in the order of the requests."""

    digest: str
    dataset: str
    labels: Sequence[Label] = ()


@dataclass(slots=True)
class _Reading:
    digest: str
    dataset: str
    news: dict[str, str]
    pieces: Iterator[Sequence[Exchange]]
    latest: dict[str, tuple[str, int]] = field(default_factory=dict)


class Joining:
    """Joins data sets to one service's predictions, one after the other."""

    def __init__(self, state: State, artifacts: Artifacts, captures: Captures) -> None:
        self._state, self._artifacts, self._captures = state, artifacts, captures
        self._reading: _Reading | None = None

    def step(self, model: str, rule: LabelRule) -> Joined | None:
        """A slice; what a data set told once it is read through. None: nothing to do. No labels: not yet, or none."""
        if self._reading is None and not self._begin(model, rule):
            return None
        reading = self._reading
        assert reading is not None
        for _ in range(SLICE):
            piece = next(reading.pieces, None)
            if piece is None:
                self._reading = None
                found = sorted((ref, row, reading.news[key]) for key, (ref, row) in reading.latest.items())
                return Joined(reading.digest, reading.dataset, [Label(*one) for one in found])
            for exchange in piece:
                for place, row in enumerate(rows_of(exchange)):
                    key = word(row.get(rule.key))
                    if key in reading.news:
                        reading.latest[key] = exchange.ref, place
        return Joined("", "")

    def done(self, found: Joined) -> None:
        """A data set's truths are kept."""
        if found.digest:
            with self._state.transaction() as tx:
                tx.run("meta_put", key=self._key, value=json.dumps({"digest": found.digest}))

    @property
    def _key(self) -> str:
        return f"joined/{self._captures.id}"

    def _begin(self, model: str, rule: LabelRule) -> bool:
        newest = self._newest(model)
        if newest is None:
            return False
        digest, dataset, taken_ms = newest
        rows = self._state.rows("meta_get", key=self._key)
        before = str(json.loads(rows[0]["value"])["digest"]) if rows else ""
        if digest == before:
            return False
        pairs = news_of(self._artifacts, before, digest, (rule.key, rule.column), TOLD) if before else []
        news = {key: label for key, label in pairs if key and label}  # labels of before the first join are older
        self._reading = _Reading(digest, dataset, news, self._captures.pieces(0, taken_ms) if news else iter(()))
        return True

    def _newest(self, model: str) -> tuple[str, str, int] | None:
        """(digest, id, when) of the data set that was taken in last."""
        for pipeline in self._state.rows("pipelines_of_model", model=model, limit=3):
            for step in self._state.rows("pipeline_steps", pipeline=pipeline["run"]):
                if step["step"] == "snapshot" and step["state"] in {"done", "cached"} and step["artifact"]:
                    return str(step["artifact"]), str(step["subject"]), int(step["finished_ms"])
        return None
