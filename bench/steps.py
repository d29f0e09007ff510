# SPDX-License-Identifier: Apache-2.0
"""What a step costs beside its own work: 20 linear steps that do nothing, durable, cached, with lineage. Inline: small
steps of ours in the daemon; isolated: a user's functions, each in a process of its own under a lease, in a real house.
Beside DBOS and Prefect, if an interpreter with them is given, and a bare process as the bound.

python bench/steps.py [--peers VENV/bin/python] [--runs 5]

CPU is the whole tree's: this process, and every child that it or its children waited for. Wall time is what a single
run waits. The machine is shared: the bare process is measured before and after, and ratios are to its mean.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from report import write_result

STEPS = 20
FLOW = """\
from colonnade import pipeline, step

@step
def nothing(value: int) -> int:
    return value + 1

@pipeline
def chain(seed: int):
    value = seed
    for _ in range(20):
        value = nothing(value)
    return value
"""
DBOS = """\
import json, os, sys, time, tempfile, resource
from dbos import DBOS, DBOSConfig
folder = tempfile.mkdtemp()
url = f"sqlite:///{folder}/dbos.sqlite"
DBOS(config={"name": "chain", "system_database_url": url, "run_admin_server": False, "log_level": "ERROR"})
@DBOS.step()
def nothing(value):
    return value + 1
@DBOS.workflow()
def chain(value):
    for _ in range(20):
        value = nothing(value)
    return value
DBOS.launch()
chain(0)
found = []
for run in range(int(sys.argv[1])):
    cpu, wall = time.process_time(), time.perf_counter()
    assert chain(run) == run + 20
    found.append([(time.process_time() - cpu) / 20 * 1e3, (time.perf_counter() - wall) / 20 * 1e3])
print("FOUND" + json.dumps(found), flush=True)
os._exit(0)
"""
PREFECT = """\
import json, os, sys, time, tempfile, resource, logging
os.environ["PREFECT_HOME"] = tempfile.mkdtemp()
os.environ["PREFECT_LOGGING_LEVEL"] = "ERROR"
os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "120"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
os.environ["DO_NOT_TRACK"] = "1"
from prefect import flow, task
@task
def nothing(value):
    return value + 1
@flow
def chain(value):
    for _ in range(20):
        value = nothing(value)
    return value
def cpu():
    import psutil
    me = psutil.Process()
    every = [me, *me.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in every)
chain(0)
found = []
for run in range(int(sys.argv[1])):
    before, wall = cpu(), time.perf_counter()
    assert chain(run) == run + 20
    found.append([(cpu() - before) / 20 * 1e3, (time.perf_counter() - wall) / 20 * 1e3])
