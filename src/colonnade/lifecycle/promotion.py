# SPDX-License-Identifier: Apache-2.0
"""How a version becomes the live one: one compare-and-set on the model's Name, with its entry. It decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from colonnade.core import model_entries
from colonnade.core.errors import Lost
from colonnade.lifecycle.pipelines import CHAMPION
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import Row, Transaction


def promote(
    tx: Transaction, journal: Journal, actor: str, *, model: str, name: str, run: str, version: str, decision: str,
    here: Sequence[Row], rollout: str | None = None,
) -> None:  # fmt: skip
    """Move the Name to a version. Raises Lost when somebody else moved it.

    Args:
        run: the pipeline that made the version.
        here: the Name's row as it was read before; empty where nothing was live.
        rollout: in which the version was tried, if it was.
    """
    project = journal.project
    generation = here[0]["generation"] if here else 0
    if here:
        done = tx.run("name_move", project=project, kind=CHAMPION, name=name, digest=version, generation=generation)
    else:
        done = tx.run("name_create", project=project, kind=CHAMPION, name=name, digest=version)
    if not done:
        raise Lost("the live version was changed meanwhile")
    tx.append(
        model_entries.model_promoted(
            journal.stamp(actor), model=model, run=run, decision=decision, version=version, generation=generation + 1,
            cause="promoted", rollout=rollout,
        )
    )  # fmt: skip
