# SPDX-License-Identifier: Apache-2.0
"""The ingestion loop of one knowledge base: take the lease, walk, plan, apply in small transactions, embed, say that it
is ready.

Killed at any point it goes on from the last transaction. Losing a hint never loses work: every step looks at the files
themselves.
"""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from colonnade.core.errors import ColonnadeError, StateError
from colonnade.knowledge.base import KnowledgeBase
from colonnade.knowledge.ingest.embedding import Embedding
from colonnade.knowledge.ingest.looking import load_known, look_at
from colonnade.knowledge.ingest.plan import Known, Plan, plan_ingest, settled
from colonnade.knowledge.ingest.reading import FileChanged, Reading, read_file, reader_version
from colonnade.knowledge.ingest.runs import IngestRun
from colonnade.knowledge.ingest.writing import Ledgered, Writer
from colonnade.knowledge.sources import FolderSource, Seen, SourceVanished
from colonnade.ports.journal import Journal
from colonnade.ports.outside.parsers import ParseLimits, Parsers
from colonnade.ports.outside.state import State
from colonnade.ports.rowlease import RowLease

BATCH_FILES = 64
BATCH_BYTES = 8 << 20
BATCH_S = 0.25
LOOK_AGAIN_S = 1.0
"""Amid a run files are looked at again no sooner than this."""
LOOK_SHARE = 0.05
"""Share of the time that looking may take."""
BATCH_GONE = 256
QUIET_NS = 200_000_000
"""A file written less than this ago may still be being written."""
YOUNG_LOOKS = 10
"""So often a file is waited for; then it is read as it is, and again once it is quiet."""
RETRY_S = (1, 2, 5, 15, 30, 60)
"""After so long an embedder that cannot be used is tried again."""


