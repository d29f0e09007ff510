# SPDX-License-Identifier: Apache-2.0
"""The ingestion loop of one knowledge base: take the lease, walk, plan, apply in small transactions, embed, say that it
is ready.

Killed at any point it goes on from the last transaction. Losing a hint never loses work: every step looks at the files
themselves.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from colonnade.knowledge.base import KnowledgeBase
from colonnade.knowledge.ingest.embedding import Embedding
from colonnade.knowledge.ingest.plan import Known, Plan, plan_ingest
from colonnade.knowledge.ingest.reading import FileChanged, Reading, read_file
from colonnade.knowledge.ingest.runs import IngestRun
from colonnade.knowledge.ingest.writing import Ledgered, Writer
from colonnade.knowledge.sources import FolderSource, Seen
from colonnade.ports.journal import Journal
from colonnade.ports.outside.parsers import ParseLimits, Parsers
from colonnade.ports.outside.state import State
from colonnade.ports.rowlease import RowLease

BATCH_FILES = 64
BATCH_BYTES = 8 << 20
BATCH_S = 0.25


@dataclass(slots=True)
class IngestLoop:
    """Drives one knowledge base towards its sources.

    Attributes:
        sources: where files come from; replaced when the declaration changes.
        specification: JSON of the declared embedder, "" for the default.
        changed: called after each step that changed something, for pages and progress.
    """

    state: State
    base: KnowledgeBase
    parsers: Parsers
    journal: Journal
    lease: RowLease
    actor: str
    sources: Sequence[FolderSource]
    specification: str = ""
    limits: ParseLimits = field(default_factory=ParseLimits)
    changed: Callable[[], None] = lambda: None
    stop: threading.Event = field(default_factory=threading.Event)
    why: str = "declared"
    watch: bool = True
    _look: threading.Event = field(default_factory=threading.Event)
    _known: dict[str, Known] | None = None
    _missing: dict[str, str] = field(default_factory=dict)
    _writer: Writer | None = None

    def step(self) -> bool:
        """One look and, if needed, one run; whether anything was done."""
        if not self.lease.take():
            return False
        if not self.watch and not self._look.is_set() and self._known is not None:
            return False
        self._look.clear()
        if self._known is None:
            self._adopt()
        assert self._known is not None
        plan = plan_ingest(self._known, self._walk(), self.parsers.version)
        embedding = Embedding(self.state, self.base, self.journal, self.lease, self.actor, self.specification)
        pending = embedding.pending()
        if not plan and not pending and not embedding.must_switch():
            if self._ready_mark() is None:
                self._say_ready()
            return False
        with IngestRun(
            self.state, self.journal, self.base.id, self.actor, self.why, total=len(plan.read) + len(plan.gone)
        ) as run:
            self._apply(plan, run)
            if not self.stop.is_set():
                embedding.run(run, self.stop, self.changed)
        self.why = "files changed"
        if not self.stop.is_set():
            self._say_ready()
        self.changed()
        return True

    def look(self) -> None:
        """Look at the files at the next step, also when they are not watched."""
        self._look.set()

    def wait(self, seconds: float) -> None:
        """Wait for the next look; a hint or the end of the house comes sooner."""
        self._look.wait(seconds)

    def forget(self) -> None:
        """After an error: read again what the rows say."""
        self._known = None

    def known(self) -> Mapping[str, Known]:
        """What stands of each file."""
        return self._known or {}

    def _adopt(self) -> None:
        """Take over from whoever held the lease before: what it left running is closed, what it wrote is read."""
        self._writer = Writer(self.state, self.base.tools.keys, self.base.shelf, self.journal, self.base.id, self.actor)
        IngestRun.close_left(self.state, self.journal, self.base.id, self.actor, self.lease)
        self._known = dict(load_known(self.state, self.base))

    def _walk(self) -> Iterator[Seen]:
        self._missing = {}
        for source in self.sources:
            try:
                yield from source.walk()
            except (FileNotFoundError, NotADirectoryError):
                self._missing[source.key] = "the source is not there"
                for known in (self._known or {}).values():
                    if known.source == source.key:
                        yield Seen(
                            known.source,
                            known.path,
                            "",
                            known.size,
                            known.mtime_ns,
                            known.inode,
                            known.code,
                            known.reason,
                        )

    def _apply(self, plan: Plan, run: IngestRun) -> None:
        assert self._known is not None
        assert self._writer is not None
        gone = {file.path: file for file in plan.gone}
        readers = {source.key: source.readers for source in self.sources}
        if plan:
            self._not_ready()
        for batch in self._batches(plan.read):
            prepared = self._writer.prepare(batch)
            with self.state.transaction() as tx:
                self.lease.check(tx)
                done = self._writer.write(tx, run.id, batch, prepared, self._known, gone, readers)
                tx.run("knowledge_changed", id=self.base.id)
            self._after(done, run, len(batch))
            self.lease.take()
        left = [file for file in gone.values() if file.path in self._known]
        if left and not self.stop.is_set():
            with self.state.transaction() as tx:
                self.lease.check(tx)
                done = self._writer.remove(tx, run.id, left, readers)
                tx.run("knowledge_changed", id=self.base.id)
            self._after(done, run, len(left))

    def _after(self, done: Ledgered, run: IngestRun, count: int) -> None:
        assert self._known is not None
        for path, known in done.known.items():
            if known is None:
                self._known.pop(path, None)
            else:
                self._known[path] = known
        self.base.take_in(done.contents, done.documents)
        run.advance(count, done.counts)
        self.changed()

    def _batches(self, files: Sequence[Seen]) -> Iterator[list[Reading]]:
        batch: list[Reading] = []
        size, began = 0, time.monotonic()
        for seen in files:
            if self.stop.is_set():
                break
            try:
                reading = read_file(seen, self.base.shelf, self.parsers, self.limits)
            except FileChanged:
                continue
            batch.append(reading)
            size += len(reading.raw)
            if len(batch) >= BATCH_FILES or size >= BATCH_BYTES or time.monotonic() - began >= BATCH_S:
                yield batch
                batch, size, began = [], 0, time.monotonic()
        if batch:
            yield batch

    def _ready_mark(self) -> str | None:
        rows = self.state.rows("meta_get", key=f"ready/{self.base.id}")
        return rows[0]["value"] if rows and rows[0]["value"] else None

    def _not_ready(self) -> None:
        with self.state.transaction() as tx:
            tx.run("meta_put", key=f"ready/{self.base.id}", value="")

    def _say_ready(self) -> None:
        embedder = self.base.embedder
        mark = {
            "content_digest": self.base.content_digest(),
            "embedder": embedder.id if embedder else None,
            "missing": self._missing,
        }
        with self.state.transaction() as tx:
            tx.run("meta_put", key=f"ready/{self.base.id}", value=json.dumps(mark))


def load_known(state: State, base: KnowledgeBase) -> Iterator[tuple[str, Known]]:
    """What the rows say of each file; erased ones are passed over."""
    for row in state.rows("files_of_knowledge", knowledge=base.id):
        subject = row["document"] or base.id
        try:
            path = base.tools.keys.open((subject,), row["path_sealed"], "file/path").decode("utf-8", "surrogateescape")
        except KeyError:
            continue
        yield (
            path,
            Known(
                row["source"],
                path,
                row["size"],
                row["mtime_ns"],
                row["inode"],
                row["code"],
                row["reason"],
                row["document"],
                row["parser"],
            ),
        )
