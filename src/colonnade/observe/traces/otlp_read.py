# SPDX-License-Identifier: Apache-2.0
"""OTLP's `ExportTraceServiceRequest`, as protobuf or JSON, to spans; and the answer to it. Pure, safe with any bytes.

Field numbers from opentelemetry-proto 1.x (`collector/trace/v1/trace_service.proto`, `trace/v1/trace.proto`,
`common/v1/common.proto`). What is no span is rejected and counted; what a span has beyond our bounds is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from colonnade.core.traces import Span
from colonnade.observe.traces.contents import clean, kept, refs_in
from colonnade.observe.traces.protobuf import BYTES, FIXED64, Malformed, chunk, double, fields, number, signed

MOST_SPANS = 10_000
"""In one request; the rest is rejected and counted."""
MOST_NAME = 200
MOST_LIST = 128
_LATEST_NS = 1 << 62


class Heard(NamedTuple):
    """What a request held."""

    spans: list[Span]
    rejected: int
    why: str


class _Draft(NamedTuple):
    trace: str
    span: str
    parent: str
    name: str
    kind: int
    start_ns: int
    end_ns: int
    status: int
    attributes: dict[str, Any]
    events: int


def read_protobuf(data: bytes) -> Heard:
    """Spans of a protobuf request. Raises `Malformed`."""
    return _heard(_drafts(data))


def read_json(data: bytes) -> Heard:
    """Spans of a JSON request: ids in hexadecimal, 64-bit numbers as text. Raises `Malformed`."""
    try:
        told = json.loads(data)
        return _heard(_json_drafts(told))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as wrong:
        raise Malformed("no OTLP request in JSON") from wrong


def answer(rejected: int, why: str, *, as_json: bool) -> bytes:
    """`ExportTraceServiceResponse`: empty when all was taken."""
    if as_json:
        partial = {"rejectedSpans": str(rejected), "errorMessage": why}
        return json.dumps({"partialSuccess": partial} if rejected else {}).encode()
    return chunk(1, number(1, rejected) + chunk(2, why)) if rejected else b""


def _heard(drafts: Iterator[tuple[str, str, _Draft]]) -> Heard:
    spans: list[Span] = []
    rejected, why = 0, ""
    for source, scope, draft in drafts:
        if len(spans) >= MOST_SPANS:
            rejected, why = rejected + 1, f"more than {MOST_SPANS} spans in one request"
        elif (wrong := _wrong(draft)) is not None:
            rejected, why = rejected + 1, wrong
        else:
            attributes, withheld = kept(draft.attributes)
            end_ns = max(draft.start_ns, draft.end_ns)
            spans.append(
                Span(
                    draft.trace, draft.span, draft.parent, clean(draft.name[:MOST_NAME]), min(draft.kind, 5),
                    draft.start_ns // 1000, (end_ns - draft.start_ns) // 1000, min(draft.status, 2), attributes,
                    clean(source[:MOST_NAME]), clean(scope[:MOST_NAME]), refs_in(draft.attributes),
                    withheld + draft.events,
                )
            )  # fmt: skip
    return Heard(spans, rejected, why)


def _wrong(draft: _Draft) -> str | None:
    for ident, size in ((draft.trace, 32), (draft.span, 16)):
        if len(ident) != size or not set(ident) <= set("0123456789abcdef") or not int(ident, 16):
            return "a span without a valid trace id and span id"
    if draft.parent and (len(draft.parent) != 16 or not set(draft.parent) <= set("0123456789abcdef")):
        return "a span with an invalid parent id"
    if not 0 < draft.start_ns < _LATEST_NS or draft.end_ns >= _LATEST_NS:
        return "a span without a time"
    return None


# protobuf


def _drafts(data: bytes) -> Iterator[tuple[str, str, _Draft]]:
    for resource in _messages(data, 1):
        attributes: dict[str, Any] = {}
        for part in _messages(resource, 1):
            attributes |= _attributes(part, 1)
        source = str(attributes.get("service.name", ""))
        for scoped in _messages(resource, 2):
            scope = next((_text(name) for part in _messages(scoped, 1) for name in _messages(part, 1)), "")
            for span in _messages(scoped, 2):
                yield source, scope, _draft(span)


def _draft(data: bytes) -> _Draft:
    texts = {1: b"", 2: b"", 4: b"", 5: b""}
    numbers = {6: 0, 7: 0, 8: 0}
    events = status = 0
    for place, wire, value in fields(data):
        if isinstance(value, bytes):
            if place in texts:
                texts[place] = value
            elif place == 11:
                events += 1
            elif place == 15:
                status = next((one for at, _, one in fields(value) if at == 3 and isinstance(one, int)), 0)
        elif place in numbers and wire in (0, FIXED64):
            numbers[place] = value
    return _Draft(
        texts[1].hex(), texts[2].hex(), texts[4].hex(), _text(texts[5]), numbers[6], numbers[7], numbers[8], status,
        _attributes(data, 9), events,
    )  # fmt: skip


def _messages(data: bytes, wanted: int) -> Iterator[bytes]:
    for place, wire, value in fields(data):
        if place == wanted and wire == BYTES and isinstance(value, bytes):
            yield value


def _attributes(data: bytes, place: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in _messages(data, place):
        key = next((_text(one) for one in _messages(pair, 1)), "")
        value = next(_messages(pair, 2), b"")
        if key and len(found) < 4096:
            found[key] = _value(value, deep=True)
    return found


def _value(data: bytes, *, deep: bool) -> Any:
    """An AnyValue; a list's items are looked into, what lies deeper counts as content and is None."""
    for place, wire, value in fields(data):
        if place == 1 and isinstance(value, bytes):
            return _text(value)
        if place in (2, 3) and wire == 0 and isinstance(value, int):
            return bool(value) if place == 2 else signed(value)
        if place == 4 and wire == FIXED64 and isinstance(value, int):
            return double(value)
        if place == 5 and deep and isinstance(value, bytes):
            items = [one for at, _, one in fields(value) if at == 1 and isinstance(one, bytes)]
            return [_value(one, deep=False) for one in items[:MOST_LIST]]
        return None
    return ""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


