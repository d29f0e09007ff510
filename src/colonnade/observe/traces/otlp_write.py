# SPDX-License-Identifier: Apache-2.0
"""Records as OTLP's `ExportTraceServiceRequest` in protobuf. Field numbers as in `otlp_read`. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from colonnade.core.traces import Record
from colonnade.observe.traces.genai import SCHEMA_URL, Told, told
from colonnade.observe.traces.protobuf import chunk, fixed64, number, real

SCOPE = "colonnade"


def export_request(records: Iterable[Record], *, service: str, instance: str, version: str) -> bytes:
    """Their spans in one request; the resource says who we are: `service.name`, `.instance.id`, `.version`."""
    about = {"service.name": service, "service.instance.id": instance, "service.version": version}
    resource = b"".join(_attribute(1, name, value) for name, value in about.items())
    scope = chunk(1, SCOPE) + chunk(2, version)
    spans = b"".join(chunk(2, _span(one)) for record in records for one in told(record))
    scoped = chunk(1, scope) + spans + chunk(3, SCHEMA_URL)
    return chunk(1, chunk(1, resource) + chunk(2, scoped) + chunk(3, SCHEMA_URL))


def _span(one: Told) -> bytes:
    parts = [chunk(1, bytes.fromhex(one.trace)), chunk(2, bytes.fromhex(one.span))]
    if one.parent:
        parts.append(chunk(4, bytes.fromhex(one.parent)))
    parts += [chunk(5, one.name), number(6, one.kind), fixed64(7, one.start_ns), fixed64(8, one.end_ns)]
    parts += [_attribute(9, name, value) for name, value in one.attributes.items()]
    if one.status:
        parts.append(chunk(15, number(3, one.status)))
    return b"".join(parts)


def _attribute(field: int, name: str, value: str | int | float | bool) -> bytes:
    if isinstance(value, bool):
        made = b"\x10" + bytes([value])
    elif isinstance(value, int):
        made = number(3, value) or b"\x18\x00"
    elif isinstance(value, float):
        made = real(4, value)
    else:
        made = chunk(1, value)
    return chunk(field, chunk(1, name) + chunk(2, made))
