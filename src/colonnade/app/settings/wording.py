# SPDX-License-Identifier: Apache-2.0
"""What pydantic says of a wrong value, in words of ours and with what to write instead. No file is read here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

PERSON_STARTS = "^[A-Za-z0-9]"
NAME_HINT = "names are lower-case letters, digits, - and _, and begin and end with a letter or digit"
PERSON_HINT = "a person is one word: letters, digits and . _ @ + - (an e-mail address will do)"
EXAMPLES = {"sources": "`- {path: ., readers: [everyone]}`, once for each folder", "port": "`port: 8700`"}


def wording(problem: Mapping[str, Any], path: tuple[str | int, ...]) -> tuple[str, str] | None:
    """(message, hint) of one of pydantic's errors at `path`; None for those that have words of their own."""
    where = ".".join(str(step) for step in path) or "the file"
    key = str(path[-1]) if path else ""
    given, limits = problem.get("input"), problem.get("ctx") or {}
    kind = problem["type"]
    if kind in {"list_type", "too_short"}:
        words = given
        if key == "command" and isinstance(given, str):
            words = ", ".join(given.split())
        example = f"`{key}: [{words}]`" if isinstance(given, str | int) else f"`{key}: [one, two]`"
        what = "a list" if kind == "list_type" else "a list with something in it"
        return f"{where} must be {what}, not {shown(given)}", f"write {EXAMPLES.get(key, example)}"
    if kind in {"dict_type", "model_type"}:
        example = EXAMPLES.get(str(path[-2]) if len(path) > 1 else "", f"`{key}:` with its keys beneath it, indented")
        return f"{where} must be a section with keys of its own, not {shown(given)}", f"write {example}"
    if kind == "bool_type":
        return f"{where} must be true or false, not {shown(given)}", f"write `{key}: true` or `{key}: false`"
    if kind == "int_type":
        return f"{where} must be a whole number, not {shown(given)}", f"write {EXAMPLES.get(key, 'it without quotes')}"
    if kind in {"greater_than_equal", "less_than_equal"}:
        bound = f"at least {limits['ge']}" if "ge" in limits else f"at most {limits['le']}"
        return f"{where} must be {bound}, not {shown(given)}", f"write a number that is {bound}"
    if kind == "string_type":
        return f"{where} must be text, not {shown(given)}", "put it in quotes: YAML reads yes, no and 12 as no text"
    if kind == "string_pattern_mismatch":
        person = str(limits.get("pattern", "")).startswith(PERSON_STARTS)
        what = "a person's name" if person else "a name"
        return f"{where}: {shown(given)} cannot be {what}", PERSON_HINT if person else NAME_HINT
    return None


def shown(value: object) -> str:
    """A value of the file, short."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        empty = "an empty " if not value else "a "
        return f"{empty}{'section' if isinstance(value, dict) else 'list'}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
