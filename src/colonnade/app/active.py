# SPDX-License-Identifier: Apache-2.0
"""The declaration in force, as the store keeps it: sealed, because it names people. Light: `status` and `plan` come
through here.
"""

from __future__ import annotations

import json
from typing import Any

from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State

ACTIVE = "declaration"


def read_active(state: State, keys: Keys, project: str) -> dict[str, Any] | None:
    """The declaration as it was dumped; None before the first `up`."""
    here = state.rows("name_get", project=project, kind=ACTIVE, name="active")
    if not here:
        return None
    body = state.rows("artifact_get", digest=here[0]["digest"])[0]["body"]
    found: dict[str, Any] = json.loads(keys.open((project,), body, "declaration"))
    return found
