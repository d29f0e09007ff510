# SPDX-License-Identifier: Apache-2.0
"""A placer that needs no start: for questions about one claim. Who plans asks `placement.engine`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import Cluster, Slot


class TightestFit:
    """A placer that learns nothing: the first node that fits, the fullest devices. For asking whether at all."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def choose(self, claim: Claim, allowed: NDArray[np.bool_] | None = None) -> Slot | None:
        """See `Placer.choose`."""
        fits = self._cluster.fitting(claim)
        nodes = np.flatnonzero(fits if allowed is None else fits & allowed)
        if not len(nodes):
            return None
        node = int(nodes[0])
        if not claim.gpus:
            return Slot(node, ())
        cluster = self._cluster
        free = (cluster.milli[node] >= claim.gpu_milli) & (cluster.device_mib[node] >= claim.gpu_mib)
        places = np.flatnonzero(cluster.usable(claim)[node] & free)
        tightest = places[np.argsort(cluster.milli[node, places], kind="stable")]
        return Slot(node, tuple(int(place) for place in tightest[: claim.gpus]))
