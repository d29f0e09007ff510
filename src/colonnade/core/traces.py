# SPDX-License-Identifier: Apache-2.0
"""What one request, run or step took, as plain values; ids of traces, and W3C's header `traceparent`. Pure.

A trace's id is 32 hexadecimal digits. Ours begin with 48 bits of milliseconds, so that they sort by time; those that a
client hands over are kept as they are.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Literal, NamedTuple

PREFIX = "trace/"
FAILING = frozenset({"failed", "lost", "refused"})
_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_TRACE = re.compile(r"[0-9a-f]{32}")
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


class Stage(NamedTuple):
    """A part of it: `after_us` from the start, `us` long."""

    name: str
    after_us: int
    us: int


class Record(NamedTuple):
    """One request that was answered here, one run, or one step of a run.

    Attributes:
        trace, span, parent: 32, 16 and 16 (or no) hexadecimal digits.
        ref: what else is known of it: `answer/ID`, `request/HEX`, `run/ID`.
        kind: request, run, step.
        name: the route of a request; what a run or step does.
        service: whom it was asked of, or what a run works on (an id).
        principal: id of who asked, or "".
        outcome: answered, abstained, refused, failed, cancelled; of runs: succeeded, failed, cancelled, lost.
        code: the HTTP status, or 0.
        at_us, us: when it began, by the machine's clock, and how long it took.
        model: a language model's name, or a version `sha256:HEX`.
        lease: under which a device worked for it, or "".
        device_us: microseconds of one whole device that it used.
        cost_micro: millionths of the declared currency; -1: no price is declared.
    """

    trace: str
    span: str
    parent: str
    ref: str
    kind: Literal["request", "run", "step"]
    name: str
    service: str
    principal: str
    outcome: str
    code: int
    at_us: int
    us: int
    stages: tuple[Stage, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    model: str = ""
    lease: str = ""
    device_us: int = 0
    cost_micro: int = -1


class Span(NamedTuple):
    """A span that another program sent.

    Attributes:
        kind: OpenTelemetry's number: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
        status: 0 unset, 1 ok, 2 error.
        attributes: without what holds content (see `observe.traces.contents`).
        source: `service.name` of the resource; scope: the instrumentation's name.
        refs: answers and requests of ours that its attributes name.
        withheld: how many attributes and events were not kept because they hold content.
    """

    trace: str
    span: str
    parent: str
    name: str
    kind: int
    at_us: int
    us: int
    status: int
    attributes: dict[str, Any]
    source: str = ""
    scope: str = ""
    refs: tuple[str, ...] = ()
    withheld: int = 0


class Parent(NamedTuple):
    """What `traceparent` said."""

    trace: str
    span: str
    flags: str


def parse_traceparent(value: bytes) -> Parent | None:
    """The header's value (W3C Trace Context, level 1); None for what is none, and then it counts as absent.

    >>> parse_traceparent(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").span
    'b7ad6b7169203331'
    """
    found = _PARENT.fullmatch(value) if len(value) < 512 else None
    if found is None or found[1] == b"ff" or (found[1] == b"00" and found[5]):
        return None
    trace, span = found[2].decode(), found[3].decode()
    if not int(trace, 16) or not int(span, 16):
        return None
    return Parent(trace, span, found[4].decode())


def span_of(ref: str) -> str:
    """The span of what a ref names: always the same one, never zero.

    >>> span_of("run/x") == span_of("run/x"), len(span_of("run/x"))
    (True, 16)
    """
    return hashlib.sha256(ref.encode()).hexdigest()[-16:]


def trace_of(ref: str, at_ms: int) -> str:
    """The trace of what a ref names, where no client named another: sorts by time.

    >>> trace_of("request/0199a0b1c2d3aabbccddeeff", 5)[:24]
    '0199a0b1c2d3aabbccddeeff'
    """
    return ids_of(ref, at_ms)[0]


def ids_of(ref: str, at_ms: int) -> tuple[str, str]:
    """(`trace_of`, `span_of`) at once: each request needs both."""
    digest = hashlib.sha256(ref.encode()).hexdigest()
    if ref[:8] == "request/" and len(ref) == 32:
        return ref[8:] + digest[:8], digest[-16:]
    return f"{at_ms & (1 << 48) - 1:012x}{digest[:20]}", digest[-16:]


def is_trace(text: str) -> bool:
    """Whether it has the shape of a trace's id."""
    return _TRACE.fullmatch(text) is not None


def moment_of(trace: str) -> int:
    """When a trace of ours began, in milliseconds; of others' ids any number."""
    return int(trace[:12], 16)


def id_moment(ident: str) -> int:
    """When an id was made, in milliseconds (see `core.ids`).

    >>> id_moment("doc_00d0rh86r000000000000000000000000000")
    1790000000000
    """
    number = 0
    for digit in ident[4:]:
        number = number * 32 + _DIGITS.index(digit)
    return number >> 128
