# SPDX-License-Identifier: Apache-2.0
"""Sources that are declared and not there, said before anything is applied: while one within another source is not
there, nothing new is read in the outer one, since a misspelt or renamed folder must not get the outer one's readers.
Nothing is changed here.
"""

from __future__ import annotations

import os
from pathlib import Path

from colonnade.app.settings.declaration import Declaration, Source


def absent_sources(declaration: Declaration, folder: Path) -> list[str]:
    """A sentence for each source that is not there; `folder` is the declaration's."""
    return [
        _sentence(name, source, base.sources, folder)
        for name, base in declaration.knowledge.items()
        for source in base.sources
        if source.path is not None and not _root(source, folder).exists()
    ]


def _sentence(name: str, source: Source, sources: list[Source], folder: Path) -> str:
    around = next((s for s in sources if s.path is not None and _within(source, s, folder)), None)
    said = f"knowledge {name}: the source {source.path} is not there, so its readers apply to nothing"
    if around is None:
        return said
    return f"{said}; until it is, nothing new is read in {around.path}, which it lies within: check the spelling"


def _within(source: Source, other: Source, folder: Path) -> bool:
    mine, theirs = _root(source, folder), _root(other, folder)
    return mine != theirs and mine.is_relative_to(theirs)


def _root(source: Source, folder: Path) -> Path:
    return Path(os.path.realpath(folder / str(source.path)))
