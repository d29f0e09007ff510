# SPDX-License-Identifier: Apache-2.0
"""No share is given twice, whoever is killed when: a seeded sample of what `bench/soak/oversubscription.py` does at
length."""

from __future__ import annotations

import pytest

from tests.fabric.storm import Storm


@pytest.mark.parametrize("seed", range(2))
def test_no_device_is_given_beyond_itself_while_everything_is_killed_between_any_two_steps(seed: int) -> None:
    storm = Storm(seed)
    storm.run(1500)
    assert storm.kills > 20
    assert storm.granted > 300
