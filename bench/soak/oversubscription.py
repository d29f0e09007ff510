# SPDX-License-Identifier: Apache-2.0
"""Is any device ever given beyond itself? Random reservations at once, whoever makes them killed between any two steps.

    python bench/soak/oversubscription.py --reservations 1000000 --minutes 8

Four storms, each checked against an account that is not the product's own:

- rows: 16 planners on old pictures, through the real transactions on SQLite, cut off between any two statements;
- loop: the whole loop (planner, rows, executor, devices) under virtual time, cut off between any two calls;
- threads: eight at once on one store in a file;
- processes: eight on one store in a file, killed with SIGKILL at random moments and started again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.report import write_result
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.core.errors import StateError
from colonnade.fabric.leases import Leases
from colonnade.ports.journal import Journal
from colonnade.testing.clock import VirtualClock
from colonnade.testing.keys import MemoryKeys
from tests.fabric.fabric_room import ACTOR, PROJECT
from tests.fabric.rows_storm import Counts, RowStorm, churn
from tests.fabric.storm import Storm

A_STORE = 10_000
"""Reservations on one store; then a new one, so that the log of a million entries does not fill the memory."""
WORKERS = 8


def rows(reservations: int, minutes: float, first_seed: int) -> Mapping[str, Any]:
    """Planners on old pictures: so many or for so long; a store for each 10,000, every tenth in a file."""
    total, began, files, end = Counts(), time.process_time(), 0, time.monotonic() + 60 * minutes
    for number in range(-(-reservations // A_STORE)):
        if time.monotonic() > end:
            break
        if number % 10 == 9:
            with tempfile.TemporaryDirectory() as folder:
                counts = RowStorm(first_seed + number, Path(folder) / "state.db").run(A_STORE)
            files += counts.reservations
        else:
            counts = RowStorm(first_seed + number).run(A_STORE)
        total.add(counts)
    return {**_told("rows", total), "in_files": files, "cpu_s": round(time.process_time() - began, 1)}


def loop(minutes: float, first_seed: int) -> Mapping[str, Any]:
    """The whole loop, storm after storm of 2,000 reservations, for so long."""
    total, end, began = Counts(), time.monotonic() + 60 * minutes, time.process_time()
    seed = first_seed
    while time.monotonic() < end:
        storm = Storm(seed)
        storm.run(2000)
        total.add(Counts(storm.asked, storm.granted, storm.granted, storm.kills, storm.checks, storm.most_milli))
        seed += 1
    return {**_told("loop", total), "storms": seed - first_seed, "cpu_s": round(time.process_time() - began, 1)}


def threads(reservations: int, seed: int) -> Mapping[str, Any]:
    """At once on one store in a file."""
    with tempfile.TemporaryDirectory() as folder:
        storm, counts = RowStorm(seed, Path(folder) / "state.db"), [Counts() for _ in range(WORKERS)]
        running = [
            threading.Thread(
                target=churn,
                args=(storm.state, storm.people, random.Random(f"{seed}/{n}"), one, reservations // WORKERS),
            )
            for n, one in enumerate(counts)
        ]
        for thread in running:
            thread.start()
        while any(thread.is_alive() for thread in running):
            storm.check()
            time.sleep(0.05)
        storm.check()
        storm.state.close()
    for one in counts:
        storm.counts.add(one)
    return _told("threads", storm.counts)


def processes(seconds: float, seed: int) -> Mapping[str, Any]:
    """Processes on one store in a file; a random one is killed every few moments, and another takes its place."""
    chance, context, kills = random.Random(seed), multiprocessing.get_context("spawn"), 0
    tried = context.Value("q", 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        storm = RowStorm(seed, path)
        workers = [_worker(context, path, n, tried) for n in range(WORKERS)]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.5, 4))
            with suppress(StateError):
                storm.check()
            victim = chance.randrange(WORKERS)
            workers[victim].kill()
            workers[victim].join()
            kills += 1
            workers[victim] = _worker(context, path, WORKERS + kills, tried)
        for worker in workers:
            worker.kill()
            worker.join()
        storm.check()
        ended = len(storm.state.rows("leases_ended_since", project=PROJECT, since_ms=0))
        storm.counts.add(Counts(tried.value, ended, ended, kills + WORKERS))
        storm.state.close()
    return _told("processes", storm.counts)


def _worker(context: Any, path: Path, seed: int, tried: Any) -> Any:
    worker = context.Process(target=work, args=(str(path), seed, tried), daemon=True)
    worker.start()
    return worker


def work(path: str, seed: int, tried: Any) -> None:
    """One process, until it is killed. Its count is kept where its death does not lose it."""
    keys = MemoryKeys()
    state = SqliteState(path, VirtualClock(1_790_000_000_000 + seed))
    for subject in (PROJECT, ACTOR):
        keys.create(None, subject, PROJECT)  # type: ignore[arg-type]
    leases = Leases(state, keys, Journal(state, keys, PROJECT), ACTOR)
    chance = random.Random(seed)
    while True:
        with suppress(StateError):  # eight writers of one file: now and then one waits for too long
            churn(state, leases, chance, Counts(), 8)
        tried.value += 8  # without its lock, which a killed process would keep: a few may be lost, none is invented


def _told(storm: str, counts: Counts) -> dict[str, Any]:
    print(f"{storm}: {counts}", flush=True)
    return {
        "storm": storm, "reservations": counts.reservations, "granted": counts.granted, "kills": counts.kills,
        "checks": counts.checks, "most_milli_of_a_device": counts.most_milli,
    }  # fmt: skip


def main() -> None:
    """Run all of them; a violation ends this with the seed's traceback, and nothing is written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reservations", type=int, default=1_000_000, help="of the rows")
    parser.add_argument("--minutes", type=float, default=8.0, help="of the whole loop, and at most of the rows")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the processes")
    parser.add_argument("--seed", type=int, default=1000)
    asked = parser.parse_args()
    found = [threads(min(8000, asked.reservations), asked.seed), processes(asked.seconds, asked.seed)]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as both:
        running = (
            both.submit(loop, asked.minutes, asked.seed),
            both.submit(rows, asked.reservations, asked.minutes, asked.seed),
        )
        found += [one.result() for one in running]
    write_result(
        "soak_oversubscription",
        asked="0 devices given beyond themselves in 10^6 random concurrent reservations, kills between any two steps",
        ran=f"{sum(one['reservations'] for one in found)} reservations in four storms; every check held",
        rows=found,
        seeds=[asked.seed],
        notes="fewer than asked ran where the minutes were up before; cpu_s tells what they cost",
    )


if __name__ == "__main__":
    main()