print("FOUND" + json.dumps(found), flush=True)
os._exit(0)
"""


def cpu_s(*, children: bool = True) -> float:
    """CPU seconds of this process, and of children that were waited for."""
    whos = [resource.RUSAGE_SELF, *([resource.RUSAGE_CHILDREN] if children else [])]
    return sum(sum(resource.getrusage(who)[:2]) for who in whos)


def tree_cpu_s() -> float:
    """The same, and of children that live, with those that they waited for: warm interpreters."""
    found, ticks = cpu_s(), os.sysconf("SC_CLK_TCK")
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            try:
                words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            found += sum(int(word) for word in words[11:15]) / ticks
    return found


def each(count: int, run: Callable[[int], None], cpu: Callable[[], float] = cpu_s) -> list[list[float]]:
    """[CPU ms, wall ms] a step of each run."""
    found = []
    for number in range(count):
        before, wall = cpu(), time.perf_counter()
        run(number)
        found.append([(cpu() - before) / STEPS * 1e3, (time.perf_counter() - wall) / STEPS * 1e3])
    return found


def bare(_: int) -> None:
    """So many interpreters that do nothing."""
    for _ in range(STEPS):
        subprocess.run([sys.executable, "-c", "pass"], check=True)


class Room:
    """A real house in a folder, with its threads, in this process."""

    def __init__(self, folder: Path) -> None:
        os.environ["COLONNADE_KEYS"] = str(folder / "keys")
        (folder / "colonnade.yaml").write_text(
            "version: 1\nproject: bench\npipelines: {chain: {run: 'flow.py:chain'}}\n"
        )
        (folder / "flow.py").write_text(FLOW)
        from colonnade.app.house import House
        from colonnade.app.runtime import Runtime
        from colonnade.app.settings.declaration import read_declaration
        from colonnade.app.settings.environment import places_of

        self.house = House(places_of(folder / "colonnade.yaml"), holder="bench")
        self.house.apply(read_declaration(folder / "colonnade.yaml"))
        self.runtime = Runtime(self.house)
        self.runtime.start()
        assert self.house.flowing is not None
        self.flows = self.house.flowing

    def chain(self, seed: int) -> None:
        """One run, to its end."""
        from colonnade.core.answers import Asker

        run = self.flows.run(
            Asker(self.house.owner, self.house.project, "owner", owner=True), "chain", {"seed": 1000 * seed}
        )["ref"].removeprefix("run/")
        while not (row := self.house.state.rows("pipeline_get", run=run)[0])["outcome"]:
            time.sleep(0.01)
        assert row["outcome"] == "done", row["reason"]

    def close(self) -> None:
        self.runtime.stop()
        self.house.close()


def inline(folder: Path) -> Callable[[int], None]:
    """Small steps of ours, one after the other, each with the value of the one before it, on a real state file."""
    from colonnade.lifecycle.flow.flowing import Flow, Flowing
    from colonnade.lifecycle.pipelines import Pipelines, Step
    from colonnade.ports.rowlease import RowLease

    room = Room(folder)
    room.runtime.stop()
    tools, state = room.flows._tools, room.house.state
    row = RowLease(state, "bench", "bench")
    row.take()
    ident = state.new_id("flw")
    flow = Flow(ident, "inline", folder, folder / "flow.py", "chain", {}, "")
    pipelines = Pipelines(state, tools.journal, tools.actor)

    def run(number: int) -> None:
        nodes: list[dict[str, Any]] = [
            {"id": f"s-{place + 1}", "function": "", "kwargs": {}, "options": {},
             "args": [{"run": number, "place": place, "of": {"$from": f"s-{place}", "path": ["run"]} if place else 0}]}
            for place in range(STEPS)
        ]  # fmt: skip
        plan = tools.artifacts.put("value", {}, {"value": {"nodes": nodes, "result": {"$from": "s-20", "path": []}}})
        wanted = {"code": "", "file": "flow.py", "function": "chain", "parameters": {}}
        begun = pipelines.begin(ident, "bench", wanted, steps=())
        steps = [Step(begun, "(plan)", 0, "cached", artifact=plan.digest, run=begun)]
        flowing = Flowing(tools, flow, row, state.rows("pipeline_get", run=begun)[0], steps)
        assert flowing.advance()
        flowing.rows.flush(
            lambda tx: pipelines.end(tx, flowing.rows.pipeline, "done", steps=STEPS, follows=flowing.last_runs)
        )

    return run


def peer(python: str, text: str, runs: int) -> list[list[float]] | None:
    """A peer's runs, in its own interpreter; None when it does not run there."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "peer.py"
        script.write_text(text)
        try:
            done = subprocess.run(
                [python, str(script), str(runs)], capture_output=True, text=True, timeout=240, cwd=folder, check=False
            )
        except subprocess.TimeoutExpired:
            return None
    line = next((one for one in done.stdout.splitlines() if one.startswith("FOUND")), None)
    if line is None:
        print(done.stderr[-600:], file=sys.stderr)
        return None
    found: list[list[float]] = json.loads(line.removeprefix("FOUND"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", help="an interpreter with dbos and prefect")
    parser.add_argument("--names", default="dbos,prefect", help="which of them")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    found: dict[str, list[list[float]]] = {"a bare process (python -c pass)": each(args.runs, bare)}
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        run = inline(Path(one))
        run(-1)
        found["ours, inline"] = each(20 * args.runs, run)
        found["ours, inline, cached"] = each(20 * args.runs, run)
        room = Room(Path(two))
        room.chain(-1)
        found["ours, isolated"] = each(args.runs, room.chain, tree_cpu_s)
        found["ours, isolated, cached"] = each(args.runs, room.chain, tree_cpu_s)
        room.close()
    if args.peers:
        every = {"dbos": ("DBOS, in process, SQLite, no lineage", DBOS), "prefect": ("Prefect, local API", PREFECT)}
        for name, text in (every[one] for one in args.names.split(",")):
            if (told := peer(args.peers, text, args.runs)) is not None:
                found[name] = told
    found["a bare process (python -c pass)"] += each(args.runs, bare)
    middle = {name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in found.items()}
    bound = middle["a bare process (python -c pass)"][0]
    rows = [
        {"what": name, "runs": len(found[name]), "cpu_ms_a_step": round(cpu, 3), "wall_ms_a_step": round(wall, 3),
         "steps_a_second": round(1000 / wall), "of_a_bare_process": round(cpu / bound, 3)}
        for name, (cpu, wall) in middle.items()
    ]  # fmt: skip
    for row in rows:
        shown = f"{row['what']:42} {row['cpu_ms_a_step']:8.3f} CPU ms {row['wall_ms_a_step']:8.3f} ms wall"
        print(
            f"{shown} {row['steps_a_second']:6} /s  {row['of_a_bare_process']:.2f} of a bare process", file=sys.stderr
        )
    write_result(
        "steps",
        asked="overhead a step, 20 linear no-op steps, durable, cached, with lineage: inline <= 0.5 CPU ms, isolated "
        "<= 15 ms, >= 1,000 inline steps/s on one SQLite file",
        ran="the same; medians over runs of 20 steps; CPU of the whole tree. The clock of living children ticks 10 ms.",
        rows=rows,
        notes=f"load average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; wall times and steps a "
        "second are those of a machine that others use as well, CPU times rise with it by a third or so",
    )


if __name__ == "__main__":
    main()
