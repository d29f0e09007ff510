# SPDX-License-Identifier: Apache-2.0
"""Data sets that a run says it read: what its program wrote about them, sealed under the run's key. They are words
about data, not our datasets: nothing was snapshotted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.lifecycle.tracking.checks import bounded, wrong
from colonnade.lifecycle.tracking.things import Thing, Things
from colonnade.ports.outside.state import Row, Transaction

LIMITS = {
    "name": 500,
    "digest": 36,
    "source_type": 65_535,
    "source": 65_535,
    "schema": 1_048_575,
    "profile": 16_777_215,
}
MOST = 1000


def read_inputs(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Data sets with tags, as a client sends them, checked. Raises UsageError."""
    if len(given) > MOST:
        raise wrong(f"A request can name at most {MOST} data sets")
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in given:
        data = one.get("dataset") or {}
        for part in ("name", "digest", "source_type", "source"):
            if not data.get(part):
                raise wrong(f"Missing value for required parameter 'dataset.{part}'.")
        kept = {part: bounded(str(data[part]), limit, part) for part, limit in LIMITS.items() if data.get(part)}
        tags = [{"key": bounded(tag.get("key", ""), 255, "key"), "value": bounded(tag.get("value", ""), 500, "value")}
                for tag in one.get("tags") or ()]  # fmt: skip
        found.setdefault((kept["name"], kept["digest"]), {"dataset": kept, "tags": tags})
    return list(found.values())


def add(things: Things, tx: Transaction, run: Thing, given: Sequence[Mapping[str, Any]]) -> None:
    """Keep those that the run did not name before."""
    here = opened(things, run.id, tx.rows("tracked_inputs_of", owner=run.number))
    known = {(one["dataset"]["name"], one["dataset"]["digest"]) for one in here}
    place = len(here)
    for one in given:
        if (one["dataset"]["name"], one["dataset"]["digest"]) not in known:
            body = json.dumps(one, ensure_ascii=False).encode()
            sealed = things.keys.seal((run.id,), body, f"{run.id}/input")
            tx.run("tracked_input_add", owner=run.number, place=place, sealed=sealed)
            place += 1


def opened(things: Things, run: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Data sets from their rows."""
    return [json.loads(things.keys.open((run,), row["sealed"], f"{run}/input")) for row in rows]
