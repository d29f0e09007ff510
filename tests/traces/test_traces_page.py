# SPDX-License-Identifier: Apache-2.0
"""The console's pages about traces: the worst first, each stage's share, one trace as a waterfall; owners only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from colonnade.core.traces import Span
from colonnade.gateway.console.traces import trace_page, traces
from colonnade.gateway.console.visit import Visit
from colonnade.observe.traces.telling import record_json, stage_shares, trace_json, waterfall
from colonnade.testing.backend import FakeBackend
from colonnade.testing.backend_house import ANNA, OWNER
from colonnade.testing.traces import PassedTraces
from tests.traces.test_otlp import ANSWER, record

TRACE = record().trace


def visit(backend: FakeBackend, path: str, **query: str) -> Visit:
    return Visit(backend, backend.snapshot(), OWNER, path, query, {}, now_ms=backend.now_ms())


def filled() -> tuple[FakeBackend, PassedTraces]:
    backend, kept = FakeBackend(), PassedTraces()
    failing = record(outcome="failed", service="<b>odd</b>")
    shown: list[dict[str, Any]] = [
        {**record_json(one, one.at_us), "trace": one.trace, "why": why, "at_ms": one.at_us // 1000}
        for why, one in (("failing", failing), ("slow", record()))
    ]
    kept.page = {
        "requests": shown, "matching": 2, "looked_at": 9, "whole": False, "stages": stage_shares([record()]),
        "services": ["assistant"],
    }  # fmt: skip
    kept.told = trace_json(
        TRACE,
        [record()],
        [Span(TRACE, "c" * 16, record().span, "tool", 1, 1_790_000_000_000_100, 9, 2, {})],
        [("trc_1", "prj")],
    )
    backend.traces = kept
    return backend, kept


def test_the_page_shows_requests_with_their_bars_and_what_they_are_about() -> None:
    reply = traces(visit(filled()[0], "/traces", minutes="60", status="slow"))
    assert reply is not None
    text = reply.body.decode()
    assert "&lt;b&gt;odd&lt;/b&gt;" in text
    assert "<b>odd" not in text
    assert f"/traces/{TRACE}" in text
    assert f"/refs/{ANSWER}" in text
    assert 'class="tone-2"' in text
    assert "style=" not in text


def test_one_trace_is_a_waterfall_whose_children_stand_below_their_parents() -> None:
    backend, kept = filled()
    reply = trace_page(visit(backend, f"/traces/{TRACE}"), TRACE)
    assert reply is not None
    assert b"What happened when" in reply.body
    assert kept.told is not None
    assert [(row["depth"], row["name"]) for row in waterfall(kept.told)] == [
        (0, "POST /v1/ask"), (1, "retrieve"), (1, "upstream"), (1, "tool")
    ]  # fmt: skip
    assert trace_page(visit(backend, "/traces/x"), "f" * 32) is None


def test_others_than_owners_find_no_such_page() -> None:
    backend = filled()[0]
    as_anna = replace(visit(backend, "/traces"), asker=ANNA)
    assert traces(as_anna) is None
    assert trace_page(as_anna, TRACE) is None


def test_a_circle_of_parents_is_drawn_once_and_ends() -> None:
    spans = [
        Span(TRACE, "a" * 16, "b" * 16, "x", 1, 5, 1, 0, {}), Span(TRACE, "b" * 16, "a" * 16, "y", 1, 5, 1, 0, {}),
        Span(TRACE, "c" * 16, "c" * 16, "z", 1, 5, 1, 0, {}),
    ]  # fmt: skip
    assert {row["name"] for row in waterfall(trace_json(TRACE, [], spans, []))} == {"x", "y", "z"}
