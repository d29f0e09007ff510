# SPDX-License-Identifier: Apache-2.0
"""The folder in which a user's script runs, and the environment that it gets. The contract of scripts stands here:

    COLONNADE_STEP         train or evaluate
    COLONNADE_INPUT        a folder to read: train.csv; or test.csv and model/, what training wrote. When some of the
                           data are Parquet, or by `format: parquet`: train.parquet, test.parquet instead
    COLONNADE_OUTPUT       a folder to write: the model; or metrics.json, a mapping of names to numbers
    COLONNADE_PARAMETERS   a JSON file: what the declaration gives, with label and time

Nothing else of the daemon's environment is inherited, and nothing of Colonnade has to be imported.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colonnade.core.errors import UsageError
from colonnade.lifecycle import seeded
from colonnade.ports.outside.state import State

METRICS = "metrics.json"
LOST, LOST_RETRIES = "lost", 5
"""A try whose supervisor was killed, so that nobody knows how it ended, says nothing against the script: so many more
tries than the declaration allows are spent on those."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where steps work.

    Attributes:
        folder: theirs to fill and to empty.
        python: the interpreter.
        environment: what every script gets (PATH).
    """

    folder: Path
    python: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one try of one step."""

    folder: Path

    @property
    def code(self) -> Path:
        """A copy of the script and of what it imports beside it, as they were when the pipeline began."""
        return self.folder / "code"

    @property
    def input(self) -> Path:
        """To be read."""
        return self.folder / "input"

    @property
    def output(self) -> Path:
        """To be written."""
        return self.folder / "output"


def prepare(bench: Bench, name: str, code: Mapping[str, bytes], parameters: Mapping[str, Any]) -> Place:
    """An empty folder with the code and the parameters in it. What a killed daemon left there is removed."""
    place = Place(bench.folder / name)
    clear(place)
    for folder in (place.code, place.input, place.output):
        folder.mkdir(parents=True)
    for path, data in code.items():
        file = place.code / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    (place.folder / "parameters.json").write_text(json.dumps(dict(parameters), sort_keys=True, ensure_ascii=False))
    return place


def command(bench: Bench, place: Place, step: str, script: str) -> tuple[list[str], dict[str, str]]:
    """(argv, environment) of a script. Hashing is not randomised: equal inputs should give equal bytes."""
    environment = {
        **bench.environment,
        "COLONNADE_STEP": step,
        "COLONNADE_INPUT": str(place.input),
        "COLONNADE_OUTPUT": str(place.output),
        "COLONNADE_PARAMETERS": str(place.folder / "parameters.json"),
        "HOME": str(place.folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
    }
    told = json.loads((place.folder / "parameters.json").read_text("utf-8"))
    seeded_by = [seeded.__file__] if int(told.get(seeded.SEEDS, 1)) > 1 else []
    return [bench.python, *seeded_by, str(place.code / script)], environment


def read_metrics(place: Place) -> dict[str, float]:
    """What an evaluation measured. Raises UsageError for what is no mapping of names to finite numbers."""
    try:
        told = json.loads((place.output / METRICS).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the evaluation wrote no {METRICS}", code="metrics_missing") from error
    if not isinstance(told, dict) or not told:
        raise UsageError(f"{METRICS} must be a mapping of names to numbers", code="metrics_missing")
    for name, value in told.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UsageError(f"the metric {name!r} is {value!r}, not a finite number", code="metrics_missing")
    return {str(name): float(value) for name, value in told.items()}


def sweep(state: State, where: Path) -> None:
    """Remove the folders of tries that are over: whoever was to empty them was killed just then. Before any loop steps.

    A folder is named PIPELINE-STEP-TRY; whatever is named otherwise (replicas) is somebody else's.
    """
    for folder in where.iterdir() if where.is_dir() else ():
        pipeline, _, rest = folder.name.partition("-")
        rows = state.rows("pipeline_steps", pipeline=pipeline)
        names = {f"{row['step'].strip('()')}-{row['attempts']}" for row in rows if row["state"] == "running"}
        if pipeline.startswith("run_") and rest and rest not in names:
            clear(Place(folder))


def clear(place: Place) -> None:
    """Remove the folder; fine when it is not there."""
    shutil.rmtree(place.folder, ignore_errors=True)
