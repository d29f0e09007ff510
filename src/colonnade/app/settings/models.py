# SPDX-License-Identifier: Apache-2.0
"""The section `models` of the declaration: data, how to train, how to evaluate, what a candidate must reach."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from colonnade.app.settings.compute import Gpus, Level, Memory
from colonnade.app.settings.data import Contract, Data
from colonnade.app.settings.retrain import Retrain
from colonnade.app.settings.strict import Strict
from colonnade.core.claims import WHOLE, Claim
from colonnade.core.quantities import mib_of, milli_of

Scalar = int | float | str | bool


BUILTIN = "builtin"


def _script(path: str) -> str:
    if path != BUILTIN and not path.endswith(".py"):
        raise ValueError(f"{path!r} is no Python script, and not `{BUILTIN}`")
    return path


Script = Annotated[str, AfterValidator(_script)]
"""A Python script, relative to the declaration; or `builtin`."""


class Gate(Strict):
    """What a candidate must reach before it goes live."""

    metric: str = Field(min_length=1)
    at_least: float | int | None = None
    at_most: float | int | None = None
    not_below: Literal["incumbent"] | None = None
    not_above: Literal["incumbent"] | None = None
    margin: float | None = Field(
        None, ge=0, description="How much worse than the incumbent is no harm, in the metric's unit. Default: 0.01."
    )

    slice: dict[str, str] | None = Field(
        None, min_length=1, max_length=1, description="Only these held-out rows count: `{region: north}`."
    )
    each: str | None = Field(
        None, description="A column of `slices`: no group of it may be shown to fail. Default margin there: 0.05."
    )
    part: Literal["held_out", "recent"] = Field(
        "held_out", description="`recent`: only the newest of the held-out rows count."
    )

    @model_validator(mode="after")
    def _one(self) -> Gate:
        limits = (self.at_least, self.at_most, self.not_below, self.not_above)
        if sum(limit is not None for limit in limits) != 1:
            raise ValueError("a gate has exactly one of at_least, at_most, not_below, not_above")
        if self.margin is not None and self.not_below is None and self.not_above is None:
            raise ValueError("a margin goes with not_below or not_above")
        if self.slice is not None and self.each is not None:
            raise ValueError("a gate looks at one `slice` or at `each` group of a column")
        return self


class Slice(Strict):
    """A column by whose values evaluations are told; with `bins`, by intervals of its numbers."""

    column: str = Field(min_length=1)
    bins: list[float | int] = Field(
        default_factory=list, max_length=20, description="[30, 50]: the groups <30, 30..50 and >=50."
    )

    @model_validator(mode="after")
    def _ascends(self) -> Slice:
        if self.bins != sorted(set(self.bins)):
            raise ValueError("bins ascend, each once")
        return self


class Between(Strict):
    """A parameter between two numbers, both included; integers when both are."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _order(self) -> Between:
        if self.high < self.low or (self.log and self.low <= 0):
            raise ValueError("low is at most high, and above 0 with `log`")
        return self


class Search(Strict):
    """Parameters to try before training; the best go on. Needs the extra `tune`."""

    parameters: dict[str, Between | Annotated[list[Scalar], Field(min_length=1)]] = Field(
        min_length=1, description="Parameter -> `{low, high, log}`, or the values to choose from."
    )
    trials: int = Field(20, ge=1, le=1000)
    metric: str = Field(min_length=1, description="Of the evaluation, on the rows held out within the training side.")
    direction: Literal["maximize", "minimize"] = "maximize"
    parallel: int = Field(1, ge=1, le=64, description="Trials at once.")
    prune: bool = Field(True, description="Give up trials whose `progress.jsonl` falls behind the others.")
    seed: int = Field(0, ge=0)


