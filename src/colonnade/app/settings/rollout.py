# SPDX-License-Identifier: Apache-2.0
"""`rollout` of a service: how a version that passed its gates is tried on requests before it answers all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from colonnade.app.settings.strict import Strict
from colonnade.lifecycle.rollout.canary import CanaryConfig
from colonnade.lifecycle.rollout.plan import Plan

Share = float | int
REFERENCE = 1_000


class Tolerances(Strict):
    """How much worse than the live version is no reason to go back, in points: 0.01 is one answer in a hundred."""

    errors: Share = Field(0.002, ge=0, le=0.9, description="Requests that it could not answer.")
    invalid: Share = Field(0.001, ge=0, le=0.9, description="Answers with NaN, null, infinity or ragged rows.")
    slow: Share = Field(0.01, ge=0, le=0.9, description="Answers slower than `latency_quantile` of the live version's.")
    quality: Share = Field(0.01, ge=0, le=0.9, description="Wrong answers, where the truth arrives.")
    group_quality: Share = Field(0.01, ge=0, le=0.9, description="The same within each group.")


class Rollout(Strict):
    """How a version that passed its gates is let loose: shadow, then a growing share of the request keys."""

    shadow: int = Field(
        5_000, ge=0, le=10_000_000, description="Requests that both answer first, the new version unseen; 0: none."
    )
    canary: list[Share] = Field(
        default_factory=lambda: list[Share]((1, 5, 25, 100)), min_length=1, max_length=20,
        description="Percent of the request keys that the new version answers, stage by stage.",
    )  # fmt: skip
    stage_requests: int = Field(5_000, ge=1, le=100_000_000, description="Requests (to both versions) in each stage.")
    stage_s: int = Field(600, ge=1, le=90 * 86_400, description="A stage ends after so long even if fewer came.")
    quiet_s: Share = Field(
        10, gt=0, le=90 * 86_400,
        description="When nobody asks for so long, requests of before are replayed to both instead, and it goes on.",
    )  # fmt: skip
    rehearse: int = Field(2_000, ge=0, le=100_000, description="How many are replayed at most; 0: none.")
    alpha: Share = Field(
        0.01, gt=0, lt=1, description="The chance that a version that is within all tolerances is rolled back."
    )
    tolerances: Tolerances = Field(default_factory=Tolerances)
    latency_quantile: Share = Field(0.99, gt=0, lt=1, description="Slower than this quantile is slow.")
    groups: list[str] = Field(
        default_factory=list,
        description="Groups whose quality is watched each on its own: values of the column that `labels.group` names. "
        "Default: those of the model's contract for it.",
    )
    min_labels: int = Field(
        0, ge=0, le=10_000_000,
        description="Labels of the new version's answers before it may leave a stage. Default: none are waited for.",
    )  # fmt: skip
    label_deadline_s: int = Field(
        7 * 86_400,
        ge=1,
        le=400 * 86_400,
        description="Labels that are missing so long after the beginning are overdue.",
    )
    without_labels: Literal["hold", "promote", "ask"] = Field(
        "hold", description="What then: wait for them, go on by the other measures, or ask a person."
    )
    approve: list[str] = Field(
        default_factory=list,
        description="Persons of whom one must allow it, after the shadow, before anybody gets its answers.",
    )
    probation: bool = Field(
        True, description="Watch it for one more stage once it is live, and go back by itself if it is proved worse."
    )

    @model_validator(mode="after")
    def _fits(self) -> Rollout:
        shares = [float(share) for share in self.canary]
        if shares != sorted(set(shares)) or shares[0] <= 0 or shares[-1] > 100:
            raise ValueError("`canary` must rise, from above 0 to at most 100 percent")
        if self.approve and not self.shadow:
            raise ValueError("`approve` is asked after the shadow, and there is none")
        return self

    def plan(
        self, services: tuple[str, ...], values: tuple[str, ...], approve: tuple[str, ...]
    ) -> Plan:  # fmt: skip
        """For `lifecycle`.

        Args:
            services: ids of those that answer with the model.
            values: the groups.
            approve: ids of the persons.
        """
        tolerances = self.tolerances
        reference = min(REFERENCE, max(100, self.shadow // 2)) if self.shadow else REFERENCE
        canary = CanaryConfig(
            shadow_requests=self.shadow, stages=tuple(float(share) for share in self.canary),
            stage_requests=self.stage_requests, alpha=float(self.alpha), errors=float(tolerances.errors),
            invalid=float(tolerances.invalid), slow=float(tolerances.slow), quality=float(tolerances.quality),
            group_quality=float(tolerances.group_quality), latency_quantile=float(self.latency_quantile),
            latency_reference=reference, groups=values, min_labels=self.min_labels, without_labels=self.without_labels,
        )  # fmt: skip
        return Plan(
            canary, self.stage_s * 1000, round(float(self.quiet_s) * 1000), self.rehearse, self.label_deadline_s * 1000,
            approve, self.probation, tuple(sorted(services)),
        )  # fmt: skip


def differing(rollouts: Mapping[str, tuple[str, Rollout | Literal["none"] | None]]) -> tuple[str, str] | None:
    """The first two services that answer with the same model and roll it out differently.

    Args:
        rollouts: service -> its model, and what it says of rollouts.
    """
    first: dict[str, str] = {}
    for service, (model, rollout) in rollouts.items():
        other = first.setdefault(model, service)
        if (rollouts[other][1] or Rollout()) != (rollout or Rollout()):
            return service, other
    return None
