# SPDX-License-Identifier: Apache-2.0
"""The section `tracking` of the declaration: who may tell of runs by MLflow's API. No logic."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from colonnade.app.settings.strict import Name, Strict


class Tracking(Strict):
    """Runs, files and models that other programs tell of, by MLflow's API."""

    groups: list[Name] = Field(
        default_factory=list, description="Groups whose people may read and write them with a key, beside the owner."
    )
    without_key: Literal["same_user", "nobody"] = Field(
        "same_user",
        description="Who needs no key: programs of the user who runs the daemon, on this machine; or nobody.",
    )
    max_file_mib: int = Field(512, ge=1, le=4096, description="The largest file that may be uploaded.")
