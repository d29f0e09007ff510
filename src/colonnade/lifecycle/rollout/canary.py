# SPDX-License-Identifier: Apache-2.0
"""The verdict on a canary: next stage, promote, roll back, or go on, from outcomes alone. No traffic, no clock, no I/O.

A rollout is a shadow phase, in which the challenger answers too but nobody sees it, and stages in which it answers a
share of the requests. Five measures are tested at every outcome: errors, invalid outputs (NaN), answers slower than a
quantile of the champion's latencies, wrong answers where the truth arrives, and wrong answers within each declared
group. Each gets a fifth of `alpha` (groups share theirs), and over shadow and stages its capital is paid in by parts.
So over the whole rollout, however often one looks, a challenger within all tolerances is rolled back with probability
at most alpha.

    canary = Canary(CanaryConfig(groups=("north", "south")))
    canary.observe(Answer(latency_ms=9.1), Answer(latency_ms=8.7), sent="champion")
    canary.observe_label(0.0, 1.0, group="north")
    verdict = canary.verdict()      # then canary.advance() where it says "next_stage"
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from colonnade.core.exchanges import Arm
from colonnade.lifecycle.rollout.contest import Contest, Standing

Action = Literal["continue", "next_stage", "promote", "roll_back", "hold", "ask"]
WithoutLabels = Literal["hold", "promote", "ask"]
IN_SHADOW = 0.5
"""The part of the capital that is bet from the shadow phase on; the stages share the rest."""
MEASURES = 5


@dataclass(frozen=True)
class CanaryConfig:
    """How a rollout goes. Every tolerance is in points of badness: 0.01 is one answer in a hundred.

    Args:
        shadow_requests: requests that both versions answer before the challenger's answers are sent; 0 for no shadow.
        stages: percent of the keys that the challenger answers, rising.
        stage_requests: requests in each stage before the next, one number for all or one each.
        alpha: the chance that a challenger within all tolerances is rolled back.
        errors, invalid, slow, quality, group_quality: tolerances, as (challenger - champion).
        latency_quantile: slower than this quantile of the champion's first latencies counts as slow.
        latency_reference: how many latencies of the champion that is taken from.
        groups: whose quality is watched each on its own; others count in the whole only.
        min_labels: labels of the challenger's answers before it may leave a stage; 0 where no truth ever arrives.
        without_labels: what to do where labels are missing when the caller says that they are overdue.
    """

    shadow_requests: int = 5_000
    stages: tuple[float, ...] = (1, 5, 25, 100)
    stage_requests: int | tuple[int, ...] = 5_000
    alpha: float = 0.01
    errors: float = 0.002
    invalid: float = 0.001
    slow: float = 0.01
    quality: float = 0.01
    group_quality: float = 0.01
    latency_quantile: float = 0.99
    latency_reference: int = 1_000
    groups: tuple[str, ...] = ()
    min_labels: int = 500
    without_labels: WithoutLabels = "hold"

    def __post_init__(self) -> None:
        if not self.stages or list(self.stages) != sorted(set(self.stages)):
            raise ValueError("stages must rise")
        if not (self.stages[0] > 0 and self.stages[-1] <= 100):
            raise ValueError("stages are percents above 0, up to 100")
        if isinstance(self.stage_requests, tuple) and len(self.stage_requests) != len(self.stages):
            raise ValueError("as many stage_requests as stages, or one number")
        if not (0 < self.alpha < 1 and 0 < self.latency_quantile < 1 and self.latency_reference >= 100):
            raise ValueError("alpha and latency_quantile lie between 0 and 1; latency_reference is at least 100")

    def requests_in(self, stage: int) -> int:
        """Requests before a stage may end; stage -1 is the shadow."""
        if stage < 0:
            return self.shadow_requests
        return self.stage_requests[stage] if isinstance(self.stage_requests, tuple) else self.stage_requests


@dataclass(frozen=True)
class Answer:
    """What one version made of one request: whether it failed, gave NaN or another invalid output, and its latency."""

    error: bool = False
    invalid: bool = False
    latency_ms: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What to do, and why.

    Args:
        action: "continue", "next_stage", "promote", "roll_back"; "hold" or "ask" where overdue labels are missing.
        reason: one sentence for people and the ledger.
        stage: "shadow", or the share in percent as text.
        exposed: answers that the challenger has sent.
        requests: requests answered since the shadow phase.
        evidence: every measure's standing; the one that decided comes first.
    """

    action: Action
    reason: str
    stage: str
    share: float
    exposed: int
    requests: int
    evidence: tuple[Standing, ...]


