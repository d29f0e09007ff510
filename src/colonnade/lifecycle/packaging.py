# SPDX-License-Identifier: Apache-2.0
"""What a version of a model is: its files, what was measured, what it was made of, the code that answers with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colonnade.lifecycle.artifacts import Artifact, Artifacts
from colonnade.lifecycle.wanted import SERVE


def serving_of(begun: Mapping[str, Any]) -> dict[str, str]:
    """Service -> the code with which it answers, of what a pipeline began with."""
    return {name.removeprefix(SERVE): str(one) for name, one in begun.items() if name.startswith(SERVE)}


def repackaged(artifacts: Artifacts, base: str, serving: Mapping[str, str]) -> Artifact:
    """The version of these files and measurements, with this serving code."""
    before = artifacts.get(base)
    about = {name: value for name, value in before.about.items() if name != "serving"}
    files = {entry.path: entry for entry in before.files}
    return artifacts.put("model", files, {**about, **({"serving": dict(serving)} if serving else {})})
