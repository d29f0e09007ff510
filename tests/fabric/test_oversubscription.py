# SPDX-License-Identifier: Apache-2.0
"""No share is given twice, whoever is killed when: a seeded sample of what `bench/soak/oversubscription.py` does at
length."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from tests.fabric.rows_storm import Counts, RowStorm, agree, churn
from tests.fabric.storm import Storm


@pytest.mark.parametrize("seed", range(2))
def test_no_device_is_given_beyond_itself_while_everything_is_killed_between_any_two_steps(seed: int) -> None:
    storm = Storm(seed)
    storm.run(1500)
    assert storm.kills > 20
    assert storm.granted > 300


@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_thousand_reservations_on_old_pictures_give_no_device_beyond_itself(seed: int) -> None:
    counts = RowStorm(seed).run(20_000)
    assert counts.kills > 200
    assert counts.granted > 1000


def test_nor_do_they_on_a_store_in_a_file(tmp_path: Path) -> None:
    counts = RowStorm(7, tmp_path / "state.db", kills=0.05).run(1000)
    assert counts.kills > 30
    assert counts.granted > 50


def test_nor_do_threads_that_reserve_on_one_store_at_once(tmp_path: Path) -> None:
    storm, counts = RowStorm(1, tmp_path / "state.db"), [Counts() for _ in range(8)]
    threads = [
        threading.Thread(target=churn, args=(storm.state, storm.people, random.Random(seed), one, 100))
        for seed, one in enumerate(counts)
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        agree(storm.state)
        threads[0].join(0.01)
    for thread in threads:
        thread.join()
    agree(storm.state)
    assert sum(one.reservations for one in counts) == 800
    assert sum(one.granted for one in counts) > 50
    storm.state.close()
