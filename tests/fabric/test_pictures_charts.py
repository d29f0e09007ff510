# SPDX-License-Identifier: Apache-2.0
"""Charts put what they are told where it belongs."""

from __future__ import annotations

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from colonnade.app.pictures.chart import chart
from colonnade.app.pictures.panels import PALETTE, Axis, Bars, Lines, Panel, Series, apart, scale


def colours(png: bytes) -> dict[tuple[int, ...], tuple[int, int]]:
    """By colour, how many pixels have it, and the lowest of their rows."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = image.convert("RGB")
        found: dict[tuple[int, ...], tuple[int, int]] = {}
        data = pixels.tobytes()
        for at in range(0, len(data), 3):
            colour = tuple(data[at : at + 3])
            count, _ = found.get(colour, (0, 0))
            found[colour] = (count + 1, at // 3 // pixels.width)
        return found


def rgb(code: str) -> tuple[int, ...]:
    """A colour's channels."""
    return tuple(bytes.fromhex(code[1:]))


def test_each_line_is_drawn_in_a_colour_of_its_own_and_strong_comes_first() -> None:
    series = [Series("a", [1.0, 2.0], [0.0, 1.0]), Series("b", [2.0, 1.0], [0.0, 1.0], strong=True)]
    found = colours(chart("A finding", [[Lines("Panel", series)]]))
    assert found[rgb(PALETTE[0])][0] > found[rgb(PALETTE[1])][0] > 100


def test_a_longer_bar_has_more_ink_in_proportion() -> None:
    bars = Bars("Panel", [Series("a", [30.0], strong=True), Series("b", [10.0], strong=True)])
    found = colours(chart("A finding", [[bars]]))
    assert found[rgb(PALETTE[0])][0] / found[rgb(PALETTE[1])][0] == pytest.approx(3.0, rel=0.1)


def test_a_chart_has_the_size_that_was_asked_for_and_the_same_bytes_twice() -> None:
    panels: list[list[Panel]] = [
        [Lines("Panel", [Series("a", [1.0, 2.0], [0.0, 1.0])]), Bars("Panel", [Series("a", [0.0])])]
    ]
    first = chart("A finding", panels, width=500, height=300)
    assert first == chart("A finding", panels, width=500, height=300)
    with Image.open(io.BytesIO(first)) as image:
        assert image.size == (1000, 600)


def test_a_line_of_one_point_and_a_title_too_long_are_no_trouble() -> None:
    drawn = chart("A finding that goes on and on " * 9, [[Lines("Panel", [Series("a", [1.0], [1.0])])]])
    with Image.open(io.BytesIO(drawn)) as image:
        image.verify()
        assert image.format == "PNG"


def test_ticks_are_round_and_hold_the_data() -> None:
    along, ticks = scale(Axis(), [71.3, 95.4])
    assert ticks == [70.0, 75.0, 80.0, 85.0, 90.0, 95.0, 100.0]
    assert 0 < along(71.3) < along(95.4) < 1
    assert scale(Axis(low=0.0, high=130.0), [])[1] == [0.0, 50.0, 100.0]


@given(st.lists(st.floats(-50, 150), min_size=1, max_size=8))
def test_labels_do_not_touch_stay_in_order_and_inside(wanted: list[float]) -> None:
    places = apart(wanted, 10.0, 0.0, 100.0)
    paired = sorted(zip(wanted, places, strict=True))
    rising = sorted(places)
    assert all(b - a > 10.0 - 1e-6 for a, b in pairwise(rising))
    assert [p for _, p in paired] == sorted(p for _, p in paired) or len(set(wanted)) < len(wanted)
    assert rising[0] > -1e-6
    assert rising[-1] < 100.0 + 1e-6
