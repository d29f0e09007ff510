# SPDX-License-Identifier: Apache-2.0
"""kill -9 in real processes while a model lives its life: does it end where an undisturbed one ends?

    python bench/soak/lifecycle_processes.py --kills 50     # writes bench/results/soak_processes.json

Two copies of `examples/credit` are given the same data and code, under light load. In one of them the daemon, the
supervisors, the steps, the warm interpreter and the replicas are killed at random moments, also while a version is
being tried and promoted, and the daemon is started again each time. Then: equal artifacts, live version and outcomes,
every finished step once, nothing held, an intact log; after `down` no process of the house. Replicas are left alone
while a version is tried: that a candidate which is lost goes back is what a canary is for.

Also measured: from kill -9 of a daemon to the first step of its successor (`takeover`).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.census import Census, ours, role
from colonnade.adapters.executor.processes import beneath
from colonnade.testing.project import Project, until
from scripts.make_credit import HOME, batch, shuffled, with_negative_ages, write

ROLLOUT = "{shadow: 150, canary: [25, 100], stage_requests: 100, stage_s: 4, quiet_s: 1, rehearse: 150}"
ROW = {"age": 41, "income": 38.0, "debt": 3.0, "months_employed": 60, "late_before": 0, "region": "north"}
Act = Callable[[Project], object]
MOST_S = 180.0


def made(folder: Path) -> Project:
    """A copy of the example whose rollouts are short, and whose steps may be killed several times."""
    project = Project.copy_of(HOME.parent, folder)
    declared = project.folder / "colonnade.yaml"
    text = (
        declared.read_text().partition("    rollout:")[0].replace("train: train.py", "train: train.py\n    retries: 20")
    )
    declared.write_text(f"{text}    rollout: {ROLLOUT}\ngateway: {{port: 0}}\n")
    return project


def _touched(project: Project) -> None:
    script = project.folder / "train.py"
    aside = script.with_suffix(".new")
    aside.write_text(script.read_text().replace('float(parameters()["ridge"])', '2 * float(parameters()["ridge"])'))
    aside.rename(script)


def _arrives(name: str, rows: Any) -> Act:
    """A file is there at once, or not at all."""

    def act(project: Project) -> None:
        write(project.folder / name, rows)
        (project.folder / name).rename(project.folder / "data" / name)

    return act


LIFE: list[Act] = [
    lambda _project: None,
    _arrives("2025-q3.csv", batch(range(180, 270), known_on=300)),
    _arrives("bad.csv", with_negative_ages(batch(range(270, 280), known_on=310), 3)),
    lambda project: (project.folder / "data" / "bad.csv").unlink(),
    _arrives("2025-q4.csv", shuffled(batch(range(270, 340), known_on=400))),
    lambda project: (project.folder / "data" / "2025-q4.csv").unlink(),
    _touched,
]
"""What happens, one after the other; each leads to one pipeline."""


class Rows:
    """The state file, read beside whoever writes it."""

    def __init__(self, project: Project) -> None:
        self._path = project.home / "state.db"

    def __call__(self, sql: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=10)) as connection:
            return connection.execute(sql).fetchall()

    def over(self) -> int:
        """Pipelines that are over; 0 while there is no state yet."""
        with contextlib.suppress(sqlite3.OperationalError):
            return int(self("SELECT count(*) FROM pipelines WHERE state != 'running'")[0][0])
        return 0

    def tried(self) -> bool:
        """Whether a version is being tried."""
        with contextlib.suppress(sqlite3.OperationalError):
            return bool(self("SELECT 1 FROM rollouts WHERE outcome = ''"))
        return True


class Load(threading.Thread):
    """Some thirty requests a second; whoever does not answer is asked again."""

    def __init__(self, project: Project) -> None:
        super().__init__(daemon=True)
        self._project, self._over, self.got = project, threading.Event(), Counter[int]()

    def run(self) -> None:
        """Ask until told to end."""
        while not self._over.wait(0.03):
            with contextlib.suppress(OSError, http.client.HTTPException):
                line = http.client.HTTPConnection(self._project.url.removeprefix("http://"), timeout=5)
                line.request("POST", "/v1/predict", json.dumps({"rows": [ROW]}),
                             {"authorization": f"Bearer {self._project.token}"})  # fmt: skip
                self.got[line.getresponse().status] += 1
                line.close()

    def stop(self) -> None:
        """No more requests."""
        self._over.set()
        self.join()


class Killer:
    """Kills, and starts the daemon again."""

    def __init__(self, project: Project, rows: Rows, chance: random.Random) -> None:
        self._project, self._rows, self._chance = project, rows, chance
        self.killed: Counter[str] = Counter()

    def kill(self) -> None:
        """One process of the house: the daemon half of the time, a step if there is one within a second, another. Then
        the daemon runs again.
        """
        drawn = self._chance.random()
        others = self._steps() if drawn < 0.2 else self._others() if drawn < 0.5 else []
        if others:
            pid = self._chance.choice(others)
            kind = role(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed[kind] += 1
            return
        self._project.kill()
        self.killed["daemon"] += 1
        self._project.up(ready=0)

    def _steps(self) -> list[int]:
        """Steps that run now, waited for a little."""
        end = time.monotonic() + 1
        while time.monotonic() < end:
            if found := [pid for pid, _ in ours(self._project.home) if role(pid) == "step"]:
                return found
        return []

    def _others(self) -> list[int]:
        """Everything but the daemon; while a version is tried, but the replicas and their supervisors as well."""
        found = {pid: role(pid) for pid, _ in ours(self._project.home)}
        serving = {pid for pid in found if any(role(one) == "replica" for one, _ in beneath(pid))}
        spared = (
            {pid for pid, kind in found.items() if kind == "replica" or pid in serving} if self._rows.tried() else ()
        )
        return [pid for pid, kind in found.items() if kind not in ("daemon", "") and pid not in spared]


def lived(project: Project, life: list[Act], killer: Killer | None, kills: int) -> dict[str, Any]:
    """A life; `kills` are spread over it. What remains."""
    rows, load = Rows(project), Load(project)
    project.up(ready=0)
    load.start()
    try:
        left = kills
        for number, act in enumerate(life):
            act(project)
            due = left // (len(life) - number)
            left -= due
            end = time.monotonic() + MOST_S
            while rows.over() <= number or (killer is not None and due):
                assert time.monotonic() < end, f"pipeline {number} does not end"
                time.sleep(0.05 if killer is None else killer._chance.uniform(0.0, 0.8))
                if killer is not None and due:
                    killer.kill()
                    due -= 1
        project.up(ready=0)
        until(lambda: not rows.tried() or _probation(rows), MOST_S)
    finally:
        load.stop()
    return {**remains(project, rows), "answers": dict(load.got)}


def _probation(rows: Rows) -> bool:
    return not rows("SELECT 1 FROM rollouts WHERE outcome = '' AND state != 'probation'")


def remains(project: Project, rows: Rows) -> dict[str, Any]:
    """What must be equal, and what must hold."""
    status = project.status()["models"]["credit"]
    return {
        "artifacts": sorted(row[0] for row in rows("SELECT digest FROM artifacts WHERE kind = 'folder'")),
        "live": status["live"]["version"],
        "history": [(one["trigger"], one["outcome"]) for one in reversed(status["history"])],
        "reasons": [one["reason"] for one in status["history"] if one["outcome"] in ("rolled_back", "failed")],
        "twice": rows(
            "SELECT key, count(*) AS n FROM pipeline_steps WHERE state = 'done' AND key != '' GROUP BY key HAVING n > 1"
        ),
        "finished": sorted(
            rows("SELECT step, count(*) FROM pipeline_steps WHERE state = 'done' AND key != '' GROUP BY step")
        ),
        "promotions": rows("SELECT count(*) FROM entries WHERE kind = 'model.promoted'")[0][0],
        "runs": rows("SELECT kind FROM runs WHERE state = 'running' AND kind NOT IN ('command', 'pipeline')"),
        "steps_held": rows(
            "SELECT id FROM leases WHERE state != 'ended'"
            " AND id NOT IN (SELECT lease FROM replicas WHERE state != 'ended')"
        ),
    }


def soak(folder: Path, *, kills: int, seed: int, life: list[Act] | None = None) -> dict[str, Any]:
    """Both lives; what was found."""
    whole = LIFE if life is None else life
    undisturbed, killed = made(folder / "undisturbed"), made(folder / "killed")
    began = time.monotonic()
    try:
        expected = lived(undisturbed, whole, None, 0)
    finally:
        undisturbed.run("down")
    rows, chance = Rows(killed), random.Random(seed)
    killer = Killer(killed, rows, chance)
    with Census(killed.home) as census:
        try:
            found = lived(killed, whole, killer, kills)
        finally:
            killed.run("down")
        time.sleep(0.5)
        left = census.left()
    same = ("artifacts", "live", "history", "finished", "promotions")
    return {
        "kills": sum(killer.killed.values()), "killed": dict(killer.killed),
        "differences": [f"{name}: {expected[name]} != {found[name]}" for name in same if expected[name] != found[name]],
        "reasons": found["reasons"], "artifacts": len(found["artifacts"]), "pipelines": len(found["history"]),
        "done_twice": len(found["twice"]), "runs_without_end": len(found["runs"]), "held": len(found["steps_held"]),
        "processes_seen": len(census.seen), "left_over": [role(pid) or str(pid) for pid, _ in left],
        "row_leases_held": rows("SELECT count(*) FROM row_leases WHERE expires_ms > 0")[0][0],
        "folders_left": len(list((killed.home / "work").glob("*"))),
        "verify": killed.run("verify").code, "answers": found["answers"], "s": round(time.monotonic() - began, 1),
    }  # fmt: skip


def holds(found: dict[str, Any]) -> bool:
    """Whether a soak's findings are as promised."""
    bad = (
        "differences",
        "done_twice",
        "runs_without_end",
        "held",
        "left_over",
        "row_leases_held",
        "folders_left",
        "verify",
    )
    return not any(found[name] for name in bad)


