# SPDX-License-Identifier: Apache-2.0
"""Erase one document out of 100,000 passages with vectors, and back the state up: how long it takes, how long searches
wait for it, and how fast the backup is beside `tar` of the same folder with a SHA-256 over it.

python bench/erasure.py [--sections 25000] [--erasures 5]

Texts are made of random words, vectors are drawn: what they say does not matter here, what they weigh does. A thread
searches without pause while a document is erased; its longest wait is the one that a reader sees.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from report import write_result

DECLARATION = """\
version: 1
project: bench
access: {groups: {everyone: ["*"], staff: [anna, heidi]}}
knowledge: {base: {sources: [{path: ./docs}], watch: false}}
services: {assistant: {knowledge: base}}
"""
PER_FILE = 50
WORDS = 160
DIMENSIONS = 384


class Drawn:
    """An embedder that draws a unit vector for each text."""

    id, dimensions = "drawn@1", DIMENSIONS

    def embed(self, texts: Any) -> Any:
        """[n, 384]."""
        rows = np.random.default_rng(len(texts)).standard_normal((len(texts), DIMENSIONS), np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def close(self) -> None:
        """Nothing."""


def write_files(folder: Path, sections: int) -> None:
    """Markdown, so many sections to a file."""
    rng = random.Random(7)
    words = [f"w{number:05d}" for number in range(20_000)]
    folder.mkdir(parents=True)
    for number in range(sections // PER_FILE):
        parts = [f"# File {number}\n"]
        for section in range(PER_FILE):
            parts.append(f"## Section {number} {section}\n\n{' '.join(rng.choices(words, k=WORDS))}.\n")
        (folder / f"file-{number}.md").write_text("\n".join(parts))


def open_house(folder: Path) -> Any:
    """A house with the drawn embedder, everything taken in."""
    from colonnade.app.house import House
    from colonnade.app.settings.declaration import parse_declaration
    from colonnade.app.settings.environment import places_of

    (folder / "colonnade.yaml").write_text(DECLARATION)
    house = House(places_of(folder / "colonnade.yaml"), holder="bench")
    drawn = Drawn()
    house.embedders.get = lambda _specification: drawn  # type: ignore[method-assign, assignment, return-value]
    house.apply(parse_declaration(DECLARATION, "colonnade.yaml"))
    loop = house.loops["base"]
    time.sleep(0.3)
    loop.look()
    while loop.step():
        loop.look()
    return house


def erase_one(house: Any, number: int) -> dict[str, float]:
    """Erase a file while somebody searches; seconds until it is done, and the longest wait of a search before it and
    amid it."""
    from colonnade.app.erasing import Erasing

    erasing, people = Erasing(house), house.people
    owner = people.askers(house.owner)[house.owner]
    base = house.loops["base"].base
    readers = frozenset(row["id"] for row in house.state.rows("reader_sets_of_project", project=house.project))
    waits: list[tuple[float, float]] = []
    stop = threading.Event()

    vector = Drawn().embed(["x"])[0]

    def search() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            base.index.search("w00001 w00002 w00003", vector, readers=readers, k=10)
            waits.append((began, time.perf_counter() - began))

    base.index.search("w00001 w00002 w00003", vector, readers=readers, k=10)
    thread = threading.Thread(target=search)
    thread.start()
    time.sleep(1.0)
    asked = erasing.erase(owner, [f"document/docs/file-{number}.md"], dry_run=False)
    began = time.perf_counter()
    erasing.decide(asked["ref"].removeprefix("erasure/"), people.find("heidi"), allow=True)
    seconds = time.perf_counter() - began
    time.sleep(0.2)
    stop.set()
    thread.join()
    print(f"{len(waits)} searches, {seconds:.3f} s")
    quiet = [wait for at, wait in waits if at + wait < began]
    amid = [wait for at, wait in waits if at + wait >= began]
    return {"seconds": seconds, "search_before_s": max(quiet), "search_amid_s": max(amid)}


def sized(folder: Path) -> int:
    """Bytes below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def backed_up(house: Any, out: Path) -> dict[str, float]:
    """MB/s of ours, and of `tar | sha256sum` over the same store and files."""
    from colonnade.app.backups import back_up
    from colonnade.govern.ledger.sequencer import LEASE, Sequencer
    from colonnade.ports.rowlease import RowLease

    lease = RowLease(house.state, LEASE, "bench")
    lease.take()
    Sequencer(house.state, house.keys, house.origin(), lease.check).drain()
    home = house.places.home
    size = sized(home / "blobs") + (home / "state.db").stat().st_size
    found: dict[str, list[float]] = {"ours": [], "tar": []}
    for turn in range(3):
        began = time.perf_counter()
        done = back_up(house.places, out / f"{turn}.tar", lambda *_: None)
        found["ours"].append(size / 1e6 / (time.perf_counter() - began))
        assert not done.damaged
        (out / f"{turn}.tar").unlink()
        began = time.perf_counter()
        script = f"tar -C {home} -cf - state.db blobs | tee {out}/peer.tar | sha256sum && sync {out}/peer.tar"
        subprocess.run(["/bin/sh", "-c", script], check=True, capture_output=True)
        found["tar"].append(size / 1e6 / (time.perf_counter() - began))
        (out / "peer.tar").unlink()
    ours, tar = statistics.median(found["ours"]), statistics.median(found["tar"])
    return {"mb": size / 1e6, "ours_mb_s": ours, "tar_mb_s": tar, "ratio": ours / tar}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sections", type=int, default=25_000, help="each becomes about four passages")
    parser.add_argument("--erasures", type=int, default=5)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="erasure-"))
    os.environ["COLONNADE_KEYS"] = str(folder / "keys")
    try:
        write_files(folder / "docs", args.sections)
        began = time.perf_counter()
        house = open_house(folder)
        chunks = house.loops["base"].base.index.sizes().chunks
        print(f"{chunks} passages taken in, {time.perf_counter() - began:.0f} s")
        runs = [erase_one(house, 10 + number) for number in range(args.erasures)]
        rows: list[dict[str, Any]] = [{"name": "erase", **run} for run in runs]
        rows.append({"name": "backup", **backed_up(house, folder)})
        for row in rows:
            print(row)
        house.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    write_result(
        "erasure",
        asked="erase one document of 100k passages: seconds, and how long a search waits; backup in MB/s beside tar",
        ran=f"{chunks} passages in files of {PER_FILE} sections, drawn vectors of {DIMENSIONS}; one searching thread",
        rows=rows,
        seeds=[7],
    )


if __name__ == "__main__":
    main()
