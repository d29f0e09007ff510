# SPDX-License-Identifier: Apache-2.0
"""What the steps of one run gave, as later steps are called with it: values with their files by content."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.core.errors import UsageError
from colonnade.lifecycle.artifacts import Artifact, Artifacts, Entry, Write
from colonnade.lifecycle.flow.values import FILES, KIND, Given, by_content, changed, given_by, items, marked, part

INPUTS, PLAN = "(inputs)", "(plan)"
LARGE = "$json"
"""A value too large to stand in the artifact's own row: it lies in this file of it."""


class Results:
    """Results by step. Filled as they come; a step that was called once for each item is a group of others."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts
        self._given: dict[str, Given] = {}
        self._groups: dict[str, list[str]] = {}

    def put(self, name: str, artifact: Artifact) -> None:
        """A result that has just been made."""
        self._given[name] = _opened(self._artifacts, artifact)

    def take(self, name: str, digest: str) -> None:
        """A result by its digest, unless it is here."""
        if name not in self._given:
            self.put(name, self._artifacts.get(digest))

    def group(self, name: str, members: Sequence[str]) -> None:
        """A step that consists of calls."""
        self._groups[name] = list(members)

    def members(self, name: str) -> list[str]:
        """The calls of a step."""
        return self._groups.get(name, [name])

    def value(self, name: str) -> Any:
        """A result, as it was given."""
        return self._given[name].value

    def resolved(self, template: Any) -> tuple[Any, dict[str, Entry]]:
        """A value of the plan with results in the place of `$from`; and the files that it names, by content."""
        used: dict[str, Entry] = {}

        def change(mark: str, one: dict[str, Any]) -> Any:
            if mark == "$from":
                return self._from(one["$from"], one["path"], used)
            if mark == "$each":
                return {"$each": items(changed(one["$each"], change))}
            if mark == "$input":
                return by_content(self._given[INPUTS], {"$file": one["$input"]}, used)
            return by_content(self._given[PLAN], one, used)

        return changed(template, change), used

    def one_by_one(self, template: Any) -> list[Any]:
        """A resolved call, once for each item. Raises UsageError for lists of different lengths."""
        lengths = {len(one["$each"]) for one in marked(template, "$each")}
        if len(lengths) != 1:
            raise UsageError(f"`each` was given lists of {sorted(lengths)} items", code="step_input")

        def at(place: int) -> Any:
            return changed(template, lambda mark, one: one["$each"][place] if mark == "$each" else one)

        return [at(place) for place in range(lengths.pop())]

    def used_by(self, call: Any, files: Mapping[str, Entry]) -> dict[str, Entry]:
        """Of some files, those that a call names."""
        found = [str(one[mark]) for mark in FILES for one in marked(call, mark)]
        found += [content for one in marked(call, "$folder") for _, content in one["$folder"]]
        contents = {name.partition("/")[0] for name in found}
        return {content: entry for content, entry in files.items() if content in contents}

    def takes_files(self, template: Any) -> bool:
        """Whether files of the project are in a call."""
        return any(marked(template, "$input"))

    def artifact(self, value: Any, files: Mapping[str, Entry]) -> tuple[Artifact, Write]:
        """A resolved value as an artifact of its own: each file under its content."""
        named: dict[str, Entry] = {}

        def change(mark: str, one: dict[str, Any]) -> Any:
            if mark == "$folder":
                for path, content in one["$folder"]:
                    named[f"{one['name']}/{path}"] = files[content]
                return {"$folder": one["name"]}
            content = str(one[mark]).partition("/")[0]
            name = str(one[mark]) if mark == "$file" else content
            named[name] = files[content]
            return {mark: name}

        plain = changed(value, change)
        return self._artifacts.made(KIND, dict(named), {"value": plain})

    def _from(self, name: str, path: list[Any], used: dict[str, Entry]) -> Any:
        if name in self._groups:
            members = self._groups[name]
            if not path:
                return [self._from(member, [], used) for member in members]
            if not isinstance(path[0], int) or not -len(members) <= path[0] < len(members):
                raise UsageError(f"{name} was called {len(members)} times; there is no {path[0]!r}", code="step_input")
            return self._from(members[path[0]], path[1:], used)
        given = self._given[name]
        return by_content(given, part(given.value, path), used)


def given_of(artifacts: Artifacts, digest: str) -> Given:
    """What the step gave whose artifact this is."""
    return _opened(artifacts, artifacts.get(digest))


def _opened(artifacts: Artifacts, artifact: Artifact) -> Given:
    given = given_by(artifact)
    if isinstance(given.value, dict) and LARGE in given.value:
        return Given(json.loads(artifacts.read(given.files[given.value[LARGE]])), given.files)
    return given
