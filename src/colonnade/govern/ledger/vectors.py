# SPDX-License-Identifier: Apache-2.0
"""Run published vectors of Merkle proofs against our arithmetic: JSON files below `inclusion/` and `consistency/`, as
transparency-dev/merkle publishes them. Nothing of the state is looked at.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colonnade.core.errors import UsageError
from colonnade.core.merkle import verify_consistency, verify_inclusion


@dataclass(frozen=True, slots=True)
class Vector:
    """One file: whether a proof was to be accepted, and whether it was."""

    path: str
    wanted: bool
    accepted: bool


def run_vectors(folder: Path) -> list[Vector]:
    """Every vector below a folder. Raises UsageError when there is none, or one that cannot be read."""
    found = []
    for path in sorted(folder.rglob("*.json")):
        try:
            case = json.loads(path.read_text("utf-8"))
            found.append(Vector(str(path.relative_to(folder)), not case["wantErr"], _accepted(case)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path.name} is no vector: {error}", code="vectors_unreadable") from error
    if not found:
        hint = "give the folder that holds inclusion/ and consistency/"
        raise UsageError(f"{folder} holds no vectors", hint=hint, code="vectors_unreadable")
    return found


def _accepted(case: Mapping[str, Any]) -> bool:
    proof = [_bytes(part) for part in case["proof"] or ()]
    if "leafIdx" in case:
        index, size = int(case["leafIdx"]), int(case["treeSize"])
        return verify_inclusion(index, size, _bytes(case["leafHash"]), proof, _bytes(case["root"]))
    size1, size2 = int(case["size1"]), int(case["size2"])
    return verify_consistency(size1, size2, _bytes(case["root1"]), _bytes(case["root2"]), proof)


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")
