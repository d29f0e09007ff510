# SPDX-License-Identifier: Apache-2.0
"""The project's own files that a pipeline is given: taken in as they are when it begins, as a data set of the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from colonnade.core import model_entries
from colonnade.core.errors import UsageError
from colonnade.core.leaf import Leaf
from colonnade.lifecycle.artifacts import Artifact, Entry
from colonnade.lifecycle.flow.rows import FlowRows
from colonnade.lifecycle.flow.tools import Tools
from colonnade.lifecycle.flow.values import KIND
from colonnade.lifecycle.pipelines import Step
from colonnade.lifecycle.wanted import key_of


def take_in(
    tools: Tools, rows: FlowRows, step: Step, folder: Path, paths: Sequence[str], *, follows: str
) -> tuple[Step, Artifact]:
    """The step that keeps them. Raises UsageError for a file that is not there, or lies outside of the project."""
    files: dict[str, bytes | Path | Entry] = {path: _inside(folder, path) for path in paths}
    artifact, keep = tools.artifacts.made(KIND, files, {"value": None})
    keyed = replace(step, key=key_of("inputs", {"files": artifact.digest}))
    found = rows.known(keyed.key)
    if found is not None:
        return rows.cached(keyed, found), artifact
    dataset, journal = tools.state.new_id("dst"), tools.journal

    def taken(run: str) -> Leaf:
        return model_entries.dataset_snapshotted(
            journal.stamp(tools.actor), journal.mac, dataset=dataset, run=run,
            content=artifact.digest.encode(), rows=0, files=len(paths), quarantined=0,
        )  # fmt: skip

    done = rows.inline(
        keyed, "inputs", artifact.digest, keep, follows=[follows], given=[dataset], subject=dataset, also=taken
    )
    return done, artifact


def _inside(folder: Path, path: str) -> Path:
    found = (folder / path).resolve()
    if not found.is_relative_to(folder.resolve()):
        hint = "give files below the declaration's folder, or read them within a step"
        raise UsageError(f"{path} lies outside of the project", hint=hint, code="data_missing")
    if not found.is_file():
        raise UsageError(f"{path} is no file", hint="paths are relative to the declaration", code="data_missing")
    return found