class Model(Strict):
    """A model that is trained anew whenever its data, its code or this section changes."""

    data: Data = Field(
        description="Files (CSV, JSON lines, Parquet) by a path or a pattern relative to the declaration, a source "
        "(`sql`, `s3`), or several of both."
    )
    label: str = Field(min_length=1, description="The column that is to be predicted.")
    time: str | None = Field(
        None, description="A column that sorts by time: the newest rows are held out, not random ones."
    )
    label_delay: float = Field(
        0,
        ge=0,
        description="How long after `time` a label is known (dates: days). Training never sees what was not known yet.",
    )
    known_at: dict[str, str] = Field(
        default_factory=dict,
        description="Column -> the column that says when its value became known, in the terms of `time`. A value that "
        "was not known at its row's time counts as empty; a label, when the held-out rows begin, trains nothing.",
    )
    format: Literal["csv", "parquet"] | None = Field(
        None, description="Of the parts that scripts get. Default: parquet when some of the data are, else csv."
    )
    holdout: float = Field(0.2, gt=0, lt=1, description="The share of rows that training never sees.")
    contract: Contract = Field(default_factory=Contract)
    train: Script = Field(description="A script; or `builtin`, with `task`: trees over tables, or a model of texts.")
    evaluate: Script = Field(BUILTIN, description="A script; left out where `train` is `builtin`.")
    task: Literal["classification", "regression", "text-classification"] | None = Field(
        None, description="What the built-in model learns."
    )
    text: str | list[str] | None = Field(
        None, min_length=1, description="The column that holds the text (several are joined), of text-classification."
    )
    parameters: dict[str, Scalar] = Field(default_factory=dict)
    search: Search | None = Field(None, description="Try parameters, on rows within the training side.")
    gates: list[Gate] = Field(default_factory=list)
    seeds: int = Field(
        1, ge=1, le=20, description="Train and evaluate so often, each told another `seed`; all must pass."
    )
    slices: list[Slice | str] = Field(
        default_factory=list, max_length=20, description="Columns by whose groups every evaluation is told."
    )
    recent: float = Field(
        0.25, gt=0, lt=1, description="The share of the held-out rows that counts as recent (with `time`)."
    )
    queue: str | None = None
    gpus: int = Field(0, ge=0, le=1024, description="How many devices training gets.")
    gpu: float | int = Field(1, gt=0, le=1, description="The share of each of them.")
    gpu_memory: Memory | None = None
    isolation_at_least: Level = "none"
    cpu: Gpus = 0
    memory: Memory | None = None
    timeout_s: int = Field(3600, ge=1, le=30 * 86_400, description="Of one step.")
    retries: int = Field(1, ge=0, le=20, description="How often a step that failed is tried again.")
    watch: bool = Field(True, description="Train again when the data or the code changes.")
    retrain: Retrain = Field(default_factory=Retrain, description="What trains it anew, how often, with how much.")

    @model_validator(mode="after")
    def _fits(self) -> Model:
        if self.train == BUILTIN and self.task is None:
            raise ValueError("`train: builtin` needs `task: classification`, `regression` or `text-classification`")
        if self.train != BUILTIN and self.task is not None:
            raise ValueError("`task` goes with `train: builtin`; a script knows what it learns")
        if (self.task == "text-classification") != (self.text is not None):
            raise ValueError("`task: text-classification` and `text:`, the column with the text, go together")
        if self.train != BUILTIN and self.evaluate == BUILTIN:
            raise ValueError("a training script needs an evaluation script: `evaluate: evaluate.py`")
        if self.label_delay and self.time is None:
            raise ValueError("label_delay is counted from `time`, which is missing")
        if self.known_at and self.time is None:
            raise ValueError("known_at is compared with `time`, which is missing")
        if self.train == BUILTIN and self.format == "parquet":
            raise ValueError("`train: builtin` reads csv")
        sliced = [one if isinstance(one, str) else one.column for one in self.slices]
        if len(set(sliced)) != len(sliced):
            raise ValueError("`slices` names a column twice")
        for gate in self.gates:
            for column in [*(gate.slice or {}), *([gate.each] if gate.each else [])]:
                if column not in sliced:
                    raise ValueError(f"a gate looks at {column!r}, which is not under `slices`")
            if gate.part == "recent" and self.time is None:
                raise ValueError("a gate on the recent rows needs `time`")
        return self

    def claim(self) -> Claim:
        """What training asks for."""
        memory = mib_of(self.gpu_memory) if self.gpu_memory else 0
        return Claim(
            gpus=self.gpus,
            gpu_milli=milli_of(self.gpu) if self.gpus else WHOLE,
            gpu_mib=memory if self.gpus else 0,
            gpu_limit_mib=memory if self.gpus else 0,
            cpu_milli=milli_of(self.cpu),
            memory_mib=mib_of(self.memory) if self.memory else 0,
            isolation_at_least=self.isolation_at_least,
        )
