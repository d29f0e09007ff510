# SPDX-License-Identifier: Apache-2.0
"""Read the file of named statements and the migrations. No statement is spelled anywhere else."""

from __future__ import annotations

import functools
import re
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\n((?:--.*\n)*)", re.MULTILINE)


@functools.cache
def statements() -> dict[str, str]:
    """Name -> SQL. Raises ValueError if a name stands twice or has no sentence."""
    text = (resources.files(__package__) / "statements.sql").read_text("utf-8")
    marks = list(_NAME.finditer(text))
    found: dict[str, str] = {}
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        name, sentence = mark.group(1), mark.group(2)
        if name in found or not sentence:
            raise ValueError(f"statement {name} stands twice, or has no sentence")
        found[name] = text[mark.end() : following.start() if following else len(text)].strip().rstrip(";")
    return found


def migrations() -> list[str]:
    """SQL scripts in order; the schema's version is their number."""
    folder = resources.files(__package__) / "migrations"
    return [
        entry.read_text("utf-8")
        for entry in sorted(folder.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".sql")
    ]
