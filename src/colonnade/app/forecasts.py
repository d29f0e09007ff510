# SPDX-License-Identifier: Apache-2.0
"""Forecasts of the placement engine, kept in the user's cache: learning one takes seconds, and the same nodes and
history always teach the same.

A file is an array of numbers under a digest of all that went into it, the code that learns among it. A file that cannot
be read is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from colonnade.app.settings.environment import cache_folder
from colonnade.core.claims import Claim
from colonnade.fabric import placement
from colonnade.fabric.placement.cluster import NodeSpec
from colonnade.fabric.placement.demand import demand
from colonnade.fabric.placement.forecast import Features, Forecast
from colonnade.fabric.placement.rehearsal import Plan, learn

KEPT = 64
"""Files; the oldest go first."""


def forecast_for(nodes: Sequence[NodeSpec], history: Sequence[Claim]) -> Forecast:
    """What an engine over such nodes with such a history forecasts: from the cache, or learned now."""
    asked = [(claim, float(count)) for claim, count in sorted(Counter(history).items(), key=repr)]
    path = cache_folder() / "forecasts" / f"{_digest(nodes, asked)}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        parameters = np.load(path, allow_pickle=False)
        if parameters.shape == (Features.size,) and np.isfinite(parameters).all():
            return Forecast(parameters, demand(asked))
    found = learn(nodes, asked)
    with contextlib.suppress(OSError):
        _keep(path, found)
    return found


def _digest(nodes: Sequence[NodeSpec], asked: Sequence[tuple[Claim, float]]) -> str:
    kinds = Counter((node.cpu_milli, node.memory_mib, node.devices) for node in nodes)
    digest = hashlib.sha256(repr((np.__version__, Plan(), sorted(kinds.items(), key=repr), asked)).encode())
    for source in sorted(Path(placement.__path__[0]).glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:32]


def _keep(path: Path, forecast: Forecast) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    with fresh.open("wb") as file:
        np.save(file, forecast.parameters, allow_pickle=False)
    fresh.replace(path)
    for old in sorted(path.parent.glob("*.npy"), key=lambda file: file.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)
