# SPDX-License-Identifier: Apache-2.0
"""Engines for the cycles of one daemon: plans are made on copies of the cluster, and all of them share one forecast."""

from __future__ import annotations

from colonnade.fabric.placement.cluster import Cluster, NodeSpec, Placer
from colonnade.fabric.placement.demand import demand
from colonnade.fabric.placement.engine import Engine
from colonnade.fabric.placement.forecast import Forecast
from colonnade.fabric.placement.rehearsal import learn


class SharedEngine:
    """Makes engines; the forecast is learnt once for each set of nodes."""

    def __init__(self) -> None:
        self._nodes: tuple[NodeSpec, ...] = ()
        self._forecast: Forecast | None = None

    def __call__(self, cluster: Cluster) -> Placer:
        """An engine that follows this cluster."""
        if self._forecast is None or cluster.nodes != self._nodes:
            self._nodes, self._forecast = cluster.nodes, learn(cluster.nodes, demand(()), None)
        return Engine(cluster, forecast=self._forecast)
