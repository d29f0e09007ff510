# SPDX-License-Identifier: Apache-2.0
"""Which versions of a model were live, and the way back to one of them: one compare-and-set on its Name."""

from __future__ import annotations

from dataclasses import dataclass

from colonnade.core import model_entries
from colonnade.core.errors import Lost, UnknownName, UsageError
from colonnade.lifecycle.pipelines import CHAMPION
from colonnade.ports.journal import Journal
from colonnade.ports.outside.state import Row, State, Transaction

MOST = 1_000_000


@dataclass(frozen=True, slots=True)
class Back:
    """A roll back that was found: from the live version to `version`; `run`: the pipeline that had made it."""

    model: str
    name: str
    was: str
    version: str
    generation: int
    run: str


def promoted(state: State, model: str) -> list[Row]:
    """Pipelines whose version went live, oldest first."""
    rows = state.rows("pipelines_of_model", model=model, limit=MOST)
    return [row for row in reversed(rows) if row["outcome"] == "promoted"]


def past(state: State, model: str) -> list[str]:
    """Versions in the order in which they went live; the last one is live now."""
    moves = [(row["finished_ms"], row["version"]) for row in promoted(state, model)]
    moves += [(row["at_ms"], row["version"]) for row in state.rows("rollbacks_of_model", model=model)]
    return [version for _, version in sorted(moves, key=lambda move: move[0])]


def rolled_back(state: State, model: str) -> set[str]:
    """Versions that somebody went back from, to an older one, and did not go to since."""
    ages = [row["version"] for row in promoted(state, model)]
    left: set[str] = set()
    for row in state.rows("rollbacks_of_model", model=model):
        if ages.index(row["version"]) < ages.index(row["was"]):
            left.add(row["was"])
        left.discard(row["version"])
    return left


def find_back(state: State, project: str, model: str, name: str, to: str | None) -> Back:
    """Where a roll back leads: to the version that was live before, or to `to` (a beginning of its digest will do).

    A version that was rolled back is no way back, unless it is asked for. Raises UnknownName, UsageError.
    """
    here = state.rows("name_get", project=project, kind=CHAMPION, name=name)
    if not here:
        raise UsageError(
            f"nothing of the model {name} is live", hint="`colonnade status` says why", code="nothing_live"
        )
    live = str(here[0]["digest"])
    runs = {row["version"]: row["run"] for row in promoted(state, model)}
    if to is not None:
        digits = to.removeprefix("sha256:")
        found = [version for version in runs if len(digits) >= 6 and version.startswith(f"sha256:{digits}")]
        if len(found) != 1:
            raise UnknownName(f"no version {to!r} of {name} was ever live", hint="`colonnade status --json` lists them")
        version = found[0]
    else:
        left = rolled_back(state, model)
        before = [one for one in past(state, model) if one != live and one not in left]
        if not before:
            raise UsageError(
                f"no other version of {name} was live before", hint="`--to VERSION` names one", code="no_way_back"
            )
        version = before[-1]
    if version == live:
        raise UsageError(f"{version[:19]} is live already", code="nothing_to_do")
    return Back(model, name, live, version, int(here[0]["generation"]), runs[version])


def roll_back(state: State, journal: Journal, actor: str, back: Back) -> str:
    """Move the Name, if nobody moved it meanwhile; the decision's id. Raises Lost."""
    with state.transaction() as tx:
        return go_back(tx, state, journal, actor, back)


def go_back(
    tx: Transaction, state: State, journal: Journal, actor: str, back: Back, *, rollout: str | None = None
) -> str:  # fmt: skip
    """The same in a transaction that does more; `rollout`: what had shown that the live version is worse."""
    decision = state.new_id("dec")
    if not tx.run(
        "name_move", project=journal.project, kind=CHAMPION, name=back.name, digest=back.version,
        generation=back.generation,
    ):  # fmt: skip
        raise Lost("the live version was changed meanwhile", hint="look at `colonnade status`, then try again")
    tx.run(
        "rollback_add", project=journal.project, model=back.model, generation=back.generation + 1, was=back.was,
        version=back.version, decision=decision, at_ms=state.now_ms(),
    )  # fmt: skip
    tx.append(
        model_entries.model_promoted(
            journal.stamp(actor), model=back.model, run=back.run, decision=decision, version=back.version,
            generation=back.generation + 1, cause="rolled_back", rollout=rollout,
        )
    )  # fmt: skip
    return decision
