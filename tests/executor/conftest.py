# SPDX-License-Identifier: Apache-2.0
"""A folder of runs of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executor.runs import Runs


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """Real runs; whatever of them is left is killed at the end."""
    found = Runs(tmp_path.resolve())
    yield found
    found.close()
