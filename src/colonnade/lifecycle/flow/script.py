# SPDX-License-Identifier: Apache-2.0
"""The folder in which one call of a user's function runs, and what is found in it afterwards.

    code/           the user's module, and what it imports beside it
    here/           where the function works; empty at first
    input/CONTENT   files that the call names
    output/         value.json and the files that it names
    call.json       what is called with what (`values`); or {"plan": ...}

The child is `python -P -m colonnade.sdk.flow.child`; it reads and writes this, and nothing else of ours.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colonnade.core.errors import UsageError
from colonnade.lifecycle.artifacts import Artifact, Entry, Write, collect
from colonnade.lifecycle.flow.results import LARGE
from colonnade.lifecycle.flow.tools import Tools
from colonnade.lifecycle.flow.values import FILES, KIND, marked
from colonnade.lifecycle.work import Place, clear

CHILD = "colonnade.sdk.flow.child"
LARGEST_VALUE = 64 << 10
"""Bytes of a value that stand in the artifact's row; a larger one is a file of the artifact."""


def laid_out(
    tools: Tools, name: str, code: Mapping[str, bytes], call: Mapping[str, Any], files: Mapping[str, Entry]
) -> tuple[Place, list[str], dict[str, str]]:
    """(folder, argv, environment) for one call. What a killed daemon left in the folder is removed."""
    place, artifacts = Place(tools.bench.folder / name), tools.artifacts
    clear(place)
    place.folder.mkdir(parents=True)
    for folder in ("code", "input", "output", "here"):
        os.mkdir(place.folder / folder)
    for path, data in code.items():
        _put(place.code / path, data)
    for content, entry in files.items():
        _put(place.input / content, artifacts.read(entry))
    (place.folder / "call.json").write_text(json.dumps(call, ensure_ascii=False), "utf-8")
    environment = {
        **tools.bench.environment,
        "COLONNADE_CALL": str(place.folder),
        "HOME": str(place.folder / "here"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
    }
    return place, [tools.bench.python, "-P", "-m", CHILD], environment


def collected(tools: Tools, place: Place) -> tuple[Artifact, Write]:
    """What a call gave, kept. Raises UsageError for what is no value: the child ran a user's code."""
    files = collect(place.output)
    told = files.pop("value.json", None)
    if not isinstance(told, Path):
        raise UsageError("the step gave no value", code="step_result")
    data = told.read_bytes()
    try:
        value = json.loads(data)
    except ValueError as error:
        raise UsageError("the step's value is no JSON", code="step_result") from error
    named = {str(one[mark]) for mark in FILES for one in marked(value, mark)}
    if not named <= files.keys():
        raise UsageError(f"the step's value names files that are not there: {sorted(named - files.keys())[0]}",
                         code="step_result")  # fmt: skip
    if len(data) > LARGEST_VALUE:
        files["value.json"] = data
        value = {LARGE: "value.json"}
    return tools.artifacts.made(KIND, files, {"value": value})


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
