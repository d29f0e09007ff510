# SPDX-License-Identifier: Apache-2.0
"""Learn what will stay unused, by rehearsing: small copies of the cluster are filled with claims drawn from the mix.

A forecast starts from lone nodes that are filled at random (`imagine`). Then rounds of rehearsal: every copy takes the
claims that come to it, each where the forecast of now says that it costs least, until more was asked than fits; what is
left unused on each node at the end is the truth that the forecast is corrected by. This is policy iteration with a
linear value function (Bertsekas & Tsitsiklis, "Neuro-Dynamic Programming", 1996, chapter 6), and because all nodes
share one forecast, a round of 1,200 nodes gives thousands of examples. Seeded: the same nodes and mix teach the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum
from typing import TypeVar

import numpy as np

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, NodeSpec, Slot
from colonnade.fabric.placement.demand import Demand, demand
from colonnade.fabric.placement.forecast import Features, Floats, Forecast, Ints, State, join
from colonnade.fabric.placement.imagine import Imagined
from colonnade.fabric.placement.scores import Scores

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is rehearsed.

    Attributes:
        fills: lone nodes filled to start with; `again`: fills from each state that they pass through.
        rounds: of rehearsal; the forecasts of the second half are averaged.
        copies: of the cluster in each round, of about `nodes` nodes each.
        load: what is asked in a round, against what the copies have.
        step: how far a round's correction is followed; `ridge`: how strongly corrections are held back.
        memory: rounds that a correction looks at.
    """

    fills: int = 800
    again: int = 6
    rounds: int = 8
    copies: int = 8
    nodes: int = 120
    load: float = 1.3
    step: float = 0.5
    ridge: float = 30.0
    memory: int = 3
    seed: int = 1


def learn(nodes: Sequence[NodeSpec], history: Sequence[tuple[Claim, float]], plan: Plan | None = None) -> Forecast:
    """The forecast for such nodes and such a history. It depends on neither the names of the nodes nor any order.

    What was learned last is remembered in the process, so that engines on copies of a cluster start at once.
    """
    kinds = Counter(NodeSpec("", node.cpu_milli, node.memory_mib, node.devices) for node in nodes)
    asked: dict[Claim, list[float]] = {}
    for claim, weight in history:
        asked.setdefault(claim, []).append(weight)
    sums = {claim: fsum(weights) for claim, weights in asked.items()}  # exact: no order shows
    return _learned(_ordered(kinds), _ordered(sums), plan or Plan())


def _ordered(counts: Mapping[T, float]) -> tuple[tuple[T, float], ...]:
    return tuple(sorted(counts.items(), key=repr))


@lru_cache(maxsize=16)
def _learned(
    ranked: tuple[tuple[NodeSpec, float], ...], asked: tuple[tuple[Claim, float], ...], plan: Plan
) -> Forecast:
    mix = demand(asked)
    if not any(node.devices for node, _ in ranked) or not mix.gpus.any():
        return Forecast(np.zeros(Features.size), mix)
    rng = np.random.default_rng(plan.seed)
    parameters = _imagined(ranked, mix, plan, rng)
    copy = _copy(ranked, plan.nodes)
    recent: list[tuple[State, Floats]] = []
    later: list[Floats] = []
    for turn in range(plan.rounds):
        recent = [*recent, rehearse(copy, mix, Forecast(parameters, mix), plan, rng)][-plan.memory :]
        state, unused = join([seen for seen, _ in recent]), np.concatenate([truth for _, truth in recent])
        features = Features(state, mix)
        wrong = unused - features.forecast(parameters)
        parameters = parameters + plan.step * features.fit(wrong, ridge=plan.ridge, rounds=25)
        if 2 * turn >= plan.rounds - 1:
            later.append(parameters)
    return Forecast(np.mean(later, axis=0) if later else parameters, mix)


def _imagined(ranked: Sequence[tuple[NodeSpec, float]], mix: Demand, plan: Plan, rng: np.random.Generator) -> Floats:
    """Parameters fitted to fills of lone nodes."""
    kinds = Cluster([node for node, _ in ranked])
    lone = Imagined(kinds, mix)
    weight = np.array([len(node.devices) * count for node, count in ranked], dtype=np.float64)
    kind, state = lone.visits(weight, plan.fills, rng)
    keep = state.free_milli.sum(1) > 0
    kind, state = kind[keep], state.take(keep)
    return Features(state, mix).fit(lone.unused(kind, state, plan.again, rng), ridge=1.0, rounds=40)


def _copy(ranked: Sequence[tuple[NodeSpec, float]], most: int) -> list[NodeSpec]:
    """The same kinds of nodes in about the same parts, at least one of each, about `most` in all."""
    part = min(1.0, most / sum(count for _, count in ranked))
    return [node for node, count in ranked for _ in range(max(1, round(count * part)))]


def rehearse(
    nodes: Sequence[NodeSpec], mix: Demand, forecast: Forecast, plan: Plan, rng: np.random.Generator
) -> tuple[State, Floats]:
    """Fill copies of these nodes side by side: the states that nodes went through, and what stayed unused on each."""
    cluster = Cluster([node for _ in range(plan.copies) for node in nodes])
    size = len(nodes)
    scores = Scores(cluster, forecast)
    scores.add(mix.claims)
    cost = scores.cost.reshape(len(mix.claims), plan.copies, size)
    capacity = float(cluster.milli.sum()) / plan.copies
    asked = float(mix.weight @ (mix.gpus * mix.gpu_milli))
    steps = int(plan.load * capacity / asked) if asked else 0
    coming = rng.choice(len(mix.claims), (steps, plan.copies), p=mix.weight)
    copies = np.arange(plan.copies)
    seen: list[State] = []
    where: list[Ints] = []
    for claims in coming:
        here = cost[claims, copies]
        best = here.argmin(1)
        taken = np.flatnonzero(np.isfinite(here[copies, best]))
        rows = taken * size + best[taken]
        for index, node in zip(claims[taken], rows.tolist(), strict=True):
            claim = mix.claims[index]
            cluster.take(claim, Slot(node, scores.places(claim, node) if claim.gpus else ()))
        if len(rows):
            scores.update(rows)
            seen.append(State(cluster.cpu_milli[rows], scores.free_milli[rows]))
            where.append(rows)
    if not seen:
        return State(np.zeros(0, dtype=np.int64), np.zeros((0, cluster.width), dtype=np.int64)), np.zeros(0)
    state, node = join(seen), np.concatenate(where)
    unused = scores.free_milli.sum(1)[node].astype(np.float64)
    keep = state.free_milli.sum(1) > 0
    return state.take(keep), unused[keep]
