# SPDX-License-Identifier: Apache-2.0
"""The picture of `colonnade simulate`: allocation and fragmentation over arrivals, and waits by job size.

Made from the document that `--json` prints, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colonnade.app.pictures.chart import chart
from colonnade.app.pictures.panels import Axis, Bars, Lines, Panel, Series
from colonnade.app.simulated import finding, shown, span

KIND_NAMES = {"share": "a share of a GPU", "whole": "one GPU", "multi": "two GPUs or more", "cpu": "no GPU"}


def picture(document: Mapping[str, Any], bound_share: float | None = None) -> bytes:
    """A PNG of 1600 x 1000 pixels, and more below it with departures.

    Args:
        document: what `--json` prints.
        bound_share: of the GPUs, what nobody can exceed, where that is known.
    """
    rows: list[list[Panel]] = [[_allocated(document, bound_share), _fragmented(document)]]
    if document["departures"]:
        rows.append(_waits(document))
    rows = [row for row in rows if row]
    lower = 44 + 24 * len(document["policies"]) if len(rows) > 1 else 0
    height = 500 + (lower + 34 if lower else 0)
    return chart(finding(document), rows, subtitle=_ground(document), height=height, lower=lower)


def _ground(document: Mapping[str, Any]) -> str:
    nodes, left = document["nodes"], document["departures"]
    arrived = sum(document["policies"][0]["arrivals"].values())
    said = f"{nodes['gpus']:,} GPUs on {nodes['count']:,} nodes; {arrived:,} arrivals from {document['pods']['source']}"
    more = f"; with departures {left['jobs']:,} jobs at load {left['load']:g}" if left else ""
    return f"{said}{more}; seed {document['seed']}"


def _series(document: Mapping[str, Any], column: str) -> list[Series]:
    return [
        Series(
            shown(policy["policy"]),
            [100 * y for y in policy["curve"][column]],
            [100 * x for x in policy["curve"]["asked_share"]],
            strong=number == 0,
        )
        for number, policy in enumerate(document["policies"])
    ]


def _allocated(document: Mapping[str, Any], bound_share: float | None) -> Lines:
    """From shortly below what the first policy reaches: until then every line is close to the diagonal."""
    series, end = _series(document, "allocated_share"), 100 * document["ratio"]
    start = max(0.0, min((series[0].y[-1] - 15) // 10 * 10, end - 20))
    return Lines(
        "GPUs in use",
        series,
        x=Axis("GPUs asked for so far, % of all", "{:.0f}".format, low=start, high=end),
        y=Axis("% of all GPUs", "{:.0f}".format, "{:.1f}".format, high=100.0),
        note="nothing leaves: what is refused is refused for good",
        marks=() if bound_share is None else [("fluid bound, moves for free:", 100 * bound_share)],
    )


def _fragmented(document: Mapping[str, Any]) -> Lines:
    return Lines(
        "Free, and of no use to typical work",
        _series(document, "fragmentation_share"),
        x=Axis("GPUs asked for so far, % of all", "{:.0f}".format, low=0.0, high=100 * document["ratio"]),
        y=Axis("% of all GPUs", "{:.0f}".format, "{:.1f}".format, low=0.0),
        note="fragmentation as in Weng et al., USENIX ATC 2023",
    )


def _waits(document: Mapping[str, Any]) -> list[Panel]:
    """One panel for each size of job that has to wait at all."""
    policies = document["policies"]
    panels: list[Panel] = []
    for kind, words in KIND_NAMES.items():
        found = [policy["waits"]["by_size"].get(kind) for policy in policies]
        if not any(wait and wait["max_ms"] for wait in found):
            continue
        series = [
            Series(shown(policy["policy"]), _mean_and_p95(wait), strong=number == 0)
            for number, (policy, wait) in enumerate(zip(policies, found, strict=True))
        ]
        panels.append(Bars(f"Wait for {words}", series, span, "mean, and a line to the 95th percentile"))
    return panels


def _mean_and_p95(wait: Mapping[str, Any] | None) -> list[float]:
    return [wait["mean_ms"] / 1000, wait["p95_ms"] / 1000] if wait else [0.0]
