# SPDX-License-Identifier: Apache-2.0
"""Costs of node states that were seen before: nodes of a kind pass through the same states, so half of them are known.

A node's costs depend on nothing but its kind, what is free on it, and which shapes are kept. This file remembers them
by that; what they are is computed by `scores` alone.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from colonnade.fabric.placement.scores import Column, Scores

STATES = 8192
"""Remembered at most; then all are forgotten. A state takes 16 bytes a shape."""


class Memo:
    """In front of the scores of one cluster."""

    def __init__(self, scores: Scores) -> None:
        self._scores = scores
        self._shapes = 0
        self._known: dict[Hashable, Column] = {}

    def update(self, node: int) -> None:
        """Something changed on this node; as `Scores.update`, with the same result."""
        scores = self._scores
        if scores.shapes != self._shapes or len(self._known) >= STATES:
            self._known.clear()
            self._shapes = scores.shapes
        state = scores.state(node)
        column = None if state is None else self._known.get(state)
        if column is not None:
            scores.put(node, column)
            return
        scores.update(np.array([node]))
        if state is not None:
            self._known[state] = scores.column(node)
