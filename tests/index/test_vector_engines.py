# SPDX-License-Identifier: Apache-2.0
"""Every vector engine passes the conformance suite."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from colonnade.adapters.vectors.signs import SignVectors
from colonnade.ports.outside.vectors import Vectors
from colonnade.testing.vectors import BruteForceVectors
from colonnade.testing.vectors_conformance import VectorsConformance


class TestBruteForce(VectorsConformance):
    @pytest.fixture
    def make(self) -> Callable[[int], Vectors]:
        return BruteForceVectors


class TestSigns(VectorsConformance):
    @pytest.fixture
    def make(self) -> Callable[[int], Vectors]:
        return SignVectors
