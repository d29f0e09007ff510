# SPDX-License-Identifier: Apache-2.0
"""What every vector engine must do.

An engine's test is a subclass with one fixture: `make`, which gives an empty engine for a number of dimensions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from colonnade.ports.outside.vectors import Scope, Vectors

DIMENSIONS = 64


def unit_vectors(count: int, seed: int, dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    """[count, dimensions] random unit vectors in clusters, as embeddings are."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((max(1, count // 20), dimensions))
    rows = centres[random.integers(len(centres), size=count)] + 0.7 * random.standard_normal((count, dimensions))
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def scope_of(rows: list[int] | NDArray[np.int64], count: int) -> Scope:
    """The scope of these rows among `count`."""
    mask = np.zeros(count, bool)
    mask[rows] = True
    return Scope(np.flatnonzero(mask), mask)


def as_set(vectors: NDArray[np.float64]) -> list[bytes]:
    """The vectors, whatever their order."""
    return sorted(row.tobytes() for row in vectors)


class VectorsConformance:
    """Subclass it, and give the fixture `make`."""

    def test_a_vector_is_kept_to_about_half_precision(self, make: Callable[[int], Vectors]) -> None:
        engine, rows = make(DIMENSIONS), unit_vectors(50, 1)
        engine.put(0, rows)
        assert np.abs(engine.vectors(np.arange(50)) - rows).max() < 2e-5

    def test_a_row_is_found_the_moment_it_is_put(self, make: Callable[[int], Vectors]) -> None:
        engine, rows = make(DIMENSIONS), unit_vectors(600, 2)
        for at in range(600):
            engine.put(at, rows[at : at + 1])
            if at % 50 == 0:
                assert at in engine.shortlist(rows[at], scope_of(np.arange(at + 1), at + 1), 5)

    def test_putting_again_replaces(self, make: Callable[[int], Vectors]) -> None:
        engine, rows = make(DIMENSIONS), unit_vectors(400, 3)
        engine.put(0, rows)
        engine.shortlist(rows[7], scope_of(np.arange(400), 400), 10)
        engine.put(5, rows[7:8])
        assert 5 in engine.shortlist(rows[7], scope_of(np.arange(400), 400), 2)

    def test_an_empty_scope_gives_nothing_and_a_small_one_all(self, make: Callable[[int], Vectors]) -> None:
        engine, rows = make(DIMENSIONS), unit_vectors(100, 4)
        engine.put(0, rows)
        assert engine.shortlist(rows[0], scope_of([], 100), 10).tolist() == []
        assert engine.shortlist(rows[0], scope_of([3, 50, 99], 100), 3).tolist() == [3, 50, 99]

    @pytest.mark.parametrize("share", [1.0, 0.3, 0.02])
    def test_the_shortlist_holds_the_nearest_permitted_rows(self, make: Callable[[int], Vectors], share: float) -> None:
        engine, rows = make(DIMENSIONS), unit_vectors(6000, 5)
        engine.put(0, rows)
        permitted = np.flatnonzero(np.random.default_rng(6).random(6000) < share)
        scope, found = scope_of(permitted, 6000), 0
        for query in unit_vectors(40, 7):
            shortlist = engine.shortlist(query, scope, 300)
            nearest = permitted[np.argsort(-(rows[permitted] @ query))[:10]]
            assert np.isin(shortlist, permitted).all()
            assert len(shortlist) >= min(300, len(permitted))
            found += int(np.isin(nearest, shortlist).sum())
        assert found >= 0.99 * 400

    def test_starvation_the_near_ones_are_forbidden(self, make: Callable[[int], Vectors]) -> None:
        """99 % of the nearest neighbours may not be read; the permitted ones are found as by brute force."""
        engine, rows = make(DIMENSIONS), unit_vectors(6000, 8)
        engine.put(0, rows)
        found = 0
        for query in unit_vectors(20, 9):
            order = np.argsort(-(rows @ query))
            forbidden = order[:3000][np.arange(3000) % 100 != 0]
            permitted = np.setdiff1d(np.arange(6000), forbidden)
            nearest = permitted[np.argsort(-(rows[permitted] @ query))[:10]]
            found += int(np.isin(nearest, engine.shortlist(query, scope_of(permitted, 6000), 300)).sum())
        assert found >= 0.99 * 200

    def test_equal_vectors_are_taken_or_left_together(self, make: Callable[[int], Vectors]) -> None:
        engine, rows = make(DIMENSIONS), unit_vectors(1000, 10)
        rows[200:900] = rows[200]
        engine.put(0, rows)
        shortlist = engine.shortlist(rows[200], scope_of(np.arange(1000), 1000), 50)
        assert np.isin(np.arange(200, 900), shortlist).all()

    def test_hidden_rows_order_and_batches_change_nothing(self, make: Callable[[int], Vectors]) -> None:
        """The shortlist of a scope is that of an engine which holds only the scope, put in another order."""
        rows, random = unit_vectors(3000, 11), np.random.default_rng(12)
        whole = make(DIMENSIONS)
        whole.put(0, rows)
        permitted = np.sort(random.choice(3000, 900, replace=False))
        alone, at = make(DIMENSIONS), 0
        for batch in np.array_split(random.permutation(permitted), 37):
            alone.put(at, rows[batch])
            at += len(batch)
        for query in unit_vectors(30, 13):
            one = whole.vectors(whole.shortlist(query, scope_of(permitted, 3000), 100))
            two = alone.vectors(alone.shortlist(query, scope_of(np.arange(900), 900), 100))
            assert as_set(one) == as_set(two)

    def test_what_was_stored_is_restored(self, make: Callable[[int], Vectors]) -> None:
        engine, rows = make(DIMENSIONS), unit_vectors(700, 14)
        engine.put(3, rows)
        other, third = make(DIMENSIONS), make(DIMENSIONS)
        other.restore(engine.stored(710))
        third.restore(engine.stored(710), engine.derived(710))
        scope = scope_of(np.arange(3, 703), 710)
        assert np.array_equal(other.stored(710), engine.stored(710))
        assert not engine.stored(710)[703:].any()
        for query in rows[:20]:
            expected = engine.shortlist(query, scope, 30)
            assert np.array_equal(other.shortlist(query, scope, 30), expected)
            assert np.array_equal(third.shortlist(query, scope, 30), expected)

    def test_searches_run_while_rows_are_put(self, make: Callable[[int], Vectors]) -> None:
        engine, rows = make(DIMENSIONS), unit_vectors(4000, 15)
        engine.put(0, rows[:500])
        scope, wrong = scope_of(np.arange(500), 500), []

        def search() -> None:
            for query in rows[:200]:
                if not np.isin(np.argmax(rows[:500] @ query), engine.shortlist(query, scope, 60)):
                    wrong.append(query)

        threads = [threading.Thread(target=search) for _ in range(2)]
        for thread in threads:
            thread.start()
        for at in range(500, 4000, 100):
            engine.put(at, rows[at : at + 100])
        for thread in threads:
            thread.join()
        assert not wrong

    def test_many_rows_are_searched_as_well_as_few(self, make: Callable[[int], Vectors]) -> None:
        """Above some size an engine may go about it in another way; what it promises stays the same."""
        engine, rows = make(DIMENSIONS), unit_vectors(50_000, 16)
        rows[40_000:40_700] = rows[40_000]
        engine.put(0, rows)
        scope, found = scope_of(np.arange(50_000), 50_000), 0
        for query in unit_vectors(20, 17):
            nearest = np.argsort(-(rows @ query))[:10]
            found += int(np.isin(nearest, engine.shortlist(query, scope, 400)).sum())
        assert found >= 0.99 * 200
        assert np.isin(np.arange(40_000, 40_700), engine.shortlist(rows[40_000], scope, 50)).all()
