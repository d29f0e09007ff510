# SPDX-License-Identifier: Apache-2.0
"""Builders of the entries about models that others' programs told of, as `core.entries` has them for the rest. Pure.

Their runs begin and end by `run_started` and `run_finished` like any other; measurements are no entries.
"""

from __future__ import annotations

from colonnade.core.building import Mac, Stamp, known, leaf_of, macs_of, some
from colonnade.core.leaf import Leaf


def model_logged(stamp: Stamp, *, run: str, version: str, files: int) -> Leaf:
    """A tracked run gave a model; `version` is `sha256:HEX`."""
    return leaf_of(stamp, "model.logged", run, some(model=version), n={"files": files})


def model_registered(stamp: Stamp, *, model: str, number: int, version: str, run: str | None) -> Leaf:
    """A version of a registered model; `run` gave it, where that is known."""
    refs = some(by=stamp.actor, made_by=run, model=version)
    return leaf_of(stamp, "model.registered", model, refs, n={"version": number})


def alias_moved(
    stamp: Stamp,
    mac: Mac,
    *,
    alias: str,
    name: str,
    change: str,
    number: int,
    generation: int,
    version: str | None = None,
    run: str | None = None,
) -> Leaf:
    """An alias points elsewhere: set, or deleted (then without `version`). Its name is under the project's own key."""
    refs = some(by=stamp.actor, made_by=run, model=version)
    macs = macs_of(mac, stamp, stamp.project, alias=name)
    n = known(version=number, generation=generation)
    return leaf_of(stamp, "alias.moved", alias, refs, macs, n, {"change": change})


def model_aliased(stamp: Stamp, *, model: str, alias: str, change: str, number: int) -> Leaf:
    """The same, told of the model, so that `why` leads from it to its aliases."""
    refs = some(by=stamp.actor, named=alias)
    return leaf_of(stamp, "model.aliased", model, refs, n={"version": number}, status={"change": change})