class Canary:
    """The evidence of one rollout."""

    def __init__(self, config: CanaryConfig) -> None:
        self.config = config
        each = config.alpha / MEASURES
        tolerances = {
            "errors": config.errors,
            "invalid": config.invalid,
            "slow": config.slow,
            "quality": config.quality,
        }
        self.contests = {m: Contest(m, tolerance=t, alpha=each) for m, t in tolerances.items()}
        for group in config.groups:
            name, alpha = f"quality:{group}", each / len(config.groups)
            self.contests[name] = Contest(name, tolerance=config.group_quality, alpha=alpha)
        self.stage = -1
        self.in_stage = self.requests = self.exposed = 0
        self.seen = 0
        """Answers that were sent since the rollout began, the shadow phase's too."""
        self.staying = False
        self.rehearsed = 0
        """Requests that were only replayed to both, and nobody's."""
        self.slow_ms: float | None = None
        self._latencies: list[float] = []
        self._open(-1)
        if not config.shadow_requests:
            self.advance()

    @property
    def share(self) -> float:
        """Percent of the keys that the challenger answers now; 0 in the shadow phase. For `arms.arm_of`."""
        return 0.0 if self.stage < 0 else self.config.stages[self.stage]

    def observe(self, champion: Answer | None, challenger: Answer | None, *, sent: Arm) -> None:
        """One request: what each version answered (None: it was not asked) and whose answer was sent.

        In the shadow phase a request that the challenger was spared tells of the champion, and ends no phase.
        """
        self.seen += 1
        self.exposed += sent == "challenger"
        if self.stage >= 0:
            self.requests += 1
        if self.stage >= 0 or challenger is not None:
            self.in_stage += 1
        self._compare(champion, challenger)

    def rehearse(self, champion: Answer, challenger: Answer) -> None:
        """A request of before, replayed to both versions: evidence as in the shadow phase, and nobody's answer."""
        self.rehearsed += 1
        self._compare(champion, challenger)

    def _compare(self, champion: Answer | None, challenger: Answer | None) -> None:
        both = (champion, challenger)
        self._add("errors", *(None if answer is None else float(answer.error) for answer in both))
        self._add("invalid", *(None if answer is None else float(answer.invalid) for answer in both))
        if self.slow_ms is None:
            self._refer(champion)
        elif not self.staying:
            self._add("slow", self._slowness(champion), self._slowness(challenger))

    def observe_label(self, champion: float | None, challenger: float | None, *, group: str | None = None) -> None:
        """The truth about one request has arrived: how wrong each version was, 0 right to 1 wrong; None: not asked."""
        self._add("quality", champion, challenger)
        name = f"quality:{group}"
        if name in self.contests:
            self._add(name, champion, challenger)

    def verdict(self, *, labels_overdue: bool = False, time_over: bool = False, labels_waived: bool = False) -> Verdict:
        """What to do now. Changes nothing; may be asked after every request.

        Args:
            labels_overdue: labels that are missing were to be here by now.
            time_over: the stage need not wait for more requests.
            labels_waived: somebody said that it may go on without labels.
        """
        for contest in self.contests.values():
            if contest.proved:
                return self._say("roll_back", _accusation(contest.standing()), first=contest.measure)
        missing = self.config.requests_in(self.stage) - self.in_stage
        if missing > 0 and not time_over:
            return self._say("continue", f"{missing} more requests in this stage")
        labels = self.contests["quality"].answers()[1]
        if labels < self.config.min_labels and not labels_waived:
            lacking = f"{labels} of {self.config.min_labels} labels have arrived"
            if not labels_overdue:
                return self._say("continue", lacking)
            if self.config.without_labels != "promote":
                return self._say(self.config.without_labels, f"{lacking}, and they are overdue")
        if self.stage + 1 < len(self.config.stages):
            return self._say(
                "next_stage", f"no measure is proved worse; next: {self.config.stages[self.stage + 1]:g} %"
            )
        return self._say("promote", "the last stage has ended and no measure is proved worse")

    def advance(self) -> None:
        """Begin the next stage, after the verdict "next_stage" was acted on. ValueError after the last."""
        if self.stage + 1 >= len(self.config.stages):
            raise ValueError("there is no stage after the last")
        self.stage, self.in_stage = self.stage + 1, 0
        self._open(self.stage)

    def stay(self) -> None:
        """The challenger has become the live version: watch it on against the champion's past.

        Slowness is not held against it any more: when everything becomes slow, nobody is left to tell.
        """
        self.in_stage, self.staying = 0, True
        for contest in self.contests.values():
            contest.open_stage(0.0, alone=True)

    def state(self) -> dict[str, Any]:
        """All that `restored` needs beside the config, as JSON can hold it."""
        return {
            "stage": self.stage,
            "staying": self.staying,
            "counts": [self.in_stage, self.requests, self.exposed, self.seen, self.rehearsed],
            "slow_ms": self.slow_ms,
            "latencies": list(self._latencies),
            "contests": {name: contest.state() for name, contest in self.contests.items()},
        }

    @classmethod
    def restored(cls, config: CanaryConfig, state: Mapping[str, Any]) -> Canary:
        """The canary whose `state()` this is, with the config that it was made with."""
        made = cls(config)
        made.stage, made.staying = int(state["stage"]), bool(state["staying"])
        made.in_stage, made.requests, made.exposed, made.seen, made.rehearsed = (int(n) for n in state["counts"])
        made.slow_ms, made._latencies = state["slow_ms"], [float(v) for v in state["latencies"]]
        for name, contest in made.contests.items():
            contest.restore(state["contests"][name])
        return made

    def _open(self, stage: int) -> None:
        rest = (1 - IN_SHADOW) / len(self.config.stages) if self.config.shadow_requests else 1 / len(self.config.stages)
        part = rest if stage >= 0 else IN_SHADOW if self.config.shadow_requests else 0.0
        for contest in self.contests.values():
            contest.open_stage(part, alone=False)

    def _add(self, measure: str, champion: float | None, challenger: float | None) -> None:
        self.contests[measure].add(champion, challenger)

    def _refer(self, champion: Answer | None) -> None:
        """Collect the champion's latencies until the limit for "slow" can be set; it never changes afterwards."""
        if champion is None or champion.latency_ms is None or math.isnan(champion.latency_ms):
            return
        self._latencies.append(champion.latency_ms)
        n = self.config.latency_reference
        if len(self._latencies) >= n:
            self.slow_ms = sorted(self._latencies)[min(n, math.ceil(self.config.latency_quantile * (n + 1))) - 1]
            self._latencies = []

    def _slowness(self, answer: Answer | None) -> float | None:
        if answer is None or answer.latency_ms is None or self.slow_ms is None:
            return None
        return 0.0 if answer.latency_ms <= self.slow_ms else 1.0

    def _say(self, action: Action, reason: str, *, first: str = "") -> Verdict:
        standings = sorted((c.standing() for c in self.contests.values()), key=lambda s: s.measure != first)
        stage = "shadow" if self.stage < 0 else f"{self.share:g}"
        return Verdict(action, reason, stage, self.share, self.exposed, self.requests, tuple(standings))


def _accusation(s: Standing) -> str:
    champion, challenger = (f"{100 * v:.1f} %" if v is not None else "unknown" for v in (s.champion, s.challenger))
    return (
        f"{s.measure}: {challenger} bad against the champion's {champion}; "
        f"worse by more than {100 * s.tolerance:g} points (e-value {s.e_value:.3g}, {s.needed:.0f} needed)"
    )
