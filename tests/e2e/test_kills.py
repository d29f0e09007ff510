# SPDX-License-Identifier: Apache-2.0
"""Real processes of a copy of `examples/credit`, killed while it lives: `soak/lifecycle_processes.py` in short."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak.lifecycle_processes import LIFE, holds, soak

pytestmark = pytest.mark.slow


def test_killed_while_it_trains_judges_and_promotes_it_ends_as_an_undisturbed_one_and_leaves_no_process(
    tmp_path: Path,
) -> None:
    found = soak(tmp_path, kills=4, seed=2, life=LIFE[:2])
    assert holds(found), found
    assert found["kills"] == 4
    assert found["pipelines"] == 2