def takeover(folder: Path, times: int) -> list[float]:
    """Seconds from kill -9 of the daemon, and `up` at once, to the first step of the next one's loops (row leases)."""
    project = made(folder / "taken")
    rows, found = Rows(project), []
    project.up(ready=120)
    try:
        for _ in range(times):
            before = _tokens(rows)
            began = time.monotonic()
            os.kill(project.pid, signal.SIGKILL)
            starting = project.start("up", "--detach", "--port", "0")
            until(partial(_moved_on, rows, before), 30, 0.005)
            found.append(round(time.monotonic() - began, 3))
            starting.communicate(timeout=60)
    finally:
        project.run("down")
    return found


def _moved_on(rows: Rows, before: dict[str, int]) -> bool:
    now = _tokens(rows)
    return all(now.get(name, 0) > token for name, token in before.items())


def _tokens(rows: Rows) -> dict[str, int]:
    told = rows("SELECT name, token FROM row_leases WHERE name = 'fabric' OR name LIKE 'model/%'")
    return {str(name): int(token) for name, token in told}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--takeovers", type=int, default=10)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        found = soak(folder, kills=asked.kills, seed=asked.seed) if asked.kills else {}
        taken = sorted(takeover(folder, asked.takeovers)) if asked.takeovers else []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    taken_over = {"times": len(taken), "s_median": taken[len(taken) // 2], "s_max": taken[-1]} if taken else {}
    print(json.dumps({**found, "takeover": {**taken_over, "load_average": os.getloadavg()[0]}}, indent=1))
    from bench.report import write_result

    if asked.kills >= 50:
        write_result(
            "soak_processes",
            asked="after 50 random kills: same artifact digests; after `down`, /proc shows no process of ours",
            ran="a copy of examples/credit with short rollouts; daemon, supervisors, steps, warm interpreter, replicas",
            rows=[{**found, "differences": len(found["differences"])}],
            seeds=[asked.seed],
        )
    if taken:
        write_result(
            "soak_takeover",
            asked="takeover <= 2 s on one host",
            ran="kill -9 of the daemon, `up --detach` at once, to the first step of the next one's loops",
            rows=[{**taken_over, "load_average": round(os.getloadavg()[0], 2)}],
            seeds=[],
        )
    return 0 if not asked.kills or holds(found) else 1


if __name__ == "__main__":
    sys.exit(main())
