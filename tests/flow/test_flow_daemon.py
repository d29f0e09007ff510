# SPDX-License-Identifier: Apache-2.0
"""A pipeline of functions through the real command line and a real daemon, which is killed amid it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from colonnade.testing.project import Project, until

FLOW = """\
import time
from pathlib import Path
from colonnade import each, pipeline, step

@step
def slow(number: int, log: str) -> int:
    with open(log, "a") as file:
        file.write(f"{number}\\n")
    time.sleep(0.4 if number == 2 else 0)
    return number * number

@step
def total(numbers: list[int]) -> dict:
    Path("total.txt").write_text(str(sum(numbers)))
    return {"sum": sum(numbers), "file": Path("total.txt")}

@pipeline
def squares(log: str, numbers: list[int] = [0, 1, 2, 3]):
    return total([slow(number, log) for number in numbers])

@pipeline
def broken():
    return total(5)

if __name__ == "__main__":
    import sys
    found = squares.run(log=sys.argv[1])
    print(found["sum"], found["file"].read_text())
"""
DECLARED = "version: 1\nproject: flows\ngateway: {port: 0}\npipelines:\n  squares: {run: 'flow.py:squares'}\n"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path / "flows")
    made.write("colonnade.yaml", DECLARED)
    made.write("flow.py", FLOW)
    assert made.run("up", "--detach").code == 0
    yield made
    made.down()


def test_it_runs_is_found_again_tells_why_and_gives_files(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = project.run("pipeline", "squares", "-p", f"log={log}", "--out", str(tmp_path / "out"), "--json")
    assert (first.code, first.json["state"], first.json["value"]["sum"]) == (0, "done", 14)
    assert Path(first.json["out"][0]).read_text() == "14"
    again = project.run("pipeline", "squares", "-p", f"log={log}", "--json").json
    assert {step["state"] for step in again["steps"]} == {"cached"}
    assert sorted(log.read_text().split()) == ["0", "1", "2", "3"]
    assert project.status()["pipelines"]["squares"]["state"] == "done"
    kinds = {node["kind"] for node in project.run("why", first.json["ref"], "--json").json["nodes"]}
    assert {"run", "lease", "step", "pipeline"} <= kinds
    assert project.run("logs", first.json["ref"], "--json").json["exit_code"] == 0
    from_python = subprocess.run(
        [sys.executable, str(project.folder / "flow.py"), str(log)], capture_output=True, text=True, check=True
    )
    assert from_python.stdout == "14 14\n"
    failed = project.run("pipeline", "flow.py:broken", "--json")
    assert failed.code == 1
    assert "TypeError" in failed.json["reason"]
    unknown = project.run("pipeline", "nothing", "--json")
    assert (unknown.code, unknown.json["error"]["code"]) == (2, "unknown_pipeline")


def test_a_killed_daemon_goes_on_and_nothing_that_finished_runs_twice(project: Project, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ref = project.run("pipeline", "squares", "-p", f"log={log}", "--detach", "--json").json["ref"]
    until(lambda: log.exists() and "2" in log.read_text(), 30)
    project.kill()
    time.sleep(0.1)
    assert project.run("up", "--detach").code == 0

    def over() -> bool:
        return bool(project.status()["pipelines"]["squares"]["history"][0]["ended"])

    until(over, 60)
    run = project.run("logs", ref, "--json").json
    assert run["outcome"] == "done"
    assert sorted(log.read_text().split()) == ["0", "1", "2", "3"]
