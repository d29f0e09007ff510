# SPDX-License-Identifier: Apache-2.0
"""What watching a served model costs a request, and how often its monitors ring where nothing happens.

python bench/watching.py [--requests 100000] [--samples 1000000]    # writes bench/results/watching.json

Cost: requests of ten columns and their answers go the way that they go in the daemon, in pieces as they come at 400
requests/s: packed, sealed, entered in the log, committed to a state file, measured by three monitors. All threads' CPU
counts. Beside it what the parts cost, and a label told. The bound is 20 microseconds a request.

False alarms: each measure gets so many stationary samples in batches, from several baselines; at most one alarm in
10,000 is promised where a limit was agreed on, and measured where the baseline is an estimate. Wrong answers are Brier
scores of a calibrated model, with the baseline made firmer and alarms followed as in the daemon, so that it also says
how many of the false ones were called off before a training.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from colonnade.adapters.keys.file import FileKeys
from colonnade.adapters.state.sqlite.engine import SqliteState
from colonnade.core.exchanges import Exchange, Reply
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.renewal import Baseline as Firm
from colonnade.lifecycle.renewal import Renewal
from colonnade.lifecycle.watching.monitors import Desk
from colonnade.lifecycle.watching.packed import pack
from colonnade.lifecycle.watching.rules import AlarmRule, CaptureRule, LabelRule, Watched
from colonnade.lifecycle.watching.scoring import rows_of
from colonnade.lifecycle.watching.service import ServiceWatch
from colonnade.lifecycle.watching.truths import Label
from colonnade.observe.drift.monitor import Detecting
from colonnade.ports.journal import Journal
from colonnade.ports.skills.detect import Baseline
from colonnade.testing.blobs import MemoryBlobs
from colonnade.testing.clock import VirtualClock
from report import write_result

PIECE, HELD_OUT, RUN_LENGTH = 200, 2_000, 10_000
PROJECT, ACTOR, MODEL, SERVICE, VERSION = "prj_1", "prn_1", "mod_1", "svc_1", "sha256:" + "a" * 64


def exchanges(count: int, seed: int = 7) -> list[Exchange]:
    """Requests of one row of ten columns."""
    rng, made = random.Random(seed), []
    for number in range(count):
        at_ms = 1_790_000_000_000 + number * 5 // 2
        row = {
            "customer": f"c{number}", "day": number // 100, "age": rng.randrange(18, 80), "group": "a",
            "region": "north", "income": round(rng.lognormvariate(3.6, 0.4), 1), "sum": number,
            "debt": round(rng.expovariate(0.1), 1), "months": rng.randrange(400), "late_before": rng.randrange(6),
        }  # fmt: skip
        ref = f"request/{at_ms:012x}{rng.getrandbits(48):012x}"
        reply = Reply(VERSION, rng.lognormvariate(1.6, 0.4), False, b"[%.6f]" % rng.random())
        made.append(Exchange(ref, "s", "", ref, 0, 0, json.dumps([row]).encode(), at_ms, "champion", reply, None))
    return made


def watch_over(folder: Path, *, capture: bool) -> ServiceWatch:
    """The daemon's watch over a real state file and real keys."""
    state = SqliteState(folder / "state.db", VirtualClock())
    keys = FileKeys(folder / "keys", "bench", state, create=True)
    with state.transaction() as tx:
        tx.run("project_add", id=PROJECT, name="bench", created_ms=0)
        tx.run("name_create", project=PROJECT, kind="model", name="m", digest=VERSION)
        for subject in (PROJECT, ACTOR, MODEL):
            keys.create(tx, subject, PROJECT)
    rule = CaptureRule(1 << 40, 1.0, 1 << 40) if capture else None
    watched = Watched(SERVICE, "s", "m", MODEL, rule, LabelRule("", "y"), AlarmRule(RUN_LENGTH, 0.01, 0.005))
    desk = Desk(state, Journal(state, keys, PROJECT), Detecting(), ACTOR)
    return ServiceWatch(desk, keys, Artifacts(state, MemoryBlobs(), keys, PROJECT), watched, lambda _: None)


