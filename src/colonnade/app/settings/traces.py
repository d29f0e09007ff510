# SPDX-License-Identifier: Apache-2.0
"""The section `traces` of the declaration, and where telemetry is sent to (`platform.telemetry`, `.openlineage`). No
logic.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from colonnade.app.settings.strict import Name, Strict

Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s@]+$", max_length=2000)]


class Price(Strict):
    """What a service's language model costs, for a million tokens."""

    input: float = Field(0, ge=0, le=1_000_000, description="For a million tokens that it reads.")
    output: float = Field(0, ge=0, le=1_000_000, description="For a million tokens that it writes.")


class Traces(Strict):
    """What requests, runs and steps took, stage by stage."""

    keep_days: int = Field(14, ge=1, le=3650, description="So long traces are kept.")
    most_mib: int = Field(512, ge=1, le=1_048_576, description="So much room they get; then the oldest go first.")
    prices: dict[Name, Price] = Field(
        default_factory=dict,
        description="Service -> what its language model costs, in the currency of compute.price_per_gpu_hour.",
    )


class Sink(Strict):
    """Where something is sent to by HTTP."""

    url: Url = Field(description="The whole URL; no password stands in it.")
    key_env: str | None = Field(None, description="The environment variable that holds the key.")
    header: str = Field(
        "authorization",
        pattern=r"^[A-Za-z0-9-]{1,64}$",
        description="The header that the key goes in; in `authorization` the word Bearer stands before it.",
    )
