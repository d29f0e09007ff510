# SPDX-License-Identifier: Apache-2.0
"""How fast entries are built, appended, indexed, verified and walked: one writer, one process, a real state file.

python bench/ledger.py [--entries 100000]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colonnade.adapters.clock.system import SystemClock
from colonnade.adapters.keys.ed25519 import verify_ed25519
from colonnade.adapters.keys.file import FileKeys
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.core import entries
from colonnade.core.entries import Stamp
from colonnade.core.leaf import Leaf
from colonnade.core.note import ORIGIN
from colonnade.govern.ledger.seal import check_seal, seal_state
from colonnade.govern.ledger.sequencer import Sequencer
from colonnade.govern.ledger.verify import verify
from colonnade.govern.lineage.walk import impact, why
from report import write_result

SEED = 20261124
BATCH = 1000
FAN_OUT = 5
WALKS = 500


class Bench:
    """A state file in a temporary folder, and the rows of the result."""

    def __init__(self, folder: Path, count: int) -> None:
        self.count = count
        self.path = folder / "state.db"
        self.state = SqliteState(self.path, SystemClock())
        self.keys = FileKeys(folder / "keys", "bench", self.state, create=True)
        self.rows: list[dict[str, Any]] = []
        new = self.state.new_id
        self.project, self.actor, self.run = new("prj"), new("prn"), new("run")
        self.knowledge, self.readers, self.content = new("knw"), new("rds"), new("cnt")
        with self.state.transaction() as tx:
            self.keys.create(tx, self.actor, self.project)
        self.documents = [new("doc") for _ in range(count // 2)]

    @contextmanager
    def timed(self, what: str, per: int) -> Iterator[None]:
        """Add a row: seconds, CPU microseconds each, each second."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        row = {"what": what, "count": per, "s": round(wall, 3), "cpu_us_each": round(cpu / per * 1e6, 2)}
        self.rows.append({**row, "each_second": round(per / wall)})
        print(f"{what:60} {wall:8.2f} s {cpu / per * 1e6:8.1f} us CPU {per / wall:10.0f} /s", file=sys.stderr)

    def stamp(self) -> Stamp:
        return Stamp(self.state.new_id("evt"), self.state.now_ms(), self.project, self.actor)

    def document(self, document: str) -> Leaf:
        return entries.document_added(
            self.stamp(),
            self.keys.mac,
            document=document,
            run=self.run,
            knowledge=self.knowledge,
            content=self.content,
            readers=self.readers,
            data=b"x" * 2000,
            path="handbook/leave.md",
            chars=2000,
            chunks=4,
        )

    def build(self) -> None:
        """Leaves alone: ids, MACs, canonical bytes."""
        with self.state.transaction() as tx:
            self.keys.create(tx, "doc_build", self.project)
        count = min(self.count, 50_000)
        leaf = self.document("doc_build")
        with self.timed("a document's leaf: id, two MACs, bytes", count):
            for _ in range(count):
                self.document("doc_build").to_bytes()
        with self.timed("a leaf's canonical bytes alone", count):
            for _ in range(count):
                leaf.to_bytes()
        with self.timed("a chunk of 1 kB sealed", count):
            for _ in range(count):
                self.keys.seal(("doc_build",), b"x" * 1000, "chunk")

    def append(self) -> None:
        """Half documents with a new key each, half answers over five of them, in durable batches."""
        chance = random.Random(SEED)

        def document(tx: Any, place: int) -> None:
            self.keys.create(tx, self.documents[place], self.project)
            tx.append(self.document(self.documents[place]))

        def answer(tx: Any, _place: int) -> None:
            given = [(name, self.content) for name in chance.choices(self.documents, k=FAN_OUT)]
            tx.append(
                entries.answer_given(
                    self.stamp(),
                    self.keys.mac,
                    answer=self.state.new_id("ans"),
                    asker=self.actor,
                    service=self.knowledge,
                    status="answered",
                    ms=41,
                    given=given,
                    question="how long is leave",
                )
            )

        self._batches("documents appended, a key each, durable by 1,000", document)
        self._batches("answers over five documents appended, durable by 1,000", answer)

    def _batches(self, what: str, write: Callable[[Any, int], None]) -> None:
        half = len(self.documents)
        with self.timed(what, half):
            for first in range(0, half, BATCH):
                with self.state.transaction() as tx:
                    for place in range(first, min(first + BATCH, half)):
                        write(tx, place)

    def sequence(self) -> None:
        with self.timed("entries indexed and signed", self.count):
            Sequencer(self.state, self.keys, f"{ORIGIN}bench").drain()

    def check(self) -> None:
        key = self.keys.note_key
        for what, deep, pages in (
            ("entries verified: hashes, tree, signatures", False, False),
            ("the same with the engine's check of all pages", False, True),
            ("entries verified, deep", True, True),
        ):
            with self.timed(what, self.count):
                report = verify(self.state, key, verify_ed25519, deep=deep, pages=pages)
            if not report.intact:
                raise SystemExit(report.to_text())

    def walk(self) -> None:
        chance = random.Random(SEED)
        answers = [row["id"] for row in self.state.rows("entries_newest", seq=1 << 62, limit=len(self.documents))]
        for what, walked, refs in (
            ("why of an answer", why, [f"event/{chance.choice(answers)}" for _ in range(WALKS)]),
            ("impact of a document", impact, [chance.choice(self.documents) for _ in range(WALKS)]),
        ):
            times, nodes = [], 0
            for ref in refs:
                began = time.perf_counter()
                nodes += len(walked(self.state, ref).nodes)
                times.append((time.perf_counter() - began) * 1e3)
            times.sort()
            row = {"what": what, "count": WALKS, "p50_ms": round(times[WALKS // 2], 3)}
            self.rows.append({**row, "p99_ms": round(times[WALKS * 99 // 100], 3), "nodes": nodes / WALKS})
            print(self.rows[-1], file=sys.stderr)

    def close(self) -> None:
        key = self.keys.note_key
        self.state.close()
        size = self.path.stat().st_size
        with self.timed("bytes of the closed state file sealed and compared", size):
            seal_state(self.path, self.keys, key.name)
            if check_seal(self.path, key, verify_ed25519).status != "sealed":
                raise SystemExit("the seal does not hold")
        self.rows.append({"what": "bytes of state file an entry", "count": self.count, "bytes": size // self.count})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    count = parser.parse_args().entries
    folder = Path(tempfile.mkdtemp(prefix="ledger-bench-"))
    try:
        bench = Bench(folder, count)
        for step in (bench.build, bench.append, bench.sequence, bench.check, bench.walk, bench.close):
            step()
    finally:
        shutil.rmtree(folder)
    write_result(
        "ledger",
        asked=">= 20k entries/s appended by one writer; 1M entries verified <= 5 s; why at 10M edges p99 <= 1 ms",
        ran=f"{count} entries, half documents with a new key each, half answers over five documents; one process",
        rows=bench.rows,
        seeds=[SEED],
        packages=("cryptography",),
        notes=f"load average at the end {os.getloadavg()[0]:.1f} (the bench alone makes 1): trust CPU times, not rates",
    )


if __name__ == "__main__":
    main()
