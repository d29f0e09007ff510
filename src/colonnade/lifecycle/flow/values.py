# SPDX-License-Identifier: Apache-2.0
"""What passes between steps, as JSON with marks, and the call of a step as a document that is its own key. Pure.

A value is JSON. What JSON has not is an object with one key that begins with `$`:

    {"$file": NAME}      a file of the artifact; in a call: `CONTENT/NAME`, by the SHA-256 of its bytes
    {"$array": NAME}     a numpy array in the format of `.npy`, read without pickle; in a call: its CONTENT
    {"$folder": NAME}    all files of the artifact below it; in a call: [[path, CONTENT], ...], and `name`
    {"$bytes": NAME}     bytes; in a call: their CONTENT
    {"$tuple": [...]}    a tuple
    {"$dict": [[k, v]]}  a mapping whose keys are no strings, or begin with `$`

and in a graph, where nothing has been run yet:

    {"$from": STEP, "path": [...]}    what that step gives, or a part of it
    {"$each": VALUE}                  one call for each item
    {"$input": PATH}                  a file of the project, taken in when the pipeline begins

So two calls with equal documents get the same bytes, and only what a call really uses is part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from colonnade.core.errors import UsageError
from colonnade.lifecycle.artifacts import Artifact, Entry

KIND = "value"
"""The kind of an artifact that a step gives; its `about` has `value`."""
FILES = ("$file", "$array", "$bytes")


@dataclass(frozen=True)
class Given:
    """What a step gave: its value, and the files that the value names, by their path in the artifact."""

    value: Any
    files: Mapping[str, Entry]


def given_by(artifact: Artifact) -> Given:
    """The value of an artifact."""
    return Given(artifact.about["value"], {entry.path: entry for entry in artifact.files})


def part(value: Any, path: list[Any]) -> Any:
    """A part of a value, by keys and places. Raises UsageError where there is none."""
    for key in path:
        try:
            value = item(value, key)
        except (KeyError, IndexError, TypeError):
            raise UsageError(f"a step's result has no part {key!r}", code="step_input") from None
    return value


def item(value: Any, key: Any) -> Any:
    """One item of a list, a tuple or a mapping."""
    if isinstance(value, dict):
        if "$tuple" in value:
            return value["$tuple"][key]
        if "$dict" in value:
            return next(v for k, v in value["$dict"] if k == key)
    return value[key]


def items(value: Any) -> list[Any]:
    """The items over which a step is called, one by one. Raises UsageError for what is no list."""
    found = value["$tuple"] if isinstance(value, dict) and "$tuple" in value else value
    if not isinstance(found, list):
        raise UsageError("`each` needs a list; a step gave something else", code="step_input")
    return found


def mark_of(value: Any) -> str:
    """The mark of an object, or ""."""
    if isinstance(value, dict):
        return next((key for key in value if key.startswith("$")), "")
    return ""


def changed(value: Any, change: Callable[[str, dict[str, Any]], Any]) -> Any:
    """The value with every marked object but tuples and mappings replaced by what `change` gives for it."""
    if isinstance(value, list):
        return [changed(one, change) for one in value]
    if not isinstance(value, dict):
        return value
    mark = mark_of(value)
    if mark == "$tuple":
        return {"$tuple": [changed(one, change) for one in value["$tuple"]]}
    if mark == "$dict":
        return {"$dict": [[key, changed(one, change)] for key, one in value["$dict"]]}
    if mark:
        return change(mark, value)
    return {key: changed(one, change) for key, one in value.items()}


def marked(value: Any, *marks: str) -> Iterator[dict[str, Any]]:
    """Every object with one of these marks, also within others."""
    if isinstance(value, list):
        for one in value:
            yield from marked(one, *marks)
    elif isinstance(value, dict):
        if mark_of(value) in marks:
            yield value
        for one in value.values():
            yield from marked(one, *marks)


def by_content(given: Given, value: Any, used: dict[str, Entry]) -> Any:
    """A value as it stands in a call: files by their content. What it names is added to `used`, by content."""

    def change(mark: str, one: dict[str, Any]) -> Any:
        if mark in FILES:
            entry = given.files[one[mark]]
            used[entry.content] = entry
            name = one[mark].rpartition("/")[2]
            return {mark: f"{entry.content}/{name}" if mark == "$file" else entry.content}
        if mark == "$folder":
            inside = sorted(path for path in given.files if path.startswith(f"{one[mark]}/"))
            used.update({given.files[path].content: given.files[path] for path in inside})
            below = [[path[len(one[mark]) + 1 :], given.files[path].content] for path in inside]
            return {"$folder": below, "name": one[mark].rpartition("/")[2]}
        return one

    return changed(value, change)
