# SPDX-License-Identifier: Apache-2.0
"""Both parsers keep the port's promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from colonnade.adapters.parsers.pool import BoundedParsers
from colonnade.ports.outside.parsers import Parsers
from colonnade.testing.parsers import PlainParsers
from colonnade.testing.parsers_conformance import ParsersConformance


class TestBoundedParsers(ParsersConformance):
    @pytest.fixture
    def parsers(self) -> Iterator[Parsers]:
        bounded = BoundedParsers()
        yield bounded
        bounded.close()


class TestPlainParsers(ParsersConformance):
    @pytest.fixture
    def parsers(self) -> Parsers:
        return PlainParsers()
