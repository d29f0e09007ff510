# SPDX-License-Identifier: Apache-2.0
"""The picture of `colonnade simulate`: allocation and fragmentation over arrivals, and waits by job size.

Made from the document that `--json` prints, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.app.pictures.chart import chart
from colonnade.app.pictures.panels import Axis, Bars, Lines, Panel, Series

KIND_NAMES = {"share": "a share of one", "whole": "one GPU", "multi": "two GPUs and more", "cpu": "no GPU"}


def picture(document: Mapping[str, Any]) -> bytes:
    """A PNG of 1600 x 1000 pixels, or 1600 x 1600 with departures."""
    rows: list[list[Panel]] = [[_allocated(document), _fragmented(document)]]
    if document["departures"]:
        rows.append([_waits(document)])
    return chart(finding(document), rows, subtitle=_ground(document), height=500 if len(rows) == 1 else 800)


def finding(document: Mapping[str, Any]) -> str:
    """What the difference between the first policy and the best of the others is worth."""
    policies = document["policies"]
    first, others = policies[0], policies[1:]
    if not others:
        return f"{first['policy']} keeps {first['allocated_share']:.1%} of {document['nodes']['gpus']:,} GPUs in use"
    best = max(others, key=lambda policy: int(policy["allocated_milli"]))
    more = round((first["allocated_milli"] - best["allocated_milli"]) / 1000)
    if not more:
        return f"{first['policy']} keeps as many GPUs in use as {best['policy']}"
    word = "more" if more > 0 else "fewer"
    plural = "" if abs(more) == 1 else "s"
    return f"{first['policy']} keeps {abs(more):,} {word} GPU{plural} in use than {best['policy']}"


def _ground(document: Mapping[str, Any]) -> str:
    nodes, arrived = document["nodes"], sum(document["policies"][0]["arrivals"].values())
    return (
        f"{nodes['gpus']:,} GPUs on {nodes['count']:,} nodes; {arrived:,} arrivals from {document['pods']['source']}, "
        f"seed {document['seed']}"
    )


def _series(document: Mapping[str, Any], column: str) -> list[Series]:
    return [
        Series(
            policy["policy"],
            [100 * y for y in policy["curve"][column]],
            [100 * x for x in policy["curve"]["asked_share"]],
            strong=number == 0,
        )
        for number, policy in enumerate(document["policies"])
    ]


def _allocated(document: Mapping[str, Any]) -> Lines:
    """Only where policies differ: before that every line is the diagonal."""
    series = _series(document, "allocated_share")
    end = 100 * document["ratio"]
    parts = [_parts(one.x, one.y) for one in series]
    start = max(0.0, 10 * (min(parts) // 10) - 10) if parts else 0.0
    return Lines(
        "GPUs in use",
        series,
        x=Axis("GPUs asked for so far, % of all", "{:.0f}".format, low=min(start, end - 20), high=end),
        y=Axis("% of all GPUs", "{:.1f}".format, high=100.0),
        note="nothing leaves: what is refused is refused for good",
    )


def _parts(x: Sequence[float], y: Sequence[float]) -> float:
    """Where a line leaves the diagonal."""
    return next((a for a, b in zip(x, y, strict=True) if a - b > 0.5), x[-1])


def _fragmented(document: Mapping[str, Any]) -> Lines:
    return Lines(
        "Free, and of no use to typical work",
        _series(document, "fragmentation_share"),
        x=Axis("GPUs asked for so far, % of all", "{:.0f}".format, low=0.0, high=100 * document["ratio"]),
        y=Axis("% of all GPUs", "{:.1f}".format, low=0.0),
        note="fragmentation as in Weng et al., USENIX ATC 2023",
    )


def _waits(document: Mapping[str, Any]) -> Bars:
    policies, settings = document["policies"], document["departures"]
    kinds = [kind for kind in KIND_NAMES if any(kind in policy["waits"]["by_size"] for policy in policies)]
    series = [
        Series(
            policy["policy"],
            [policy["waits"]["by_size"].get(kind, {}).get("mean_ms", 0) / 1000 for kind in kinds],
            strong=number == 0,
        )
        for number, policy in enumerate(policies)
    ]
    return Bars(
        "Mean wait by what a job asks for",
        [KIND_NAMES[kind] for kind in kinds],
        series,
        y=Axis("a step is ten times as long", _span, log=True),
        note=f"with departures: {settings['jobs']:,} jobs at load {settings['load']:g}, run times of the trace",
    )


def _span(seconds: float) -> str:
    """A time in few letters."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}" if seconds < 10 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
