# SPDX-License-Identifier: Apache-2.0
"""A forecast from the cache is the one that would be learned, and a bad file in the cache is as good as none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from colonnade.app import forecasts
from colonnade.core.claims import Claim
from colonnade.fabric.placement.cluster import DeviceSpec, NodeSpec

NODES = [NodeSpec(f"n{n}", 32_000, 1 << 18, (DeviceSpec("T4"),) * 2) for n in range(3)]
HISTORY = [Claim(1, 500, cpu_milli=4000), Claim(1, 500, cpu_milli=4000), Claim(cpu_milli=8000)]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "colonnade/forecasts"


def test_the_second_asking_reads_what_the_first_learned(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = forecasts.forecast_for(NODES, HISTORY)
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(forecasts, "learn", None)
    again = forecasts.forecast_for(list(reversed(NODES)), list(reversed(HISTORY)))
    assert np.array_equal(again.device, first.device)
    assert np.array_equal(again.opens, first.opens)


def test_other_nodes_and_other_histories_have_forecasts_of_their_own(cache: Path) -> None:
    forecasts.forecast_for(NODES, HISTORY)
    forecasts.forecast_for(NODES[:2], HISTORY)
    forecasts.forecast_for(NODES, HISTORY[:2])
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("text", [b"", b"nonsense", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_learned_anew(cache: Path, text: bytes) -> None:
    first = forecasts.forecast_for(NODES, HISTORY)
    (path,) = cache.iterdir()
    path.write_bytes(text)
    assert np.array_equal(forecasts.forecast_for(NODES, HISTORY).device, first.device)
    assert path.stat().st_size > len(text)


def test_a_cache_that_cannot_be_written_is_no_trouble(cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    found = forecasts.forecast_for(NODES, HISTORY)
    assert np.isfinite(found.parameters).all()
    assert cache.is_file()
