# SPDX-License-Identifier: Apache-2.0
"""TREC run files: `query Q0 document rank score tag`, one line a result. Text only; nothing is measured here.

Nine significant digits name a 32-bit float exactly, and trec_eval compares as such, so the file ranks as we rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from colonnade.core.errors import UsageError
from colonnade.knowledge.evaluate.metrics import ranked

Run = Mapping[str, Mapping[str, float]]
"""Query id to document id to score."""


def run_lines(run: Run, tag: str = "colonnade") -> Iterator[str]:
    """The lines of a run file, queries in the order given, ties by document id descending.

    >>> list(run_lines({"q": {"a": 0.5, "b": 0.5}}))
    ['q Q0 b 1 0.5 colonnade', 'q Q0 a 2 0.5 colonnade']
    """
    for query, scores in run.items():
        for rank, document in enumerate(ranked(scores), start=1):
            for name in (query, document):
                if not name or name.split() != [name]:
                    raise UsageError(
                        f"The id {name!r} cannot stand in a TREC run file: it has white space or is empty."
                    )
            yield f"{query} Q0 {document} {rank} {float(np.float32(scores[document])):.9g} {tag}"


def write_run(path: Path, run: Run, tag: str = "colonnade") -> None:
    """Write `run` to `path`; an unfinished file is never left under that name."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text("".join(f"{line}\n" for line in run_lines(run, tag)), encoding="utf-8")
    partial.replace(path)


def read_run(path: Path) -> dict[str, dict[str, float]]:
    """Read a run file, ours or another's. Raises `UsageError` with the line that is not one."""
    run: dict[str, dict[str, float]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        columns = line.split()
        try:
            run.setdefault(columns[0], {})[columns[2]] = float(columns[4])
        except (IndexError, ValueError) as error:
            raise UsageError(f"{path.name}:{number}: not a line of a run file: {line!r}") from error
    return run
