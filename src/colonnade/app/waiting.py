# SPDX-License-Identifier: Apache-2.0
"""Why a lease waits, from the store alone: the same with and without a daemon."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from colonnade.app.active import read_active
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State

CAPACITIES = "fabric/capacities"
"""The row of `meta` in which the daemon leaves what each machine has beside its devices."""


def waiting(state: State, keys: Keys, lease: str) -> dict[str, Any] | None:
    """What a pending lease waits for: `dimensions`, `would_free` and more; None for one that does not wait."""
    rows = state.rows("lease_get_one", id=lease)
    if not rows or rows[0]["state"] != "pending":
        return None
    from colonnade.app.settings.compute import Compute
    from colonnade.app.terms import tree_of
    from colonnade.fabric.picture import Capacity, take_picture
    from colonnade.fabric.placing import TightestFit
    from colonnade.fabric.queues.explain import explain_wait

    project = str(rows[0]["project"])
    declared = (read_active(state, keys, project) or {}).get("compute")
    tree = tree_of(Compute.model_validate(declared) if declared else None)
    told = state.rows("meta_get", key=CAPACITIES)
    sizes: Mapping[str, list[int]] = json.loads(told[0]["value"]) if told else {"": [1 << 40, 1 << 40]}
    capacities = {node: Capacity(*size) for node, size in sizes.items()}
    picture = take_picture(state, project, tree, capacities, TightestFit)
    try:
        wait = explain_wait(picture.snapshot, lease)
    except KeyError:  # granted or gone since it was looked up
        return None
    return {
        "dimensions": [one.to_json() for one in wait.dimensions],
        "would_free": [f"lease/{one}" for one in wait.would_free],
        "would_free_any": wait.would_free_any,
        "before": [f"lease/{one}" for one in wait.before],
        "starts_by_ms": wait.starts_by_ms,
        "sentence": wait.sentence,
    }
