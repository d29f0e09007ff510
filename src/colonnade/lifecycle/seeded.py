# SPDX-License-Identifier: Apache-2.0
"""A step with several seeds: runs the script once for each, under one lease. A program in a child process, under the
contract of scripts (`work`); standard library alone, nothing of Colonnade.

    python seeded.py SCRIPT

Each run is told its own `seed` among the parameters. The first one's output is the step's; those of the others lie
under .seeds/1, .seeds/2 ..., and an evaluation finds the model of its seed at model/, as ever. A model that was trained
with one seed is evaluated once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SEEDS = "seeds"
"""The parameter that says how many."""
OTHERS = ".seeds"
"""The folder of those after the first."""


def main() -> int:
    """Run the script of the first argument for each seed; the code of the first run that fails, or 0."""
    given, out = Path(os.environ["COLONNADE_INPUT"]), Path(os.environ["COLONNADE_OUTPUT"])
    parameters = Path(os.environ["COLONNADE_PARAMETERS"])
    told: dict[str, Any] = json.loads(parameters.read_text("utf-8"))
    first = int(told.get("seed", 0))
    for number in range(int(told.pop(SEEDS))):
        if number and (given / "model").is_dir() and not (given / "model" / OTHERS / str(number)).is_dir():
            break
        place = out / OTHERS / str(number) if number else out
        place.mkdir(parents=True, exist_ok=True)
        mine = parameters.with_name(f"parameters-{number}.json")
        mine.write_text(json.dumps({**told, "seed": first + number}, sort_keys=True, ensure_ascii=False), "utf-8")
        environment = {
            "COLONNADE_INPUT": str(_input(given, parameters.with_name(f"input-{number}"), number)),
            "COLONNADE_OUTPUT": str(place),
            "COLONNADE_PARAMETERS": str(mine),
        }
        code = _run(environment)
        if code:
            return code
    return 0


def _input(given: Path, made: Path, number: int) -> Path:
    """The input folder of a seed: everything that is given, and its own model."""
    made.mkdir(exist_ok=True)
    for path in given.iterdir():
        if path.name != "model":
            (made / path.name).symlink_to(path)
    if number and (given / "model").is_dir():
        (made / "model").symlink_to(given / "model" / OTHERS / str(number))
    elif (given / "model").is_dir():
        (made / "model").mkdir()
        for path in (given / "model").iterdir():
            if path.name != OTHERS:
                (made / "model" / path.name).symlink_to(path)
    return made


def _run(changed: Mapping[str, str]) -> int:
    done = subprocess.run([sys.executable, sys.argv[1]], env={**os.environ, **changed}, check=False)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


if __name__ == "__main__":
    sys.exit(main())
