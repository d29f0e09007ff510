# SPDX-License-Identifier: Apache-2.0
"""Embed what has no vectors yet, slice by slice; a new model embeds beside the live index and switches at once.

Without an embedder there is nothing to do: everything works by words. A model that is declared but cannot be used is
told, and the live index goes on: what changes meanwhile is embedded by the live model. The vectors of the model before
are kept, so that going back re-uses them; those of older ones are dropped at the next switch.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from colonnade.core import entries
from colonnade.core.errors import ColonnadeError, StateError
from colonnade.knowledge.base import KnowledgeBase
from colonnade.knowledge.ingest.runs import IngestRun
from colonnade.ports.journal import Journal
from colonnade.ports.outside.models import Embedder
from colonnade.ports.outside.state import State
from colonnade.ports.rowlease import RowLease

SLICE_CHUNKS = 64
PENDING = 1_000_000


@dataclass(frozen=True, slots=True)
class Slice:
    """Chunks first..first+n of a content, to be embedded together."""

    content: str
    first: int
    passages: tuple[str, ...]


class Embedding:
    """The embedding half of an ingestion step, for one specification; `usable=False` leaves the wanted embedder alone.

    Attributes:
        wanted: the declared embedder; None when there is none on this machine, or when it cannot be used.
        trouble: why it cannot be used.
    """

    def __init__(
        self,
        state: State,
        base: KnowledgeBase,
        journal: Journal,
        lease: RowLease,
        actor: str,
        specification: str,
        *,
        usable: bool = True,
    ) -> None:
        self._state, self._base, self._journal, self._lease, self._actor = state, base, journal, lease, actor
        self._specification = specification
        self.trouble: ColonnadeError | None = None
        self.wanted: Embedder | None = None
        if not usable:
            return
        try:
            self.wanted = base.tools.embedder(specification)
        except StateError:
            raise
        except ColonnadeError as error:
            self.trouble = error

    def key(self) -> tuple[str, str]:
        """Names the wanted and the live embedder: what is settled for them stays so until files change."""
        live = self._base.embedder
        return (self.wanted.id if self.wanted else "", live.id if live else "")

    def pending(self) -> int:
        """How many chunks the wanted embedder, and the live one until it is replaced, have not embedded yet."""
        return sum(self._pending(embedder) for embedder in self._targets())

    def must_switch(self) -> bool:
        """Whether the live index does not hold the wanted embedder's vectors."""
        live = self._base.embedder
        return self.wanted is not None and (live is None or live.id != self.wanted.id)

    def begin(self) -> None:
        """Where no vectors are live, begin with the wanted embedder's: searches use them as they come."""
        if self.wanted is not None and self._base.embedder is None:
            self._switch(self.wanted)

    def knock(self) -> None:
        """Raise what the wanted embedder fails with, if it fails."""
        if self.wanted is not None:
            self.wanted.embed(["."])

    def run(self, run: IngestRun, stop: threading.Event, between: Callable[[], None]) -> None:
        """Embed everything that is pending; then switch, if the wanted embedder is not the live one.

        `between` is called after each batch, a second or so of work, and may bring more to embed.
        """
        self.begin()
        while (pending := self.pending()) and not stop.is_set():
            run.expect(pending - (run.total - run.done))
            embedded = sum(self._run(target, run, stop, between) for target in self._targets())
            if not embedded:
                break
        if self.wanted is not None and self.must_switch() and not stop.is_set():
            self._switch(self.wanted)

    def _run(self, target: Embedder, run: IngestRun, stop: threading.Event, between: Callable[[], None]) -> int:
        """Embed what is pending for one embedder; how many batches. An old embedder that fails is left behind."""
        batches = 0
        try:
            for batch in self._batches(target):
                if stop.is_set():
                    break
                self._embed(target, batch, run)
                self._lease.take()
                batches += 1
                between()
        except StateError:
            raise
        except ColonnadeError:
            if target is self.wanted or self.wanted is None:
                raise
        return batches

    def _targets(self) -> list[Embedder]:
        live = self._base.embedder
        targets = [live] if live is not None and (self.wanted is None or live.id != self.wanted.id) else []
        return targets if self.wanted is None else [*targets, self.wanted]

    def _pending(self, embedder: Embedder) -> int:
        rows = self._state.rows(
            "contents_without_vectors", knowledge=self._base.id, embedder=embedder.id, limit=PENDING
        )
        return sum(row["chunks"] - row["embedded"] for row in rows)

    def _embed(self, target: Embedder, batch: list[Slice], run: IngestRun) -> None:
        rows = target.embed([passage for part in batch for passage in part.passages])
        count, place = len(rows), 0
        pieces = []
        for part in batch:
            pieces.append((part, rows[place : place + len(part.passages)]))
            place += len(part.passages)
        with self._state.transaction() as tx:
            self._lease.check(tx)
            for part, piece in pieces:
                self._base.shelf.add_vectors(tx, part.content, target.id, part.first, piece)
            tx.run("knowledge_embedded", id=self._base.id, count=count)
            run.advance(tx, count, {"embedded": count})
        index, live = self._base.live()
        if live is not None and live.id == target.id:
            for part, piece in pieces:
                index.set_vectors(part.content, part.first, piece.astype("<f2").astype("<f4"))

    def _batches(self, wanted: Embedder) -> Iterator[list[Slice]]:
        batch: list[Slice] = []
        size = 0
        rows = self._state.rows("contents_without_vectors", knowledge=self._base.id, embedder=wanted.id, limit=PENDING)
        for row in rows:
            try:
                passages = self._base.shelf.get(row["id"]).passages()
            except KeyError:
                continue
            for first in range(row["embedded"], len(passages), SLICE_CHUNKS):
                part = Slice(row["id"], first, tuple(passages[first : first + SLICE_CHUNKS]))
                batch.append(part)
                size += len(part.passages)
                if size >= SLICE_CHUNKS:
                    yield batch
                    batch, size = [], 0
        if batch:
            yield batch

    def _switch(self, wanted: Embedder) -> None:
        """Point the index's name at the wanted embedder: one transaction, then one assignment."""
        before = self._base.row()["embedder"]
        index = self._base.build(wanted)
        with self._state.transaction() as tx:
            self._lease.check(tx)
            tx.run("meta_put", key=f"embedder/{wanted.id}", value=self._specification)
            if before != wanted.id:
                tx.run("knowledge_embedder", id=self._base.id, embedder=wanted.id)
                tx.append(
                    entries.switch_made(
                        self._journal.stamp(self._actor),
                        self._journal.mac,
                        knowledge=self._base.id,
                        name="embedder",
                        generation=tx.rows("knowledge_get", id=self._base.id)[0]["generation"],
                        embedder="sha256:" + hashlib.sha256(wanted.id.encode()).hexdigest(),
                    )
                )
        self._base.swap(index, wanted)
        if before not in (None, wanted.id):
            self._base.shelf.drop_vectors((wanted.id, before))
