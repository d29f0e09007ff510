# SPDX-License-Identifier: Apache-2.0
"""Embed what has no vectors yet, slice by slice; a new model embeds beside the live index and switches at once.

Without an embedder there is nothing to do: everything works by words.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from colonnade.core import entries
from colonnade.core.errors import Unavailable
from colonnade.knowledge.base import KnowledgeBase
from colonnade.knowledge.ingest.runs import IngestRun
from colonnade.ports.journal import Journal
from colonnade.ports.outside.models import Embedder
from colonnade.ports.outside.state import State
from colonnade.ports.rowlease import RowLease

SLICE_CHUNKS = 128
PENDING = 1_000_000


@dataclass(frozen=True, slots=True)
class Slice:
    """Chunks first..first+n of a content, to be embedded together."""

    content: str
    first: int
    passages: tuple[str, ...]


class Embedding:
    """The embedding half of an ingestion step."""

    def __init__(
        self, state: State, base: KnowledgeBase, journal: Journal, lease: RowLease, actor: str, specification: str
    ) -> None:
        self._state, self._base, self._journal, self._lease, self._actor = state, base, journal, lease, actor
        self._specification = specification
        try:
            self._wanted: Embedder | None = base.tools.embedder(specification)
        except Unavailable:
            self._wanted = None

    def pending(self) -> int:
        """How many chunks the wanted embedder has not embedded yet."""
        if self._wanted is None:
            return 0
        rows = self._state.rows(
            "contents_without_vectors", knowledge=self._base.id, embedder=self._wanted.id, limit=PENDING
        )
        return sum(row["chunks"] - row["embedded"] for row in rows)

    def must_switch(self) -> bool:
        """Whether the live index does not hold the wanted embedder's vectors."""
        return self._wanted is not None and self._base.row()["embedder"] != self._wanted.id

    def run(self, run: IngestRun, stop: threading.Event, changed: Callable[[], None]) -> None:
        """Embed everything that is pending; then switch, if the wanted embedder is not the live one."""
        wanted = self._wanted
        if wanted is None:
            return
        first_time = self._base.row()["embedder"] is None
        if first_time and self.must_switch():
            self._switch(wanted)
        run.expect(self.pending())
        for batch in self._batches(wanted):
            if stop.is_set():
                return
            self._embed(wanted, batch, run)
            self._lease.take()
            changed()
        if self.must_switch():
            self._switch(wanted)

    def _embed(self, wanted: Embedder, batch: list[Slice], run: IngestRun) -> None:
        rows = wanted.embed([passage for part in batch for passage in part.passages])
        count, place = len(rows), 0
        pieces = []
        for part in batch:
            pieces.append((part, rows[place : place + len(part.passages)]))
            place += len(part.passages)
        with self._state.transaction() as tx:
            self._lease.check(tx)
            for part, piece in pieces:
                self._base.shelf.add_vectors(tx, part.content, wanted.id, part.first, piece)
            tx.run("knowledge_embedded", id=self._base.id, count=count)
        live = self._base.embedder
        if live is not None and live.id == wanted.id:
            for part, piece in pieces:
                self._base.index.set_vectors(part.content, part.first, piece.astype("<f2").astype("<f4"))
        run.advance(count, {"embedded": count})

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
        index = self._base.build(wanted)
        with self._state.transaction() as tx:
            self._lease.check(tx)
            tx.run("meta_put", key=f"embedder/{wanted.id}", value=self._specification)
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
