# SPDX-License-Identifier: Apache-2.0
"""OTLP in and out: what is written is read again, hostile bytes do nothing, content is never kept."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.core.traces import Record, Span, Stage, parse_traceparent, span_of, trace_of
from colonnade.observe.traces.otlp_read import answer, read_json, read_protobuf
from colonnade.observe.traces.otlp_write import export_request
from colonnade.observe.traces.pack import pack, unpack
from colonnade.observe.traces.protobuf import Malformed

ANSWER = "answer/ans_00d22403ybcmdpjcx941qz2ek67esdpw986w"


def record(**changes: Any) -> Record:
    made = Record(
        "01a211003c3df64e0a8f8ea52ac16fb9", "b5dda80ed1534ff3", "", ANSWER, "request", "POST /v1/ask", "assistant",
        "prn_1", "answered", 200, 1_790_000_000_000_000, 5_000,
        (Stage("retrieve", 10, 400), Stage("upstream", 500, 4000)),
        12, 34, "gpt-x", "lse_1", 2_500, 1_200,
    )  # fmt: skip
    return made._replace(**changes)


def otlp(**span: Any) -> dict[str, Any]:
    """A request with one span, in JSON."""
    made = {
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "chat",
        "startTimeUnixNano": "1790000000000000000", "endTimeUnixNano": "1790000001000000000", **span,
    }  # fmt: skip
    return {"resourceSpans": [{"scopeSpans": [{"spans": [made]}]}]}


def test_what_is_exported_is_read_again_with_its_stages_and_numbers() -> None:
    heard = read_protobuf(export_request([record()], service="colonnade", instance="i", version="1"))
    own, retrieve, upstream = heard.spans
    assert (own.trace, own.span, own.name, own.kind) == (record().trace, record().span, "chat assistant", 2)
    assert own.attributes["gen_ai.usage.output_tokens"] == 34
    assert own.attributes["colonnade.device_seconds"] == 0.0025
    assert own.attributes["colonnade.cost"] == 0.0012
    assert (own.refs, own.source, heard.rejected) == ((ANSWER,), "colonnade", 0)
    assert (retrieve.name, retrieve.parent, retrieve.us) == ("retrieval assistant", own.span, 400)
    assert (upstream.name, upstream.kind, upstream.at_us - own.at_us) == ("chat gpt-x", 3, 500)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (read_protobuf, read_json):
        try:
            pack([], read(data).spans)
        except Malformed:
            continue


@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_a_damaged_request_is_read_or_refused(place: int, data: bytes) -> None:
    whole = export_request([record()], service="colonnade", instance="i", version="1")
    with contextlib.suppress(Malformed):
        pack([], read_protobuf(whole[:place] + data + whole[place + len(data) :]).spans)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["traceId", "name", "attributes", "kind", "status", "events"]), VALUES))
def test_any_json_in_a_span_is_kept_rejected_or_refused(span: dict[str, Any]) -> None:
    with contextlib.suppress(Malformed):
        pack([], read_json(json.dumps(otlp(**span)).encode()).spans)


@pytest.mark.parametrize(
    "value", [{"intValue": 10**30}, {"stringValue": "\ud800"}, {"boolValue": 10**40}, {"doubleValue": "NaN"}]
)
def test_values_that_cannot_be_written_are_left_out(value: dict[str, Any]) -> None:
    heard = read_json(json.dumps(otlp(attributes=[{"key": "odd", "value": value}])).encode())
    assert unpack(pack([], heard.spans))[1][0].name == "chat"


@pytest.mark.parametrize(
    "name", ["gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.prompt.0.content", "input.value", "llm.prompts",
             "retrieval.documents.0.document.content", "exception.message", "db.query.text"],
)  # fmt: skip
def test_content_is_never_kept_only_counted(name: str) -> None:
    pairs = [
        {"key": name, "value": {"stringValue": "MARKER"}},
        {"key": "gen_ai.request.model", "value": {"stringValue": "m"}},
    ]
    (span,) = read_json(json.dumps(otlp(attributes=pairs, events=[{"name": "MARKER"}])).encode()).spans
    assert span.attributes == {"gen_ai.request.model": "m"}
    assert span.withheld == 2
    assert b"MARKER" not in pack([], [span])


def test_spans_that_are_none_are_rejected_and_the_others_taken() -> None:
    request = otlp()
    request["resourceSpans"][0]["scopeSpans"][0]["spans"].append({"traceId": "00", "spanId": "1"})
    heard = read_json(json.dumps(request).encode())
    assert (len(heard.spans), heard.rejected) == (1, 1)
    told = json.loads(answer(heard.rejected, heard.why, as_json=True))["partialSuccess"]
    assert told["rejectedSpans"] == "1"
    assert answer(0, "", as_json=False) == b""


@given(st.lists(st.sampled_from([record(), record(outcome="failed", stages=())]), max_size=5))
def test_a_piece_holds_what_was_put_into_it(records: list[Record]) -> None:
    span = Span("a" * 32, "b" * 16, "", "x", 1, 5, 6, 2, {"n": 1, "list": ["a", 2.5]}, "s", "t", (ANSWER,), 1)
    assert unpack(pack(records, [span])) == (records, [span])


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        (b"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-follows", True),
        (b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", False),
        (b"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
        (b"00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        (b"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", False),
        (b"", False),
    ],
)
def test_traceparent_is_read_as_the_recommendation_says(value: bytes, good: bool) -> None:
    assert (parse_traceparent(value) is not None) == good


def test_ids_of_traces_sort_by_time() -> None:
    refs = [f"answer/{n}" for n in range(50)]
    traces = [trace_of(ref, 1_790_000_000_000 + place) for place, ref in enumerate(refs)]
    assert traces == sorted(traces)
    assert len({span_of(ref) for ref in refs}) == 50
