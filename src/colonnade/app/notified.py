# SPDX-License-Identifier: Apache-2.0
"""How far the declared receivers have been told, read from the store alone, for `status`. Imports nothing heavy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from colonnade.lifecycle.notices import counts
from colonnade.ports.outside.state import State


def receiver_id(declared: Mapping[str, Any]) -> str:
    """What stands for the address of one of `notify` (as it was dumped) in the store."""
    return hashlib.sha256((declared["url"] or f"env:{declared['url_env']}").encode()).hexdigest()[:32]


def shown(declared: Mapping[str, Any]) -> str:
    """A receiver as it may be shown: its host, for a path may be a secret; or the variable that holds the address."""
    return str(urlsplit(declared["url"]).hostname) if declared["url"] else f"${declared['url_env']}"


def notices_status(state: State, project: str, declared: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each of `notify` with how many notices it took (`sent`), waits for, and never took; `error`: of the last try."""
    kept = counts(state, project) if declared else {}
    none = {"sent": 0, "waiting": 0, "given_up": 0, "error": ""}
    found = []
    for one in declared:
        told = kept.get(receiver_id(one), none)
        found.append({"to": shown(one), "on": list(one["on"]), "signed": one["secret_env"] is not None, **told,
                      "error": told["error"] or None})  # fmt: skip
    return found
