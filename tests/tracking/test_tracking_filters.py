# SPDX-License-Identifier: Apache-2.0
"""The search language: what is read means what it says, what cannot be read is refused, sorting is one order."""

from __future__ import annotations

import contextlib
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.core.errors import UsageError
from colonnade.lifecycle.tracking import filters, pages
from colonnade.lifecycle.tracking.filters import Clause, Order
from colonnade.lifecycle.tracking.search import LANGUAGE


def test_names_may_be_plain_quoted_in_backticks_or_aliases() -> None:
    text = """metric.a.b-c/d >= -1.5e3 and parameters.`x y` != 'it''s' AND tags."k.k" ILIKE "%A_" AND Created < 12"""
    assert filters.parse_filter(text, LANGUAGE) == [
        Clause("metric", "a.b-c/d", ">=", -1500.0),
        Clause("param", "x y", "!=", "it's"),
        Clause("tag", "k.k", "ILIKE", "%A_"),
        Clause("attribute", "start_time", "<", 12),
    ]
    assert filters.parse_order(["attributes.`Run name` DESC", "metrics.`a b`"], LANGUAGE) == [
        Order("attribute", "run_name", ascending=False),
        Order("metric", "a b", ascending=True),
    ]


@given(st.text())
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    for read in (filters.parse_filter, lambda one, language: filters.parse_order([one], language)):
        with contextlib.suppress(UsageError):
            read(text, LANGUAGE)


@given(st.text(alphabet="ab%_.\n*"), st.text(alphabet="ab.\n*"))
def test_like_means_what_sql_means(pattern: str, value: str) -> None:
    expected = re.fullmatch("".join({"%": "[\\s\\S]*", "_": "[\\s\\S]"}.get(c, re.escape(c)) for c in pattern), value)
    clause = Clause("tag", "t", "LIKE", pattern)
    assert filters.matches([clause], lambda _entity, _key: value) == (expected is not None)


@given(st.lists(st.one_of(st.none(), st.floats()), max_size=8), st.booleans())
def test_sorting_puts_numbers_in_order_then_nan_then_what_is_absent(values: list[float | None], up: bool) -> None:
    place = filters.sort_key([Order("metric", "m", up)])
    ordered = sorted(values, key=lambda value: place(lambda _entity, _key: value))
    numbers = [v for v in ordered if v is not None and not math.isnan(v)]
    assert numbers == sorted(numbers, reverse=not up)
    ranks = [2 if v is None else 1 if math.isnan(v) else 0 for v in ordered]
    assert ranks == sorted(ranks)


@given(st.lists(st.integers(), max_size=30), st.integers(1, 10))
def test_pages_put_together_are_the_whole(found: list[int], size: int) -> None:
    seen: list[int] = []
    token = ""
    while True:
        shown, token = pages.page(found, size, token)
        seen += shown
        if not token:
            break
    assert seen == found


@pytest.mark.parametrize("token", ["x", "e30=", "eyJvZmZzZXQiOiAtMX0="])
def test_a_token_that_is_none_of_ours_is_refused(token: str) -> None:
    with pytest.raises(UsageError):
        pages.page([1], 1, token)
