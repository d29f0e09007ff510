# SPDX-License-Identifier: Apache-2.0
"""One trace as a document and as a drawing, and many as a list with the worst first. Pure; nothing is looked up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from colonnade.core.quantities import rfc3339
from colonnade.core.traces import FAILING, PREFIX, Record, Span

WIDTH = 32
"""Characters of a drawn bar."""
MOST_SHOWN = 100
MOST_DRAWN = 200
SLOWEST = 0.95
"""A request is slow when it took longer than this share of its route's."""
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")


def trace_json(
    trace: str, records: Sequence[Record], spans: Sequence[Span], pieces: Sequence[tuple[str, str]]
) -> dict[str, Any]:  # fmt: skip
    """`colonnade.trace/1`. Times are in ms from the first moment of the trace."""
    parts: list[Record | Span] = [*records, *spans]
    begin = min(one.at_us for one in parts)
    end = max(one.at_us + one.us for one in parts)
    costs = [one.cost_micro for one in records if one.cost_micro >= 0]
    return {
        "schema": "colonnade.trace/1", "ref": PREFIX + trace, "at": rfc3339(begin // 1000), "ms": (end - begin) / 1000,
        "refs": list(dict.fromkeys([*(one.ref for one in records if one.ref), *(r for s in spans for r in s.refs)])),
        "principals": sorted({f"person/{one.principal}" for one in records if one.principal}),
        "tokens_in": sum(one.tokens_in for one in records), "tokens_out": sum(one.tokens_out for one in records),
        "device_ms": sum(one.device_us for one in records) / 1000,
        "cost": sum(costs) / 1e6 if costs else None,
        "records": [record_json(one, begin) for one in records], "spans": [span_json(one, begin) for one in spans],
        "grouped": _grouped(spans), "kept_in": [f"traces/{piece}" for piece, _ in pieces],
    }  # fmt: skip


def record_json(one: Record, begin: int) -> dict[str, Any]:
    """A request, run or step of ours."""
    return {
        "span": one.span, "parent": one.parent or None, "ref": one.ref, "kind": one.kind, "name": one.name,
        "service": one.service, "principal": f"person/{one.principal}" if one.principal else None,
        "outcome": one.outcome, "status": one.code or None, "at": rfc3339(one.at_us // 1000),
        "after_ms": (one.at_us - begin) / 1000, "ms": one.us / 1000,
        "stages": [{"name": s.name, "after_ms": s.after_us / 1000, "ms": s.us / 1000} for s in one.stages],
        "tokens_in": one.tokens_in, "tokens_out": one.tokens_out, "model": one.model or None,
        "lease": f"lease/{one.lease}" if one.lease else None, "device_ms": one.device_us / 1000,
        "cost": one.cost_micro / 1e6 if one.cost_micro >= 0 else None,
    }  # fmt: skip


def span_json(one: Span, begin: int) -> dict[str, Any]:
    """A span of another program."""
    return {
        "span": one.span, "parent": one.parent or None, "name": one.name, "kind": KINDS[one.kind],
        "source": one.source, "scope": one.scope, "status": STATUSES[one.status],
        "after_ms": (one.at_us - begin) / 1000, "ms": one.us / 1000, "attributes": one.attributes,
        "refs": list(one.refs), "withheld": one.withheld,
    }  # fmt: skip


def waterfall(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of a drawing, parents before their children: `{depth, name, what, outcome, after_ms, ms, mine}`."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    known = {one["span"] for one in (*document["records"], *document["spans"])}
    for mine, ones in ((True, document["records"]), (False, document["spans"])):
        for one in ones:
            row = {
                "span": one["span"], "name": one["name"], "what": one["service" if mine else "source"], "mine": mine,
                "outcome": one["outcome" if mine else "status"], "after_ms": one["after_ms"], "ms": one["ms"],
                "stages": one["stages"] if mine else [],
            }  # fmt: skip
            rows[one["parent"] if one["parent"] in known and one["parent"] != one["span"] else ""].append(row)
    drawn: list[dict[str, Any]] = []
    circled = [row for some in rows.values() for row in some]  # spans that are each other's parents: after all others
    waiting = [(0, row) for row in (*sorted(circled, key=_after), *sorted(rows[""], key=_after, reverse=True))]
    seen: set[str] = set()
    while waiting and len(drawn) < MOST_DRAWN:
        depth, row = waiting.pop()
        if row["span"] in seen:
            continue
        seen.add(row["span"])
        drawn.append({**row, "depth": depth, "stage": False})
        for stage in row["stages"]:
            after = row["after_ms"] + stage["after_ms"]
            part = {"name": stage["name"], "what": "", "outcome": "", "mine": row["mine"], "ms": stage["ms"]}
            drawn.append({**part, "after_ms": after, "depth": depth + 1, "stage": True})
        waiting += [(depth + 1, child) for child in sorted(rows[row["span"]], key=_after, reverse=True)]
    return drawn


def draw_trace(document: Mapping[str, Any]) -> str:
    """The waterfall in text."""
    whole = document["ms"] or 1
    lines = [f"{document['ref']}  {document['at']}  {document['ms']:.1f} ms"]
    for row in waterfall(document):
        start = min(WIDTH - 1, int(row["after_ms"] / whole * WIDTH))
        length = max(1, min(WIDTH - start, round(row["ms"] / whole * WIDTH)))
        bar = " " * start + "█" * length
        name = "  " * row["depth"] + row["name"] + (f" · {row['what']}" if row["what"] else "")
        shown = "" if row["outcome"] in ("", "unset", "ok") else f"  {row['outcome']}"
        lines.append(f"{row['ms']:>10.2f} ms  {bar:<{WIDTH}}  {name}{shown}")
    return "\n".join(lines)


def worst_first(records: Iterable[Record]) -> list[tuple[str, Record]]:
    """(why it stands there, request): failing, abstaining, slow, then the others; within each the longest first."""
    some = [one for one in records if one.kind == "request"]
    times: dict[str, list[int]] = defaultdict(list)
    for one in some:
        times[one.name].append(one.us)
    bounds = {name: sorted(took)[int(SLOWEST * (len(took) - 1))] for name, took in times.items()}
    order = ("failing", "abstained", "slow", "")

    def why(one: Record) -> str:
        if one.outcome in FAILING:
            return "failing"
        if one.outcome == "abstained":
            return "abstained"
        return "slow" if len(times[one.name]) > 1 and one.us > bounds[one.name] else ""

    return sorted(((why(one), one) for one in some), key=lambda pair: (order.index(pair[0]), -pair[1].us))


def stage_shares(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Each stage's share of the whole time of these requests, the largest first; what no stage covers is `other`."""
    whole = 0
    spent: Counter[str] = Counter()
    for one in records:
        whole += one.us
        for stage in one.stages:
            spent[stage.name] += stage.us
    spent["other"] = max(0, whole - sum(spent.values()))
    return [{"name": name, "share": us / whole, "ms": us / 1000} for name, us in spent.most_common() if whole and us]


def _grouped(spans: Sequence[Span]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for one in spans:
        found[one.source, one.name].append(one)
    return [
        {
            "source": source, "name": name, "count": len(some), "ms": sum(one.us for one in some) / 1000,
            "failed": sum(one.status == 2 for one in some),
        }
        for (source, name), some in found.items()
    ]  # fmt: skip


def _after(row: Mapping[str, Any]) -> float:
    return float(row["after_ms"])