def cpu_s() -> float:
    """CPU seconds of all threads, in user space and in the kernel."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def cost(count: int) -> list[dict[str, Any]]:
    """CPU a request, and of its parts."""
    rows, asked = [], exchanges(count)
    for what, capture in (("captured, entered and measured", True), ("measured only", False)):
        with tempfile.TemporaryDirectory() as name:
            watch = watch_over(Path(name), capture=capture)
            began, wall = cpu_s(), time.perf_counter()
            for place in range(0, count, PIECE):
                watch.put(asked[place : place + PIECE])
                watch.flush()
            row: dict[str, Any]
            row = {"what": what, "requests": count, "us_a_request": round((cpu_s() - began) / count * 1e6, 2),
                   "wall_us_a_request": round((time.perf_counter() - wall) / count * 1e6, 2)}  # fmt: skip
            if capture:
                size = (Path(name) / "state.db").stat().st_size + (Path(name) / "state.db-wal").stat().st_size
                row |= {"bytes_a_request": round(size / count), "bound_us": 20, "reached": row["us_a_request"] <= 20}
                told = asked[: min(count, 5000)]
                began = cpu_s()
                for place in range(0, len(told), 500):
                    watch.label([Label(one.ref, 0, place % 2) for one in told[place : place + 500]], ACTOR)
                label_us = round((cpu_s() - began) / len(told) * 1e6, 1)
                rows.append({"what": "a label told, in hundreds", "us_a_label": label_us})
                began = cpu_s()
                read = sum(len(rows_of(one)) for piece in watch.captures.pieces(0, 1 << 60) for one in piece)
                join_us = round((cpu_s() - began) / read * 1e6, 1)
                rows.append({"what": "read through for a join", "requests": read, "us_a_request": join_us})
            rows.append(row)
    began = cpu_s()
    for place in range(0, count, PIECE):
        pack(asked[place : place + PIECE])
    rows.append({"what": "packed and compressed alone", "us_a_request": round((cpu_s() - began) / count * 1e6, 2)})
    for row in rows:
        print(json.dumps(row), flush=True)
    return rows


def quiet(measure: str, baseline: Baseline, samples: np.ndarray[Any, Any], batch: int) -> int:
    """Alarms over stationary samples; each is ended at once, and the monitor goes on as in the daemon."""
    watch, rang = Detecting().begin(measure, baseline, RUN_LENGTH), 0
    values = samples.tolist()
    for place in range(0, len(values), batch):
        rang += watch.take(values[place : place + batch]) is not None
    return rang


def answers(rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    """Brier scores of a calibrated model: chances of a Beta(1.2, 3), labels drawn by them."""
    chances = rng.beta(1.2, 3, count)
    return np.asarray((chances - (rng.random(count) < chances)) ** 2)


def followed(rng: np.random.Generator, count: int, batch: int) -> tuple[int, int]:
    """(alarms, those that led to a training) of wrong answers, each followed; a training begins the next version."""
    rang = trained = 0
    samples, place = answers(rng, count).tolist(), 0
    while place < count:
        held = answers(rng, HELD_OUT)
        firm, renewal = Firm(float(held.sum()), HELD_OUT), None
        watch = Detecting().begin("wrong", Baseline(firm.wrong, firm.rows), RUN_LENGTH)
        while place < count:
            part = samples[place : place + batch]
            before, place = watch.samples, place + batch
            ring = watch.take(part)
            if ring is not None:
                rang, renewal = rang + 1, Renewal(ring.since, ring.at, ring.mean, ring.observed)
                part = part[ring.at - before :]
            if renewal is None:
                if firm.take(sum(part), len(part)):
                    watch.rebase(*firm.counts)
                continue
            said = renewal.take(sum(part), len(part))
            if said == "train":
                trained += 1
                break
            if said == "call_off":
                renewal = None
                watch.rebase(*firm.counts)
    return rang, trained


def false_alarms(samples: int, baselines: int) -> list[dict[str, Any]]:
    """Alarms over stationary samples, by measure."""
    rng = np.random.default_rng(7)
    rows: list[dict[str, Any]] = []
    promised = samples // RUN_LENGTH
    for share in (0.01, 0.005):
        rang = quiet("errors", Baseline(limit=0.01), rng.random(samples) < share, PIECE)
        rows.append({"what": f"failed requests, {share:.1%}, tolerated 1 %", "alarms": rang})
    rang = quiet("missing", Baseline(limit=0.005), rng.random(samples) < 0.002, PIECE)
    rows.append({"what": "empty answers, 0.2 %, tolerated 0.5 %", "alarms": rang})
    found = [quiet("latency", Baseline(), np.exp(rng.normal(1.6, 0.5, samples)), PIECE) for _ in range(baselines)]
    rows.append({"what": "latency, p99 learned from the first 2,000", "baselines": baselines,
                 "alarms": round(float(np.mean(found)), 2), "most": max(found)})  # fmt: skip
    pairs = [followed(rng, samples, 20) for _ in range(baselines)]
    rows.append(
        {"what": "wrong answers, baseline of 2,000 held-out rows", "baselines": baselines,
         "alarms": round(float(np.mean([rang for rang, _ in pairs])), 2), "most": max(rang for rang, _ in pairs),
         "led_to_a_training": round(float(np.mean([trained for _, trained in pairs])), 2)}
    )  # fmt: skip
    for row in rows:
        row |= {"samples": samples, "promised_at_most": promised, "kept": row["alarms"] <= promised}
        print(json.dumps(row), flush=True)
    return rows


def main() -> None:
    """Parse arguments; measure; write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--baselines", type=int, default=10)
    parser.add_argument("--out", type=Path, help="folder for the result")
    args = parser.parse_args()
    rows = cost(args.requests) + false_alarms(args.samples, args.baselines)
    path = write_result(
        "watching",
        asked="capture and monitors <= 20 us of CPU a request, amortised; at most one false alarm in 10,000 samples",
        ran="the same; the state file lies on a disk, keys are files, requests come in pieces of 200",
        rows=rows,
        seeds=[7],
        packages=("msgspec", "numpy", "cryptography"),
        out=args.out,
    )
    print(path)


if __name__ == "__main__":
    main()
