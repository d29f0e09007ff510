# SPDX-License-Identifier: Apache-2.0
"""Builders of the entries about data sets, steps and models, as `core.entries` has them for the rest. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from colonnade.core.building import Mac, Stamp, known, leaf_of, macs_of, said, some, some_as
from colonnade.core.leaf import Leaf


def dataset_snapshotted(
    stamp: Stamp, mac: Mac, *, dataset: str, run: str, content: bytes, rows: int, files: int, quarantined: int
) -> Leaf:
    """Data as it was at one moment; `content` (the manifest's digest) is under the project's own key."""
    macs = macs_of(mac, stamp, stamp.project, content=content)
    n = {"files": files, "quarantined": quarantined, "rows": rows}
    return leaf_of(stamp, "dataset.snapshotted", dataset, some(by=run), macs, n)


def step_finished(
    stamp: Stamp,
    mac: Mac | None = None,
    *,
    run: str,
    step: str,
    outcome: str,
    ms: int,
    attempts: int,
    code: str | None = None,
    gave: str | None = None,
    given: Sequence[str] = (),
    follows: str | Sequence[str] | None = None,
    content: str | None = None,
) -> Leaf:
    """A step of a pipeline is over.

    Args:
        outcome: succeeded, failed.
        code: of the step, as `sha256:HEX`; gave: the model that came out, as `sha256:HEX`.
        given: data sets that it read; follows: the run of the step before it, or of several.
        content: the digest of the folder that it gave; with `mac` it stands in the entry under the project's own key.
    """
    before = [follows] if isinstance(follows, str) else follows or ()
    refs = [*(("follows", one) for one in before), *some(step=code, model=gave), *(("given", one) for one in given)]
    n = {"attempts": attempts, "ms": ms}
    macs = macs_of(mac, stamp, stamp.project, content=content) if mac is not None else None
    return leaf_of(stamp, "step.finished", run, refs, macs, n, {"outcome": outcome, "step": step})


def candidate_judged(
    stamp: Stamp,
    mac: Mac | None = None,
    *,
    decision: str,
    model: str,
    run: str,
    version: str,
    verdict: str,
    gates: int,
    failed: int,
    found: Mapping[str, int],
    told: Mapping[str, str] | None = None,
) -> Leaf:
    """Whether a model that was trained may go live: allow or deny; `version` is `sha256:HEX`. `found`: the difference
    from the incumbent and its interval, where they were compared row by row. `told`: `findings` and `slices` as they
    are kept in rows; with `mac` they stand in the entry under the model's own key, and can be proved from it.
    """
    refs = some(on=model, by=run, model=version)
    n = {"failed": failed, "gates": gates, **found}
    macs = macs_of(mac, stamp, model, **(told or {})) if mac is not None else None
    return leaf_of(stamp, "candidate.judged", decision, refs, macs, n, {"verdict": verdict})


def model_promoted(
    stamp: Stamp,
    *,
    model: str,
    run: str,
    decision: str,
    version: str,
    generation: int,
    cause: str,
    rollout: str | None = None,
) -> Leaf:
    """A version is live from now on; cause: promoted, rolled_back. `rollout`: what it had been tried in, if it was."""
    refs = [*some(by=run, decided_by=decision), *some_as("decided_by", rollout), *some(model=version)]
    return leaf_of(stamp, "model.promoted", model, refs, n={"generation": generation}, status={"cause": cause})


def model_kept(stamp: Stamp, *, model: str, run: str, rollout: str, version: str, generation: int, cause: str) -> Leaf:
    """The live version stays: the one of `rollout` did not take its place; cause: rolled_back, superseded, failed."""
    refs = some(by=run, decided_by=rollout, model=version)
    return leaf_of(stamp, "model.kept", model, refs, n={"generation": generation}, status={"cause": cause})


def rollout_moved(
    stamp: Stamp,
    *,
    rollout: str,
    model: str,
    services: Sequence[str],
    by: str,
    decision: str,
    versions: Sequence[str],
    state: str,
    cause: str,
    share_millionths: int,
    stage: int,
    requests: int,
    exposed: int,
    rehearsed: int,
    outcome: str | None = None,
    measure: str | None = None,
    challenger_millionths: int | None = None,
    champion_millionths: int | None = None,
) -> Leaf:
    """A rollout begins, goes on, waits or ends.

    Args:
        services: that answer with the model; by: the pipeline's run, or the person who ordered it.
        decision: that let it begin; versions: the challenger and the champion, as `sha256:HEX`.
        measure: that decided, with how often each of the two was bad by it.
    """
    refs = [
        *(("on", one) for one in (model, *services)),
        *some(by=by, decided_by=decision),
        *(("model", one) for one in versions),
    ]
    n = {
        "share_millionths": share_millionths,
        "stage": stage,
        "requests": requests,
        "exposed": exposed,
        "rehearsed": rehearsed,
        **known(challenger_millionths=challenger_millionths, champion_millionths=champion_millionths),
    }
    status = {"state": state, "cause": cause, **said(outcome=outcome, measure=measure)}
    return leaf_of(stamp, "rollout.moved", rollout, refs, n=n, status=status)
