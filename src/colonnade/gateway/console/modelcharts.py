# SPDX-License-Identifier: Apache-2.0
"""From numbers of a model to what its page draws: metrics on a time axis, a step line for what was live, intervals.

Pure: no backend call, no markup, no chart library. Places along a width are text for SVG attributes ("37.5%"), because
a page is as wide as it is; heights are pixels. Lines are in units of `WIDE` and stretched.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.gateway.console import present

WIDE = 1000
HEIGHT = 150
TOP, BOTTOM = 26, 10
"""Pixels above the highest value (for the marks' names) and below the lowest."""
SIDE = 0.015
"""Of the width, left free on both sides."""
APART = 0.05
"""Marks that stand closer than this share of the width are named once."""
CLOSE = 0.02
"""Points that stand closer than this share of the width cannot be told apart."""
GAP = 6
"""Times the usual distance in time: where nothing was told for so long, a line is broken."""
TICKS = 3
HOLLOW = {"refused", "rolled_back", "superseded", "failed"}


@dataclass(frozen=True, slots=True)
class Point:
    """A candidate (or a window of answers) in a chart; `kind` is its outcome, `ref` what led to it."""

    x: str
    y: float
    kind: str
    title: str
    ref: str


@dataclass(frozen=True, slots=True)
class Mark:
    """An upright line with a name ("v3"), which is "" where another one is too close."""

    x: str
    name: str
    title: str
    kind: str = "promoted"


@dataclass(frozen=True, slots=True)
class Limit:
    """A dashed line: a gate's limit."""

    y: float
    said: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One metric over time. `live` and `band` are paths; `ticks` (y, text); `ends` the first and last time."""

    name: str
    now: str
    points: tuple[Point, ...]
    live: str
    band: str
    limit: Limit | None
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    ends: tuple[int, int] | None
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class Axis:
    """Where a moment lies, 0 to 1: by the clock, or by place in a list of moments, equally far apart."""

    moments: tuple[int, ...]
    even: bool = False

    def at(self, ms: int) -> float:
        """0 is the left end, 1 the right one; what lies outside is put at the end."""
        if len(self.moments) < 2:
            return 0.5
        first, last = self.moments[0], self.moments[-1]
        ms = min(max(ms, first), last)
        if not self.even:
            share = (ms - first) / max(1, last - first)
        else:
            before = max(place for place, one in enumerate(self.moments) if one <= ms)
            gap = self.moments[min(before + 1, len(self.moments) - 1)] - self.moments[before]
            share = (before + ((ms - self.moments[before]) / gap if gap else 0)) / (len(self.moments) - 1)
        return SIDE + (1 - 2 * SIDE) * share

    @property
    def crowded(self) -> bool:
        """Whether most moments lie so close to the one before that the clock tells nothing of them."""
        places = [self.at(one) for one in self.moments]
        close = sum(after - before < CLOSE for before, after in itertools.pairwise(places))
        return close > (len(places) - 1) / 2


def axis_of(moments: Iterable[int], wanted: str = "") -> Axis:
    """Over moments in any order. `wanted`: time, runs (equally far apart), or "" for what can be read."""
    axis = Axis(tuple(sorted(set(moments))))
    return Axis(axis.moments, True) if wanted == "runs" or (wanted != "time" and axis.crowded) else axis


def moments_of(history: Sequence[Mapping[str, Any]], moves: Sequence[Mapping[str, Any]]) -> list[int]:
    """When the pipelines that measured something ended, and when somebody went back since the first of them."""
    ended = [_ended(one) for one in history if one["metrics"] and one["ended"]]
    return ended + [move["at_ms"] for move in moves if move["back"] and ended and move["at_ms"] > min(ended)]


def metrics_of(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """Every metric that any pipeline measured: those of the gates first, as they are declared."""
    gated: Sequence[Mapping[str, Any]] = next((one["gates"] for one in history if one["gates"]), [])
    names = dict.fromkeys(gate["metric"] for gate in gated)
    for one in history:
        names |= dict.fromkeys(one["metrics"])
    return [name for name in names if any(_finite(one["metrics"].get(name)) for one in history)]


def metric_chart(
    metric: str, history: Sequence[Mapping[str, Any]], moves: Sequence[Mapping[str, Any]], axis: Axis,
    *, height: int = HEIGHT,
) -> Chart:  # fmt: skip
    """One metric of every candidate, with the live version's as a line.

    Args:
        history: of the model, newest first.
        moves: each time that another version became live, oldest first.
    """
    told = [one for one in reversed(history) if one["ended"] and _finite(one["metrics"].get(metric))]
    limit = _limit(metric, history)
    values = [float(one["metrics"][metric]) for one in told]
    plain = height < HEIGHT
    scale = _scale([*values, *([limit[0]] if limit and not plain else [])], height, 5 if plain else TOP,
                   5 if plain else BOTTOM)  # fmt: skip
    by_version = {one["version"]: float(one["metrics"][metric]) for one in told if one["version"]}
    points = tuple(
        Point(_percent(axis.at(_ended(one))), round(scale(float(one["metrics"][metric])), 1), one["outcome"],
              f"{metric} {number(one['metrics'][metric])} · {outcome(one)} · {present.clock(_ended(one))}", one["ref"])
        for one in told
    )  # fmt: skip
    lived = [(axis.at(move["at_ms"]), by_version.get(move["version"])) for move in moves]
    last = next((value for _, value in reversed(lived) if value is not None), None)
    return Chart(
        metric, number(last) if last is not None else "", points, _steps(lived, scale), "",
        Limit(round(scale(limit[0]), 1), limit[1]) if limit and not plain else None,
        () if plain else marks_of(moves, axis), () if plain else _ticks(scale, values, limit),
        (axis.moments[0], axis.moments[-1]) if axis.moments else None, height,
    )  # fmt: skip


def quality_chart(
    told: Mapping[str, Any], moves: Sequence[Mapping[str, Any]], rings: Iterable[Any], wanted: str = ""
) -> Chart:
    """How wrong a service's answers turned out to be: windows with their intervals, alarms and moves as marks."""
    points = told["points"]
    axis = axis_of([one["at_ms"] for one in points], wanted)
    tolerated = told["tolerated"]
    values = [one[key] for one in points for key in ("low", "high")] + ([tolerated] if tolerated is not None else [])
    scale = _scale(values, HEIGHT, TOP, BOTTOM)
    first, last = axis.moments[0], axis.moments[-1]
    marks = list(marks_of([move for move in moves if first < move["at_ms"] <= last], axis))
    marks += [
        Mark(_percent(axis.at(ring["at_ms"])), "alarm", f"{ring['message']} · {present.clock(ring['at_ms'])}", "alarm")
        for ring in rings
        if ring["service"] == told["service"] and ring["measure"] == "wrong" and first <= ring["at_ms"] <= last
    ]
    drawn = tuple(
        Point(_percent(axis.at(one["at_ms"])), round(scale(one["wrong"]), 1), "window",
              f"{number(one['wrong'])} [{number(one['low'])}, {number(one['high'])}] on {one['rows']} rows · version "
              f"{one['version'][7:19]} · {present.clock(one['at_ms'])}", "")
        for one in points
    )  # fmt: skip
    parts = _unbroken(points)
    line = " ".join(_path([(axis.at(one["at_ms"]), scale(one["wrong"])) for one in part]) for part in parts)
    band = " ".join(
        _path([(axis.at(one["at_ms"]), scale(one["high"])) for one in part]
              + [(axis.at(one["at_ms"]), scale(one["low"])) for one in reversed(part)]) + " Z"
        for part in parts
    )  # fmt: skip
    limit = Limit(round(scale(tolerated), 1), f"expected {number(tolerated)}") if tolerated is not None else None
    return Chart(told["service"], number(points[-1]["wrong"]), drawn, line, band, limit, tuple(marks),
                 _ticks(scale, values, None), (first, last))  # fmt: skip


def marks_of(moves: Sequence[Mapping[str, Any]], axis: Axis) -> tuple[Mark, ...]:
    """An upright line where a version became live; named where there is room, the newest first."""
    found: list[Mark] = []
    room = math.inf
    for move in reversed(moves):
        at = axis.at(move["at_ms"])
        name = f"v{move['generation']}" if room - at >= APART else ""
        room = at if name else room
        how = "rolled back to" if move["back"] else "live from here:"
        title = f"{how} {move['version'][7:19]}, version {move['generation']} · {present.clock(move['at_ms'])}"
        found.append(Mark(_percent(at), name, title, "back" if move["back"] else "promoted"))
    return tuple(reversed(found))


@dataclass(frozen=True, slots=True)
class Interval:
    """A measure of a rollout: places of the difference and of what is tolerated, and how full the evidence bar is."""

    measure: str
    champion: str
    challenger: str
    said: str
    low: str
    width: str
    middle: str
    tolerated: str
    evidence: str
    proved: bool
    compared: int


def interval_of(measure: Mapping[str, Any]) -> Interval:
    """Challenger less champion, where the middle is "no difference" and the right is worse. Evidence is drawn by its
    logarithm: half of the bar is the root of what is needed.
    """
    both = measure["champion"] is not None and measure["challenger"] is not None
    by = measure["challenger"] - measure["champion"] if both else 0.0
    low, high = measure["low"], measure["high"]
    known = both and _finite(low) and _finite(high)
    reach = max(1.6 * measure["tolerance"], abs(low) if known else 0.0, abs(high) if known else 0.0, abs(by), 1e-9)
    full = math.log(max(1.0, measure["e_value"])) / math.log(max(1.0001, measure["needed"]))
    return Interval(
        _measure_name(measure["measure"]), _share(measure["champion"]), _share(measure["challenger"]),
        f"{100 * by:+.2f} points [{100 * low:+.2f}, {100 * high:+.2f}]" if known else "nothing to compare yet",
        _percent(_around(low, reach) if known else 0.5),
        _percent((high - low) / (2 * reach) if known else 0), _percent(_around(by, reach)) if known else "",
        _percent(_around(measure["tolerance"], reach)), _percent(min(1.0, full)),
        measure["e_value"] >= measure["needed"], measure["compared"],
    )  # fmt: skip


def number(value: float) -> str:
    """A metric as people read it.

    >>> number(0.828318), number(12345.6), number(0)
    ('0.8283', '12,346', '0')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def outcome(one: Mapping[str, Any]) -> str:
    """A pipeline's outcome in words, with the beginning of its reason."""
    said = str(one["outcome"]).replace("_", " ")
    reason = (one["reason"] or "").split("; ")[0]
    return f"{said}: {reason}" if reason and one["outcome"] in HOLLOW else said


def _measure_name(measure: str) -> str:
    names = {"errors": "failed requests", "invalid": "invalid answers", "slow": "slow answers",
             "quality": "wrong answers"}  # fmt: skip
    kind, _, group = measure.partition(":")
    return f"{names.get(kind, kind)}, group {group}" if group else names.get(kind, kind)


def _limit(metric: str, history: Sequence[Mapping[str, Any]]) -> tuple[float, str] | None:
    """The fixed limit of the newest gate on all held-out rows; on which side it lies follows from what passed."""
    for gate in (gate for one in history for gate in one["gates"]):
        fixed = gate["against"] == "limit" and _finite(gate["limit"]) and not gate["where"]
        if fixed and gate["metric"] == metric and _finite(gate["value"]):
            least = (gate["value"] >= gate["limit"]) == gate["passed"]
            return gate["limit"], f"at {'least' if least else 'most'} {number(gate['limit'])}"
    return None


Scale = Callable[[float], float]


def _scale(values: Sequence[float], height: int, top: int, bottom: int) -> Scale:
    """Value to pixels from above; a metric that never moved lies in the middle."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    return lambda value: top + (height - top - bottom) * (high - value) / (high - low)


def _ticks(scale: Scale, values: Sequence[float], limit: tuple[float, str] | None) -> tuple[tuple[float, str], ...]:
    """Round values within the range, about `TICKS` of them."""
    every = [*values, *([limit[0]] if limit else [])]
    low, high = min(every, default=0.0), max(every, default=1.0)
    if high - low < 1e-12:
        return ((round(scale(low), 1), number(low)),)
    raw = (high - low) / TICKS
    size = 10 ** math.floor(math.log10(raw))
    step = next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= raw * 0.99)
    digits = max(0, -math.floor(math.log10(step)) + (1 if f"{step:e}"[2] == "5" else 0))
    first = math.ceil(low / step - 1e-9)
    return tuple(
        (round(scale(place * step), 1), f"{place * step:.{digits}f}")
        for place in range(first, math.floor(high / step + 1e-9) + 1)
    )


def _steps(lived: Sequence[tuple[float, float | None]], scale: Scale) -> str:
    """A line that keeps its height until the next version is live, to the right end."""
    pieces, pen = [], False
    for at, value in lived:
        x = round(at * WIDE, 1)
        if value is None:
            pieces += [f"H{x}"] if pen else []
            pen = False
            continue
        y = round(scale(value), 1)
        pieces += [f"H{x} V{y}"] if pen else [f"M{x} {y}"]
        pen = True
    return " ".join([*pieces, f"H{WIDE}"] if pen else pieces)


def _unbroken(points: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Stretches without a long silence."""
    gaps = [after["at_ms"] - before["at_ms"] for before, after in itertools.pairwise(points)]
    long = GAP * sorted(gaps)[len(gaps) // 2] if gaps else 0
    parts = [[points[0]]]
    for gap, one in zip(gaps, points[1:], strict=True):
        parts = [*parts, [one]] if gap > long else [*parts[:-1], [*parts[-1], one]]
    return parts


def _path(places: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{'L' if n else 'M'}{round(x * WIDE, 1)} {round(y, 1)}" for n, (x, y) in enumerate(places))


def _around(value: float, reach: float) -> float:
    return min(1.0, max(0.0, 0.5 + value / (2 * reach)))


def _percent(share: float) -> str:
    return f"{round(100 * share, 2):g}%"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _ended(one: Mapping[str, Any]) -> int:
    return present.parse_moment(one["ended"]) or 0
