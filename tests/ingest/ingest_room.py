# SPDX-License-Identifier: Apache-2.0
"""One knowledge base over a folder, in this process: real store, real parsers, real index; keys, blobs and model in
memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colonnade.adapters.parsers.pool import BoundedParsers
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.adapters.vectors.signs import SignVectors
from colonnade.core.answers import Asker
from colonnade.knowledge.asking import Asking
from colonnade.knowledge.base import KnowledgeBase, Tools
from colonnade.knowledge.contents import Shelf
from colonnade.knowledge.ingest.loop import IngestLoop
from colonnade.knowledge.sources import FolderSource
from colonnade.ports.journal import Journal
from colonnade.ports.outside.models import Embedder
from colonnade.ports.rowlease import RowLease
from colonnade.testing.blobs import MemoryBlobs
from colonnade.testing.clock import VirtualClock
from colonnade.testing.keys import MemoryKeys
from colonnade.testing.models import BagOfWords

PROJECT, KNOWLEDGE, ACTOR = "prj_1", "knw_1", "prn_1"


MakeRoom = Callable[..., "Room"]


@dataclass
class Models:
    """Embedders by specification; an exception stands for one that cannot be made."""

    by_specification: dict[str, Embedder | Exception | None] = field(default_factory=lambda: {"": BagOfWords()})

    def __call__(self, specification: str) -> Embedder | None:
        found = self.by_specification[specification]
        if isinstance(found, Exception):
            raise found
        return found


class Room:
    """A folder, and the loop that follows it. `restart` is what a killed daemon's successor sees."""

    def __init__(self, folder: Path, sources: Sequence[tuple[str, str]] = (("docs", "rds_all"),)) -> None:
        self.folder, self.clock, self.models = folder, VirtualClock(), Models()
        self.keys, self.blobs = MemoryKeys(), MemoryBlobs()
        self.state = SqliteState(folder / "state.db", self.clock)
        self.parsers = BoundedParsers()
        with self.state.transaction() as tx:
            tx.run("project_add", id=PROJECT, name="test", created_ms=0)
            tx.run("knowledge_add", id=KNOWLEDGE, project=PROJECT, name="base", created_ms=0)
            for subject in (PROJECT, KNOWLEDGE, ACTOR):
                self.keys.create(tx, subject, PROJECT)
            for readers in ("rds_all", "rds_hr"):
                tx.run("reader_set_add", id=readers, project=PROJECT, names=f'["{readers}"]')
        self.holders = 0
        self.sources = [self.source(*source) for source in sources]
        self.restart()

    def source(self, key: str, readers: str, **more: Any) -> FolderSource:
        root = self.folder / key
        root.mkdir(parents=True, exist_ok=True)
        return FolderSource(key, root, readers, **more)

    def restart(self) -> None:
        """Another daemon on the same store."""
        self.holders += 1
        journal = Journal(self.state, self.keys, PROJECT)
        shelf = Shelf(self.state, self.blobs, self.keys, PROJECT, KNOWLEDGE)
        tools = Tools(self.state, self.keys, self.models, SignVectors, None)
        with self.state.transaction() as tx:
            tx.run("leases_break")
        self.loop = IngestLoop(
            state=self.state,
            base=KnowledgeBase(tools, shelf, PROJECT, KNOWLEDGE, "base"),
            parsers=self.parsers,
            journal=journal,
            lease=RowLease(self.state, f"ingest/{KNOWLEDGE}", f"holder-{self.holders}"),
            actor=ACTOR,
            sources=self.sources,
        )
        self.asking = Asking(self.loop.base, lambda document, content: f"{document}@{content}")

    def close(self) -> None:
        self.parsers.close()
        self.state.close()

    def write(self, path: str | bytes, data: str | bytes, age_s: float = 10) -> Path:
        """A file that was written a while ago."""
        name = os.fsdecode(path)
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        then = file.stat().st_mtime - age_s
        os.utime(file, (then, then))
        return file

    def settle(self) -> int:
        """Step until nothing is left to do; how many steps did something."""
        self.clock.advance(1000)
        for count in range(50):
            if not self.loop.step():
                return count
        raise AssertionError("it does not come to rest")

    def unreadable(self) -> dict[str, str]:
        return {known.path: known.code for known in self.loop.known().values() if known.code}

    def search(self, words: str, *readers: str, at_ms: int | None = None) -> list[tuple[str, float]]:
        """(path, score) of what is found."""
        asker = Asker("prn_2", PROJECT, "anna", frozenset(), frozenset(readers or ("rds_all",)))
        found = self.asking.search(asker, words, k=20, at_ms=at_ms)
        return [(f.path, round(f.score, 9)) for f in found]

    def paths(self, words: str, *readers: str, at_ms: int | None = None) -> set[str]:
        return {path for path, _ in self.search(words, *readers, at_ms=at_ms)}

    def embedded_total(self) -> int:
        return int(self.loop.base.row()["embedded_total"])

    def runs(self) -> list[str]:
        """The states of all runs, oldest first."""
        return [row["state"] for row in reversed(self.state.rows("runs_before", before="", limit=1000))]
