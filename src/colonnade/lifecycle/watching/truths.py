# SPDX-License-Identifier: Apache-2.0
"""What predicted rows turned out to be, as it is kept: sealed, with the row itself and how wrong each version was.

A truth that comes again with another label corrects the first; both are kept, and only the first was a sample of the
monitors: what was seen is not unseen. Who tells truths, and who finds them in data, is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from colonnade.core.exchanges import Exchange, Outcome, Reply
from colonnade.lifecycle.watching.rules import LabelRule
from colonnade.lifecycle.watching.scoring import answers_of, rows_of, wrongness
from colonnade.ports.outside.keys import Erased, Keys
from colonnade.ports.outside.state import Row, State, Transaction


@dataclass(frozen=True, slots=True)
class Label:
    """The truth about the row at a place of a request."""

    ref: str
    row: int
    label: Any


@dataclass(slots=True)
class Told:
    """What became of labels: new, corrected, known already; refs that are not kept; rows that cannot be scored."""

    count: int = 0
    corrected: int = 0
    same: int = 0
    unscored: int = 0
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Truth:
    """One truth, scored.

    Attributes:
        champion, challenger: how wrong, 0 to 1; None where it did not answer or cannot be compared.
        versions: of the two, or "".
        row: what was asked, for training.
        labels: (when, label) of every telling, oldest first.
    """

    ref: str
    place: int
    champion: float | None
    challenger: float | None
    versions: tuple[str, str]
    row: Mapping[str, Any]
    labels: Sequence[tuple[int, Any]]
    way: str

    @property
    def fresh(self) -> bool:
        """Whether it was told for the first time."""
        return len(self.labels) == 1


class Asked:
    """One exchange, opened for its rows: each part is read once."""

    def __init__(self, exchange: Exchange, rule: LabelRule) -> None:
        self.exchange, self._rule = exchange, rule
        self.rows = rows_of(exchange)
        self._answers = [
            answers_of(exchange, reply) if reply is not None and not reply.error else []
            for reply in (exchange.champion, exchange.challenger)
        ]

    def truth(self, place: int, labels: Sequence[tuple[int, Any]], way: str) -> Truth | None:
        """The newest label, scored; None where the request had no such row."""
        if not 0 <= place < max(len(self.rows), *map(len, self._answers)):
            return None
        wrong = [
            wrongness(answers[place], labels[-1][1], self._rule.score, self._rule.scale)
            if place < len(answers)
            else None
            for answers in self._answers
        ]
        row = self.rows[place] if place < len(self.rows) else {}
        versions = (_version(self.exchange.champion), _version(self.exchange.challenger))
        return Truth(self.exchange.ref, place, wrong[0], wrong[1], versions, row, labels, way)

    def outcome(self, truth: Truth) -> Outcome:
        """For whoever compares versions."""
        exchange = self.exchange
        group = str(truth.row.get(self._rule.group, "")) if self._rule.group else ""
        return Outcome(truth.ref, truth.place, exchange.service, exchange.rollout, exchange.at_ms, group,
                       truth.champion, truth.challenger)  # fmt: skip


class Truths:
    """The truths of one service, under its model's key."""

    def __init__(self, state: State, keys: Keys, project: str, service: str, model: str) -> None:
        self._state, self._keys, self._project, self.service, self._model = state, keys, project, service, model

    def put(self, tx: Transaction, truths: Sequence[Truth], now_ms: int) -> None:
        """Keep them; later ones replace, holding all labels."""
        for one in truths:
            body = {"labels": one.labels, "row": one.row, "way": one.way, "wrong": [one.champion, one.challenger],
                    "versions": one.versions}  # fmt: skip
            tx.run(
                "truth_put", project=self._project, service=self.service, request=one.ref, place=one.place,
                at_ms=now_ms,
                sealed=self._keys.seal((self._model,), json.dumps(body).encode(), self._context(one.ref, one.place)),
            )  # fmt: skip

    def of(self, ref: str) -> dict[int, Truth]:
        """Those of one request, by the row's place."""
        return {truth.place: truth for truth in self.between(ref, ref)}

    def between(self, first: str, last: str) -> Iterator[Truth]:
        """Those of the requests from one to another, in their order; what was erased is left out."""
        yield from self._opened(self._state.rows("truths_between", service=self.service, first=first, last=last))

    def newest(self, limit: int) -> list[Truth]:
        """The last ones, newest request first; what was erased is left out."""
        return list(self._opened(self._state.rows("truths_newest", service=self.service, limit=limit)))

    def _opened(self, rows: Iterable[Row]) -> Iterator[Truth]:
        for row in rows:
            try:
                opened = self._keys.open((self._model,), row["sealed"], self._context(row["request"], row["place"]))
            except Erased:
                continue
            told = json.loads(opened)
            champion, challenger = told["wrong"]
            labels = [(at, label) for at, label in told["labels"]]
            one, other = told["versions"]
            yield Truth(
                row["request"], row["place"], champion, challenger, (one, other), told["row"], labels, told["way"]
            )

    def since(self, ref: str) -> int:
        """How many rows from this request on have a truth."""
        return int(self._state.rows("truths_count", service=self.service, first=ref)[0]["count"])

    def _context(self, ref: str, place: int) -> str:
        return f"truth/{self.service}/{ref}/{place}"


def _version(reply: Reply | None) -> str:
    return reply.version if reply is not None else ""
