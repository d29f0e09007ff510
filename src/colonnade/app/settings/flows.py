# SPDX-License-Identifier: Apache-2.0
"""The section `pipelines` of the declaration: Python functions that call steps, when they run, with what."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from colonnade.app.settings.strict import Strict
from colonnade.core.quantities import ms_of

_PLACE = re.compile(r"[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*\Z")


def place(text: str) -> str:
    """`FILE.py:FUNCTION`. ValueError for another."""
    if not _PLACE.match(text) or text.startswith("/") or ".." in text.split("/"):
        raise ValueError(f"{text!r} is no FILE.py:FUNCTION below the declaration's folder")
    return text


def _duration(text: str) -> str:
    ms_of(text)
    return text


class Flow(Strict):
    """A pipeline of Python functions (`from colonnade import pipeline, step`)."""

    run: Annotated[str, AfterValidator(place)] = Field(
        description="FILE.py:FUNCTION, relative to the declaration: a function decorated with @pipeline."
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="The function's arguments, by name.")
    every: Annotated[str, AfterValidator(_duration)] | None = Field(
        None, description="Run it so often by itself: 15m, 24h, 7d. Left out: when it is asked for."
    )
    queue: str | None = Field(None, description="TEAM or DEPARTMENT.TEAM; default: the queue `default`.")
