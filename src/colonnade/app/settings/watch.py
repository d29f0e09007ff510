# SPDX-License-Identifier: Apache-2.0
"""What is kept of a served model's answers, how truth comes to them, and what rings: `services.NAME.capture`, `labels`,
`alarms`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from colonnade.app.settings.compute import Memory
from colonnade.app.settings.retrain import Duration
from colonnade.app.settings.strict import Name, Strict
from colonnade.core.quantities import MIB, mib_of, ms_of
from colonnade.lifecycle.watching.rules import AlarmRule, CaptureRule, LabelRule


class Capture(Strict):
    """What is kept of requests and answers, sealed under the model's key. `none` keeps nothing."""

    keep: Duration = Field("30d", description="How long.")
    share: float | int = Field(1.0, gt=0, le=1, description="Of the requests, drawn by their refs.")
    most: Memory = Field("2GiB", description="The oldest go when there is more, packed as it lies.")

    def rule(self) -> CaptureRule:
        """In the room's words."""
        return CaptureRule(ms_of(self.keep), float(self.share), mib_of(self.most) * MIB)


class Labels(Strict):
    """How what was predicted is held against what turned out to be true."""

    key: str | None = Field(
        None,
        min_length=1,
        description="A column of the requests' rows that is in the model's data too: a label that comes with new data "
        "belongs to the latest prediction for that value.",
    )
    column: str | None = Field(None, min_length=1, description="The label's column in the data. Default: the model's.")
    group: str | None = Field(None, min_length=1, description="A column of the rows, for gaps between groups.")
    score: Literal["auto", "error", "brier", "absolute"] = Field(
        "auto",
        description="How wrong an answer is, 0 to 1: not equal (numbers in [0, 1] are cut at one half); the squared "
        "error of a chance; the distance in units of `scale`. auto: brier for numbers in [0, 1] with labels 0 and 1, "
        "absolute for other numbers, error for the rest.",
    )
    scale: float | int | None = Field(
        None, gt=0, description="The distance that counts as wholly wrong. Default: the range of the label in the data."
    )
    metric: str | None = Field(
        None,
        min_length=1,
        description="The column of predictions.csv that says how wrong each held-out row was, as the baseline. "
        "Default: brier, accuracy or mae, by the score.",
    )
    train: bool = Field(True, description="Rows whose truth was told through POST /v1/labels train the next version.")
    writers: list[Name] = Field(default_factory=list, description="Groups that may tell truths; owners always may.")

    @model_validator(mode="after")
    def _said(self) -> Labels:
        if self.metric is not None and self.score == "auto":
            raise ValueError("`metric` says what `score` was on held-out rows: name the score, too")
        return self

    def rule(self, label: str) -> LabelRule:
        """In the room's words."""
        scale = None if self.scale is None else float(self.scale)
        return LabelRule(
            self.key or "", self.column or label, self.group or "", self.score, scale, self.metric or "", self.train
        )


class Alarms(Strict):
    """What rings: each measure has a detector with a promised run length."""

    run_length: int = Field(10_000, ge=100, description="Samples until a false alarm, in the mean, at least.")
    errors: float | int = Field(0.01, gt=0, lt=1, description="The share of failed requests that is no alarm.")
    missing: float | int = Field(0.005, gt=0, lt=1, description="The share of answers with null or NaN, likewise.")
    latency: Duration | None = Field(
        None, description="At most 1 % of the requests may take longer. Default: the p99 of a version's first 2,000."
    )
    off: list[Literal["wrong", "errors", "missing", "latency"]] = Field(
        default_factory=list, description="Measures that do not ring."
    )

    @model_validator(mode="after")
    def _once(self) -> Alarms:
        if len(set(self.off)) != len(self.off):
            raise ValueError("a measure stands there twice")
        return self

    def rule(self) -> AlarmRule:
        """In the room's words."""
        return AlarmRule(
            self.run_length, float(self.errors), float(self.missing), ms_of(self.latency) if self.latency else None,
            frozenset(self.off),
        )  # fmt: skip