@dataclass(slots=True)
class IngestLoop:
    """Drives one knowledge base towards its sources.

    Attributes:
        sources: where files come from; replaced when the declaration changes.
        specification: JSON of the declared embedder, "" for the default.
        changed: called after each step that changed something, for pages and progress.
        trouble: why the declared embedder cannot be used; None when it can. The rest goes on.
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
    trouble: ColonnadeError | None = None
    _look: threading.Event = field(default_factory=threading.Event)
    _known: dict[str, Known] | None = None
    _token: int = 0
    _missing: dict[str, str] = field(default_factory=dict)
    _writer: Writer | None = None
    _young: dict[str, int] = field(default_factory=dict)
    _settled: tuple[str, str] | None = None
    _tried: str = ""
    _failures: int = 0
    _retry_at: float = 0.0
    _planned_at: float = 0.0
    _plan_s: float = 0.0
    _reread: threading.Event = field(default_factory=threading.Event)

    def step(self) -> bool:
        """One look and, if needed, one run; whether anything was done."""
        if not self.lease.take():
            return False
        if self._reread.is_set():
            self._reread.clear()
            self.forget()
        if self.lease.token != self._token:
            self._token, self._known = self.lease.token, None
        if not self.watch and not self._look.is_set() and self._known is not None and not self._again():
            return False
        if self._known is None:
            self._adopt()
        plan = self._plan()
        embedding = self._embedding()
        if not plan and self._is_settled(embedding):
            self._rest()
            return False
        self._not_ready()
        with IngestRun(
            self.state, self.journal, self.base.id, self.actor, self.why, total=len(plan.read) + len(plan.gone)
        ) as run:
            self._run(plan, embedding, run)
        self.why = "files changed"
        if not self.stop.is_set() and not self._young and self.trouble is None:
            self._say_ready()
        self.changed()
        return True

    def look(self) -> None:
        """Look at the files at the next step, also when they are not watched."""
        self._look.set()

    def reread(self) -> None:
        """The rows were changed by somebody else: read them again before the next look, which is now."""
        self._reread.set()
        self.look()

    def doubt(self) -> None:
        """Not ready until the next look: files or declaration may have changed since the last one."""
        mark = self._ready_mark()
        if mark is not None and not mark.get("stale"):
            self._put_mark(mark, stale=True)

    def wait(self, seconds: float) -> None:
        """Wait for the next look; a hint or the end of the house comes sooner."""
        self._look.wait(min(seconds, QUIET_NS / 1e9) if self._young else seconds)

    def forget(self) -> None:
        """After an error: read again what the rows say."""
        self._known = None
        self._settled = None

    def known(self) -> Mapping[str, Known]:
        """What stands of each file."""
        return self._known or {}

    def _embedding(self) -> Embedding:
        """The embedding half of this step; without the wanted embedder while it is in trouble."""
        if self.specification != self._tried:
            self._tried, self.trouble, self._failures, self._retry_at = self.specification, None, 0, 0.0
        usable = self.trouble is None or time.monotonic() >= self._retry_at
        embedding = Embedding(
            self.state, self.base, self.journal, self.lease, self.actor, self.specification, usable=usable
        )
        if embedding.trouble is not None:
            self._failed(embedding.trouble)
        elif usable and self.trouble is not None and not self._knock(embedding):
            embedding.wanted = None
        return embedding

    def _rest(self) -> None:
        """Nothing is to be done: say so, unless it was said; take it back while the declared embedder fails."""
        mark = self._ready_mark()
        if self.trouble is not None:
            if mark is not None:
                self._not_ready()
        elif mark is not None and mark.get("stale") and mark["missing"] == self._missing and not self._young:
            self._put_mark(mark)
        elif not self._young and (mark is None or mark["missing"] != self._missing):
            self._say_ready()

    def _again(self) -> bool:
        """Whether something is left of the last look: a file that was being written, an embedder to try again."""
        return bool(self._young) or (self.trouble is not None and time.monotonic() >= self._retry_at)

    def _adopt(self) -> None:
        """Take over from whoever held the lease before: what it left running is closed, what it wrote is read."""
        self._writer = Writer(self.state, self.base.tools.keys, self.base.shelf, self.journal, self.base.id, self.actor)
        IngestRun.close_left(self.state, self.journal, self.base.id, self.actor, self.lease)
        self._known = dict(load_known(self.state, self.base))
        self._settled = None

    def _plan(self) -> Plan:
        """What to do now. Files that are being written wait until they are quiet, but not for ever."""
        assert self._known is not None
        self._look.clear()
        began = time.monotonic()
        try:
            plan = plan_ingest(self._known, self._walk(), functools.partial(reader_version, self.parsers))
        except SourceVanished:
            self._look.set()
            return Plan((), ())
        self._planned_at = time.monotonic()
        self._plan_s = self._planned_at - began
        now, young = settled(plan, time.time_ns(), QUIET_NS)
        self._young = {file.path: self._young.get(file.path, 0) + 1 for file in young}
        if any(looks > YOUNG_LOOKS for looks in self._young.values()):
            self._young = {}
            return plan
        return now

    def _walk(self) -> Iterator[Seen]:
        self._missing = {}
        return look_at(self.sources, self._known or {}, self._missing)

    def _run(self, plan: Plan, embedding: Embedding, run: IngestRun) -> None:
        try:
            embedding.begin()
        except StateError:
            raise
        except ColonnadeError as error:
            run.trouble = self._failed(error)
            embedding.wanted = None
        self._read(plan, run)
        if not self.stop.is_set():
            try:
                embedding.run(run, self.stop, lambda: self._between(run))
                self._settled = None if self.stop.is_set() else embedding.key()
            except StateError:
                raise
            except ColonnadeError as error:
                run.trouble = self._failed(error)
        run.cut = self.stop.is_set()

    def _read(self, plan: Plan, run: IngestRun) -> None:
        """Apply the plan; when files change meanwhile, the rest of it is planned anew."""
        while plan and not self.stop.is_set():
            self._settled = None
            if self._apply(plan, run):
                return
            plan = self._plan()
            run.expect(len(plan.read) + len(plan.gone) - (run.total - run.done))

    def _between(self, run: IngestRun) -> None:
        """Amid embedding, which may take hours: what changed meanwhile is read before the rest is embedded."""
        if self._is_due():
            plan = self._plan()
            run.expect(len(plan.read) + len(plan.gone))
            self._read(plan, run)
        self.changed()

    def _is_due(self) -> bool:
        """Whether to look again amid a run: asked for, or a while ago; a walk may take a twentieth of the time."""
        since = time.monotonic() - self._planned_at
        if since < max(LOOK_AGAIN_S, self._plan_s / LOOK_SHARE):
            return False
        return self._look.is_set() or self.watch

    def _is_settled(self, embedding: Embedding) -> bool:
        """Whether nothing is left to embed. Asked of the store only after something changed."""
        if embedding.must_switch():
            return False
        if self._settled != embedding.key():
            if embedding.pending():
                return False
            self._settled = embedding.key()
        return True

    def _knock(self, embedding: Embedding) -> bool:
        """Whether an embedder that failed before works again."""
        try:
            embedding.knock()
        except StateError:
            raise
        except ColonnadeError as error:
            self._failed(error)
            return False
        self.trouble, self._failures = None, 0
        return True

    def _failed(self, error: ColonnadeError) -> ColonnadeError:
        self.trouble = error
        self._retry_at = time.monotonic() + RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        self._failures += 1
        return error

    def _apply(self, plan: Plan, run: IngestRun) -> bool:
        """Read, write and remove; False when it was left unfinished because files changed meanwhile."""
        assert self._known is not None
        assert self._writer is not None
        gone = {file.path: file for file in plan.gone}
        moved = self._writer.held(gone)
        readers = {source.key: source.readers for source in self.sources}
        undeclared = [file for file in plan.gone if file.source not in readers]
        self._remove(undeclared, run, readers)
        for file in undeclared:
            del gone[file.path]
        for batch in self._batches(plan.read):
            prepared = self._writer.prepare(batch)
            with self.state.transaction() as tx:
                self.lease.check(tx)
                readers |= {source.key: source.readers for source in self.sources}
                done = self._writer.write(tx, run.id, batch, prepared, self._known, gone, moved, readers)
                tx.run("knowledge_changed", id=self.base.id)
                run.advance(tx, len(batch), done.counts)
            self._after(done)
            self.lease.take()
            if self._look.is_set() and self._is_due():
                return False
        self._remove([file for file in gone.values() if file.path in self._known], run, readers)
        return True

    def _remove(self, left: Sequence[Known], run: IngestRun, readers: Collection[str]) -> None:
        """End what is gone, so many at a time."""
        assert self._writer is not None
        for first in range(0, len(left), BATCH_GONE):
            if self.stop.is_set():
                return
            part = left[first : first + BATCH_GONE]
            with self.state.transaction() as tx:
                self.lease.check(tx)
                done = self._writer.remove(tx, run.id, part, readers)
                tx.run("knowledge_changed", id=self.base.id)
                run.advance(tx, len(part), done.counts)
            self._after(done)
            self.lease.take()

    def _after(self, done: Ledgered) -> None:
        assert self._known is not None
        for path, known in done.known.items():
            if known is None:
                self._known.pop(path, None)
            else:
                self._known[path] = known
        try:
            self.base.take_in(done.contents, done.documents)
        except BaseException:
            self.base.doubt()
            raise
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
                self._young.setdefault(seen.path, 1)
                continue
            batch.append(reading)
            size += len(reading.raw)
            if len(batch) >= BATCH_FILES or size >= BATCH_BYTES or time.monotonic() - began >= BATCH_S:
                yield batch
                batch, size, began = [], 0, time.monotonic()
        if batch:
            yield batch

    def _ready_mark(self) -> dict[str, Any] | None:
        rows = self.state.rows("meta_get", key=f"ready/{self.base.id}")
        found: dict[str, Any] | None = json.loads(rows[0]["value"]) if rows and rows[0]["value"] else None
        return found

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
        self._put_mark(mark)

    def _put_mark(self, mark: Mapping[str, Any], *, stale: bool = False) -> None:
        """What was asked for amid the look is looked at next: until then the mark is stale."""
        stale = stale or self._look.is_set()
        with self.state.transaction() as tx:
            tx.run("meta_put", key=f"ready/{self.base.id}", value=json.dumps({**mark, "stale": stale}))
