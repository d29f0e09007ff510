# SPDX-License-Identifier: Apache-2.0
"""A folder of runs of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.executor.runs import Runs


@pytest.fixture(params=["cold", "warm"])
def runs(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Runs]:
    """Real runs, under supervisors started by themselves and under those of a warm interpreter; whatever of them is
    left is killed at the end.
    """
    found = Runs(tmp_path.resolve(), warm=request.param == "warm")
    yield found
    found.close()
