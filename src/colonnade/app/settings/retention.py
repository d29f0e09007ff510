# SPDX-License-Identifier: Apache-2.0
"""How long things are kept: the key `retention`. What a live version, a way back or an open rollout needs stays."""

from __future__ import annotations

from pydantic import Field

from colonnade.app.settings.retrain import Duration
from colonnade.app.settings.strict import Strict


class Retention(Strict):
    """How long things are kept; what is left out is kept for ever. Swept once a day, and by `colonnade gc`."""

    answers: Duration | None = Field(None, description="Questions and answers; ids, numbers and status stay.")
    captures: Duration | None = Field(
        None, description="Captured requests of all services, also of those that are declared no more."
    )
    runs: Duration | None = Field(None, description="What ended commands printed, and their folders.")
    artifacts: Duration | None = Field(
        None, description="Data sets, splits, reports and versions of models that were never live."
    )
