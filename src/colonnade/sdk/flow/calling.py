# SPDX-License-Identifier: Apache-2.0
"""In the child: say what a pipeline calls, or call one function, as `call.json` in `$COLONNADE_CALL` asks. The folder
is laid out as `lifecycle/flow/script.py` says; nothing else of the daemon is known here.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from colonnade.sdk.flow.codec import Writer, read
from colonnade.sdk.flow.steps import Pipeline, Step


def main() -> int:
    """Do what is asked; the exit status. Errors of the user's code are shown as Python shows them."""
    place = Path(os.environ["COLONNADE_CALL"])
    asked = json.loads((place / "call.json").read_text("utf-8"))
    sys.path.insert(0, str(place / "code"))
    output = place / "output"
    try:
        value = _plan(asked["plan"], output) if "plan" in asked else _call(asked, place)
    except Refusal as error:
        print(error, file=sys.stderr)
        return 2
    (output / "value.json").write_text(json.dumps(value, ensure_ascii=False), "utf-8")
    return 0


class Refusal(Exception):
    """What is wrong with the user's file, in a sentence."""


def _plan(asked: Mapping[str, Any], output: Path) -> dict[str, Any]:
    found = getattr(_module(asked["file"]), asked["function"], None)
    if not isinstance(found, Pipeline):
        raise Refusal(f"{asked['file']} has no pipeline {asked['function']!r}: decorate it with @pipeline")
    try:
        found.check(asked["parameters"])
    except TypeError as error:
        raise Refusal(f"{asked['function']}: {error}") from error
    plan, given = found.plan(asked["parameters"])
    writer = Writer(output, Path())
    nodes = [
        {**node, "args": [writer.write(one) for one in node["args"]],
         "kwargs": {name: writer.write(one) for name, one in node["kwargs"].items()}}
        for node in plan.nodes
    ]  # fmt: skip
    return {"nodes": nodes, "result": writer.write(given)}


def _call(asked: Mapping[str, Any], place: Path) -> Any:
    found = getattr(_module(asked["file"]), asked["function"], None)
    if not isinstance(found, Step):
        raise Refusal(f"{asked['file']} has no step {asked['function']!r}: decorate it with @step")
    call = _laid(asked["call"], place / "input")
    args, kwargs = read(call["args"], place / "input"), read(call["kwargs"], place / "input")
    return Writer(place / "output").write(found.function(*args, **kwargs))


def _laid(value: Any, folder: Path) -> Any:
    """Files that lie there by their content get their own names: `CONTENT/NAME` becomes a file of that name."""
    for one in _marked(value):
        if "$file" in one:
            content, _, name = str(one["$file"]).partition("/")
            _linked(folder / content, folder / f"of-{content}" / name)
            one["$file"] = f"of-{content}/{name}"
        elif "$folder" in one:
            whole = f"of-{abs(hash(json.dumps(one['$folder'])))}/{one['name']}"
            for path, content in one["$folder"]:
                _linked(folder / content, folder / whole / path)
            one["$folder"] = whole
    return value


def _marked(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for one in value:
            yield from _marked(one)
    elif isinstance(value, dict):
        if "$file" in value or "$folder" in value:
            yield value
        else:
            for one in value.values():
                yield from _marked(one)


def _linked(source: Path, target: Path) -> None:
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)


def _module(file: str) -> Any:
    return importlib.import_module(file.removesuffix(".py").replace("/", "."))
