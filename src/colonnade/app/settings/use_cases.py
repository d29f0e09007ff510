# SPDX-License-Identifier: Apache-2.0
"""The section `use_cases` of the declaration: what models are for, who answers for it, what was approved, what went
wrong. A report says it as declared, with who applied it and when; it never fills what is not here.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from colonnade.app.settings.strict import Name, Strict
from colonnade.govern.reports.points import ASKING

Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True)]


def _day(text: str) -> str:
    date.fromisoformat(text)
    return text


Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_day)]


class Approval(Strict):
    """That somebody approved the use case."""

    by: Text = Field(description="Who: a name, a role, a board.")
    on: Day = Field(description="When: 2026-11-25.")
    of: Text = Field(description="What was approved, and on what grounds.")


class Incident(Strict):
    """Something that went wrong."""

    on: Day
    what: Text
    done: Text | None = Field(None, description="What was done about it.")
    ref: str | None = Field(None, description="What `why` can show: `alarm/ID`, `model/ID`, ...")


class UseCase(Strict):
    """One use of one or several models."""

    owner: Text = Field(description="Who answers for it.")
    purpose: Text = Field(description="What it is meant for, and for whom it is not.")
    risk_class: Literal["high", "limited", "minimal", "prohibited", "unclear"] = Field(
        description="As its owner sees it under the AI Act; nobody checks that here."
    )
    provider: Text | None = Field(None, description="The name of the provider (Annex IV, 1a).")
    models: list[Name] = Field(default_factory=list, description="Names under `models`.")
    data: list[Text] = Field(default_factory=list, description="What it uses beside the models' data, in words.")
    approvals: list[Approval] = Field(default_factory=list)
    incidents: list[Incident] = Field(default_factory=list)
    says: dict[str, Text] = Field(
        default_factory=dict,
        description="Point of Annex IV (1b, 2b, 5, ...) -> what is said under it, where the log cannot tell.",
    )

    @model_validator(mode="after")
    def _known_points(self) -> UseCase:
        for point in self.says:
            if point not in ASKING:
                raise ValueError(f"says: {point!r} is no point that asks for words; these do: {', '.join(ASKING)}")
        return self