# JSON


def _json_drafts(told: Any) -> Iterator[tuple[str, str, _Draft]]:
    for resource in told.get("resourceSpans") or ():
        source = str(_json_attributes((resource.get("resource") or {}).get("attributes")).get("service.name", ""))
        for scoped in resource.get("scopeSpans") or ():
            scope = str((scoped.get("scope") or {}).get("name", ""))
            for span in scoped.get("spans") or ():
                yield source, scope, _json_draft(span)


def _json_draft(span: Any) -> _Draft:
    status = span.get("status") or {}
    return _Draft(
        str(span.get("traceId", "")).lower(), str(span.get("spanId", "")).lower(),
        str(span.get("parentSpanId") or "").lower(), str(span.get("name", "")), _whole(span.get("kind")),
        _whole(span.get("startTimeUnixNano")), _whole(span.get("endTimeUnixNano")), _whole(status.get("code")),
        _json_attributes(span.get("attributes")), len(span.get("events") or ()),
    )  # fmt: skip


_ENUMERATED = {
    "SPAN_KIND_INTERNAL": 1, "SPAN_KIND_SERVER": 2, "SPAN_KIND_CLIENT": 3, "SPAN_KIND_PRODUCER": 4,
    "SPAN_KIND_CONSUMER": 5, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2,
}  # fmt: skip


def _whole(value: Any) -> int:
    """A number, or the text of one: no longer than 64 bits are."""
    if isinstance(value, str):
        if value in _ENUMERATED:
            return _ENUMERATED[value]
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 20 else 0
    return value if isinstance(value, int) and 0 <= value < 1 << 64 else 0


def _json_attributes(pairs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in (pairs or ())[:4096]:
        found[str(pair["key"])] = _json_value(pair.get("value") or {}, deep=True)
    return found


def _json_value(value: Any, *, deep: bool) -> Any:
    for name in ("stringValue", "boolValue", "doubleValue"):
        if name in value:
            return value[name]
    if "intValue" in value:
        given = str(value["intValue"])
        return int(given) if given.lstrip("-").isascii() and given.lstrip("-").isdigit() and len(given) <= 20 else None
    if "arrayValue" in value and deep:
        return [_json_value(one, deep=False) for one in (value["arrayValue"].get("values") or ())[:MOST_LIST]]
    return None
