# SPDX-License-Identifier: Apache-2.0
"""What rings on the served models now, read from the store alone, as `status` and its `alarms[]` show it. Imports
nothing heavy.
"""

from __future__ import annotations

import json
from typing import Any

from colonnade.lifecycle.watching.monitors import words_of
from colonnade.ports.outside.state import Row, State

HINTS = {
    "wrong": "the model is trained anew as `retrain` says: `colonnade status` shows how far it is",
    "errors": "`colonnade logs` of the replica's run has the details",
    "missing": "look at the rows that were asked for, and at the model",
    "latency": "see `replicas` of the service, and what else runs on the machine",
}


def alarms_status(state: State, project: str) -> list[dict[str, Any]]:
    """What rings now, as `status` and its `alarms[]` show it. Reads the store alone."""
    services = {row["id"]: row["name"] for row in state.rows("services_of_project", project=project)}
    return [_shown(row, services.get(row["service"], "")) for row in state.rows("alarms_open", project=project)]


def _shown(row: Row, service: str) -> dict[str, Any]:
    told = json.loads(row["told"])
    return {
        "room": f"service/{service}", "code": f"alarm_{row['measure']}", "message": words_of(row),
        "hint": HINTS[row["measure"]], "ref": f"alarm/{row['id']}", "measure": row["measure"], "service": service,
        "observed": told["observed"], "tolerated": told["mean"], "at": told["at"], "since": told["since"],
        "version": told["version"], "request": told["request"] or None,
        "run": f"run/{row['run']}" if row["run"] else None, "at_ms": row["at_ms"],
    }  # fmt: skip
