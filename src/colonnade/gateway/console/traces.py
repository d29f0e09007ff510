# SPDX-License-Identifier: Apache-2.0
"""Pages about what requests took: the slow, failing and abstaining first, and one trace as a waterfall. Owners only.

Bars are SVG in shares of a width, for a page is as wide as it is. How traces are ranked stands in `observe.traces`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from colonnade.core.traces import PREFIX
from colonnade.gateway.console import links, present, render
from colonnade.gateway.console.visit import Reply, Visit
from colonnade.observe.traces.telling import waterfall

TONES = 8
MINUTES = (5, 15, 60, 360, 1440)
USUAL = 15
STATUSES = ("failing", "abstained", "slow", "answered", "invalid", "cancelled")


def traces(visit: Visit) -> Reply | None:
    """Requests of the last minutes, the worst first, with each stage's share; for others there is no such page."""
    if not visit.asker.owner:
        return None
    typed = visit.query.get("minutes", "")
    minutes = int(typed) if typed in map(str, MINUTES) else USUAL
    status = visit.query.get("status", "")
    status = status if status in STATUSES else ""
    view = visit.backend.traces.newest(service=visit.query.get("service", ""), status=status, minutes=minutes)
    tones = _tones(view)
    return render.page(
        "traces.html", visit, section="traces", view=view, minutes=minutes, wanted=status, choices=MINUTES,
        statuses=STATUSES, service=visit.query.get("service", ""), shares=_bar(view["stages"], tones),
        requests=[_row(one, tones, visit) for one in view["requests"]],
        cli=present.command("colonnade", "why", "trace/ID"),
    )  # fmt: skip


def trace_page(visit: Visit, trace: str) -> Reply | None:
    """One trace: every request, run, step and span in it, on one axis of time."""
    found = visit.backend.traces.trace(visit.asker, PREFIX + trace)
    if found is None or not visit.asker.owner:
        return None
    whole = found["ms"] or 1.0
    rows = [
        {**row, "x": _percent(row["after_ms"] / whole), "width": _percent(row["ms"] / whole), "took": took(row["ms"])}
        for row in waterfall(found)
    ]
    return render.page(
        "trace.html", visit, section="traces", trace=found, rows=rows, took=took(found["ms"]),
        refs=[(ref, links.ref_url(ref, visit.acting)) for ref in (*found["refs"], *found["principals"])],
        lineage=_lineage(found, visit), at_ms=_at_ms(found),
        cli=present.command("colonnade", "why", PREFIX + trace),
    )  # fmt: skip


def took(ms: float) -> str:
    """A length of time, also below a millisecond.

    >>> took(0.4321), took(12.34), took(4200.0)
    ('0.43 ms', '12.3 ms', '4.2 s')
    """
    if ms < 100:
        return f"{ms:.2f} ms" if ms < 10 else f"{ms:.1f} ms"
    return present.duration(round(ms))


def _row(one: Mapping[str, Any], tones: Mapping[str, int], visit: Visit) -> dict[str, Any]:
    whole = one["ms"] or 1.0
    shares = [{"name": s["name"], "share": s["ms"] / whole, "ms": s["ms"]} for s in one["stages"]]
    return {
        **one, "url": visit.url(f"/traces/{one['trace']}"), "took": took(one["ms"]), "bar": _bar(shares, tones),
        "entry": links.lineage_url(one["ref"], visit.acting) if one["ref"].startswith("answer/") else "",
    }  # fmt: skip


def _tones(view: Mapping[str, Any]) -> dict[str, int]:
    """A colour for each stage, the same all over the page."""
    names = [one["name"] for one in view["stages"] if one["name"] != "other"]
    return {name: place % TONES + 1 for place, name in enumerate(sorted(names))}


def _bar(shares: list[Mapping[str, Any]] | list[dict[str, Any]], tones: Mapping[str, int]) -> list[dict[str, Any]]:
    """Parts of a bar, from left to right."""
    parts, at = [], 0.0
    for one in shares:
        width = min(one["share"], 1.0 - at)
        tone = tones.get(one["name"], 0)
        parts.append(
            {
                "name": one["name"], "x": _percent(at), "width": _percent(width), "tone": tone or "rest",
                "percent": f"{100 * one['share']:.0f} %" if one["share"] >= 0.01 else "< 1 %", "took": took(one["ms"]),
            }
        )  # fmt: skip
        at += width
    return parts


def _percent(share: float) -> str:
    return f"{min(100.0, max(0.0, 100 * share)):.2f}%"


def _lineage(found: Mapping[str, Any], visit: Visit) -> str:
    """The lineage of what it is about; requests have none of their own in the log."""
    ref = next((ref for ref in found["refs"] if ref.startswith(("answer/", "run/"))), "")
    return links.lineage_url(ref, visit.acting) if ref else ""


def _at_ms(found: Mapping[str, Any]) -> int:
    return int(datetime.fromisoformat(found["at"]).timestamp() * 1000)
