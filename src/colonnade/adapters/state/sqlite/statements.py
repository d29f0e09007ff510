# SPDX-License-Identifier: Apache-2.0
"""Read the files of named statements (`statements*.sql`) and the migrations. No statement is spelled anywhere else."""

from __future__ import annotations

import functools
import re
from importlib import resources
from importlib.resources.abc import Traversable

_NAME = re.compile(r"^-- name: (\w+)\n((?:--.*\n)*)", re.MULTILINE)


@functools.cache
def statements() -> dict[str, str]:
    """Name -> SQL. Raises ValueError if a name stands twice or has no sentence."""
    found: dict[str, str] = {}
    for text in _scripts(resources.files(__package__), "statements"):
        marks = list(_NAME.finditer(text))
        for mark, following in zip(marks, [*marks[1:], None], strict=True):
            name, sentence = mark.group(1), mark.group(2)
            if name in found or not sentence:
                raise ValueError(f"statement {name} stands twice, or has no sentence")
            found[name] = text[mark.end() : following.start() if following else len(text)].strip().rstrip(";")
    return found


def migrations() -> list[str]:
    """SQL scripts in order; the schema's version is their number."""
    return _scripts(resources.files(__package__) / "migrations", "")


def _scripts(folder: Traversable, begins: str) -> list[str]:
    """The texts of a folder's SQL files whose names begin so, in the order of their names."""
    entries = sorted(folder.iterdir(), key=lambda e: e.name)
    return [e.read_text("utf-8") for e in entries if e.name.startswith(begins) and e.name.endswith(".sql")]
