# SPDX-License-Identifier: Apache-2.0
"""CPU of `colonnade --help` and `colonnade status --json`, user + sys of the whole process, against click and Typer
saying hello.

python bench/cli.py [--peer-python PYTHON]     # a Python that has click and typer
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.report import write_result
from colonnade.testing.project import Project

RUNS = 15
CLICK = """
import click
@click.group()
def main(): pass
@main.command()
def hello(): click.echo("{}")
main()
"""
TYPER = """
import typer
app = typer.Typer()
@app.command()
def hello(): print("{}")
@app.command()
def other(): pass
app()
"""


def cpu_s(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """Median user + sys seconds of a process, after one warm-up."""
    took = []
    for _ in range(RUNS + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(took[1:])


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", default=None)
    asked = parser.parse_args()
    rows: dict[str, float] = {}
    script = str(Path(sys.executable).with_name("colonnade"))
    with tempfile.TemporaryDirectory() as folder:
        project = Project.small(Path(folder))
        for number in range(20):
            project.write(f"docs/{number}.md", f"# Note {number}\n\nRoom {number} is on floor {number % 5}.\n")
        project.up()
        try:
            environment = project.env()
            rows["colonnade --help"] = cpu_s([script, "--help"], environment)
            rows["colonnade ask --help"] = cpu_s([script, "ask", "--help"], environment)
            rows["colonnade status --json"] = cpu_s([script, "-C", folder, "status", "--json"], environment)
        finally:
            project.down()
    rows["bare interpreter"] = cpu_s([sys.executable, "-c", "pass"], os.environ)
    if asked.peer_python:
        rows["click --help"] = cpu_s([asked.peer_python, "-c", CLICK, "--help"], os.environ)
        rows["typer --help"] = cpu_s([asked.peer_python, "-c", TYPER, "--help"], os.environ)
    for name, value in rows.items():
        print(f"{value * 1000:7.1f} ms  {name}")
    write_result(
        "cli",
        asked="CPU user + sys, second run: --help .1 s (floor .2), status --json .2 s (floor .4)",
        ran=f"medians of {RUNS} runs after one warm-up",
        rows=[{"command": name, "cpu_s": value} for name, value in rows.items()],
        seeds=[],
    )


if __name__ == "__main__":
    main()
