# SPDX-License-Identifier: Apache-2.0
"""How long an Annex IV draft takes, and its checking: on the lender's own log, and on one that use has made long.

python bench/reports.py [--entries 200000]     # writes bench/results/reports.json

A copy of `examples/credit` trains one version in real processes and stops. The long log is that one with entries of its
own kinds about the same model added (leases, runs, requests kept, truths, alarms, trials), so that nearly every entry
counts in some statement, which is worse than a log of several models. Each figure is a whole process of the command
line, as a user waits for it; the best and the worst of five, with the median of its CPU time
(the machine may be shared).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from colonnade.app import wiring
from colonnade.app.settings.environment import places_of
from colonnade.core.leaf import parse_leaf
from colonnade.govern.ledger.sequencer import Sequencer
from colonnade.testing.project import Project, until
from report import write_result

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "credit"
GROWING = {"lease.asked", "lease.granted", "lease.ended", "run.started", "run.finished", "predictions.captured",
           "truths.told", "alarm.raised", "alarm.ended", "rollout.moved", "pipeline.caused"}  # fmt: skip
SEED, BATCH, RUNS = 20261125, 5_000, 5


def main() -> None:
    """Measure both logs, write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=200_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="colonnade-reports-") as folder:
        project = lender(Path(folder) / "credit")
        rows = [measured(project)]
        grow(project, asked.entries)
        rows.append(measured(project))
    path = write_result(
        "reports", asked="Annex IV draft <= 10 s, each number with a proof",
        ran="the same, on the lender's log and on one grown to the size given", rows=rows, seeds=[SEED],
        packages=("cryptography",),
    )  # fmt: skip
    print(path.read_text())


def lender(folder: Path) -> Project:
    """One version live, some requests answered; stopped."""
    project = Project.copy_of(EXAMPLE, folder)
    declared = project.folder / "colonnade.yaml"
    declared.write_text(declared.read_text() + "\ngateway: {port: 0}\n")
    assert project.run("up", "--detach").code == 0
    until(lambda: project.status()["models"]["credit"]["live"], 120)
    csv = project.folder / "data" / "2025-q1.csv"
    assert project.run("predict", "credit", str(csv)).code == 0
    project.down()
    return project


def grow(project: Project, entries: int) -> None:
    """Add entries like those that are there, until there are so many; sequenced and signed."""
    os.environ["COLONNADE_KEYS"] = str(project.folder / ".keys")
    places, rng = places_of(project.folder / "colonnade.yaml"), random.Random(SEED)
    state = wiring.open_state(places, wiring.open_clock())
    keys = wiring.open_keys(places, state)
    found = [parse_leaf(row["bytes"]) for row in state.rows("entries_by_index", first=0, limit=10_000)]
    like = [leaf for leaf in found if leaf.kind in GROWING]
    size = len(found)
    while size < entries:
        with state.transaction() as tx:
            for _ in range(min(BATCH, entries - size)):
                leaf = rng.choice(like)
                tx.append(replace(leaf, id=state.new_id("evt"), at_ms=state.now_ms()))
                size += 1
    Sequencer(state, keys, wiring.log_key(places, state).name).drain()
    state.close()


def measured(project: Project) -> dict[str, Any]:
    """Whole commands: making in three forms, checking."""
    key = project.run("checkpoint", "--key").out.strip()
    row: dict[str, Any] = {"load_before": round(os.getloadavg()[0], 1)}
    for form in ("json", "html", "markdown"):
        out = project.folder / f"annex.{form}"
        row |= _timed(project, f"make_{form}", "report", "annex-iv", "--format", form, "--out", str(out))
        row[f"{form}_kib"] = out.stat().st_size // 1024
    row |= _timed(project, "check", "report", "--verify", str(project.folder / "annex.json"), "--key", key)
    document = json.loads((project.folder / "annex.json").read_text())
    resting = [one for one in document["statements"] if one["kind"] == "measured" and one["evidence_of"]]
    return {"entries": document["checkpoint"]["size"], **document["counts"], "measured_of_entries": len(resting), **row}


def _timed(project: Project, name: str, *words: str) -> dict[str, float]:
    taken, spent = [], []
    for _ in range(RUNS):
        began, before = time.perf_counter(), _cpu()
        done = project.run(*words)
        taken.append(time.perf_counter() - began)
        spent.append(_cpu() - before)
        assert done.code == 0, done.err
    found = {"best_s": min(taken), "worst_s": max(taken), "cpu_s": sorted(spent)[RUNS // 2]}
    return {f"{name}_{key}": round(value, 3) for key, value in found.items()}


def _cpu() -> float:
    """CPU seconds of the commands that are over."""
    times = os.times()
    return times.children_user + times.children_system


if __name__ == "__main__":
    main()
