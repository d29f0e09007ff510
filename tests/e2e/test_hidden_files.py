# SPDX-License-Identifier: Apache-2.0
"""What a reader gets equals what a project of only the permitted files gives (Seen from outside 3). At length:
bench/soak.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.soak.noninterference import compare


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_random_pairs_of_reader_and_query_do_not_depend_on_what_is_hidden(tmp_path: Path) -> None:
    ran = compare(tmp_path, pairs=400, count=60, seed=3)
    assert ran["pairs"] == 400
    assert ran["different"] == 0, ran["examples"]
