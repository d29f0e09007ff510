# SPDX-License-Identifier: Apache-2.0
"""When a model is trained anew: `models.NAME.retrain`. What each cause leads to is `lifecycle.watching`'s business."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from colonnade.app.settings.strict import Strict
from colonnade.core.quantities import ms_of
from colonnade.lifecycle.watching.due import RetrainRule

CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
Cause = Literal["data", "code", "declaration", "alarm"]
CAUSES: tuple[Cause, ...] = ("data", "code", "declaration", "alarm")


def _duration(text: str) -> str:
    ms_of(text)
    return text


def _clock(text: str) -> str:
    if CLOCK.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no time of day: write for example 03:00")
    return text


Duration = Annotated[str, AfterValidator(_duration)]
"""90s, 15m, 12h, 30d, 2w."""


class Retrain(Strict):
    """Why and how often a model is trained anew; by hand it always is."""

    on: list[Cause] = Field(
        default_factory=lambda: list(CAUSES),
        description="new data, changed code, changed declaration, an alarm of wrong answers on what is served.",
    )
    every: Duration | None = Field(None, description="At least so often, whatever happened: 7d.")
    at: Annotated[str, AfterValidator(_clock)] | None = Field(None, description="Daily at this time, UTC: 03:00.")
    settle: Duration = Field("0.8s", description="Files must have stood still for so long: many changes, one pipeline.")
    cooldown: Duration = Field(
        "10m",
        description="The pause after a retraining for an alarm that did not help; doubled each time, up to a day.",
    )
    gpu_hours_per_day: float | int | None = Field(
        None, ge=0, description="Device-hours of any 24 hours; what comes beyond waits. By hand counts and never waits."
    )
    per_day: int = Field(200, ge=1, description="Pipelines of any 24 hours, likewise.")
    window: Literal["auto", "all", "recent"] = Field(
        "auto",
        description="What an alarm trains on: rows since the change alone, all rows, or first the one, then the other. "
        "The gates look at held-out rows from since the change either way.",
    )
    rows: int = Field(
        1000,
        ge=40,
        description="Rows with known truth since the change that an alarm waits for where the harm is ten points: "
        "fewer for larger harm, twice as many after each refusal.",
    )

    @model_validator(mode="after")
    def _one(self) -> Retrain:
        if self.every is not None and self.at is not None:
            raise ValueError("a schedule has either `every` or `at`")
        return self

    def rule(self) -> RetrainRule:
        """In the words of the room that keeps to it."""
        hours, minutes = (int(part) for part in (self.at or "00:00").split(":"))
        return RetrainRule(
            on=frozenset(self.on),
            every_ms=ms_of(self.every) if self.every else None,
            at_minute=hours * 60 + minutes if self.at else None,
            settle_ms=ms_of(self.settle),
            cooldown_ms=ms_of(self.cooldown),
            gpu_ms_per_day=None if self.gpu_hours_per_day is None else round(self.gpu_hours_per_day * 3_600_000),
            per_day=self.per_day,
            window=self.window,
            rows=self.rows,
        )
