# SPDX-License-Identifier: Apache-2.0
"""`colonnade simulate --drive`: the engine, or the whole scheduler, over JSON lines, so that others can judge it.

place: first line `{"nodes": [{name, cpu_milli, memory_mib, gpus, model}], "history": [pod...]}`, then one pod a line
(`{pod, cpu_milli, memory_mib, num_gpu, gpu_milli, gpu_spec}`); each is answered at once with
`{"pod": i, "node": NAME, "gpus": [place...]}`, or `{"pod": i, "node": null}`. Nothing leaves.

queue: the header has `move_cost_s`, `movable`, and `qos` and `run_s` in its history; then one line an instant,
`{"t": seconds, "arrive": [pod...], "end": [id...]}`, answered with `{"move": [[id, node, gpus]...], "start": [...]}`.

Bytes are read and written without buffers in between: the answer is on its way before the next line is looked at.
"""

from __future__ import annotations

import gc
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from colonnade.app.forecasts import forecast_for
from colonnade.core.claims import WHOLE, Claim
from colonnade.core.errors import UsageError
from colonnade.fabric.placement.cluster import Cluster, DeviceSpec, NodeSpec, Slot
from colonnade.fabric.placement.engine import Engine
from colonnade.fabric.queues.churn import Arrival, Past, Scheduler

HEADS = "the protocol stands in docs/how-to/plan-capacity.md"
BLOCK = 1 << 16


class NodeLine(msgspec.Struct):
    """A node of the header."""

    name: str
    cpu_milli: int
    memory_mib: int
    gpus: int
    model: str = ""


class PodLine(msgspec.Struct):
    """A pod: one of the history (with a run time in a queue's header) or one that arrives."""

    cpu_milli: int
    memory_mib: int
    num_gpu: int
    gpu_milli: int
    gpu_spec: str = ""
    pod: int = -1
    qos: str = ""
    run_s: float = 0.0

    def claim(self) -> Claim:
        """What it asks for."""
        gpus = self.num_gpu
        models = tuple(word for word in self.gpu_spec.split("|") if word) if gpus else ()
        milli = min(WHOLE, self.gpu_milli) if gpus else 0
        return Claim(gpus, milli, cpu_milli=self.cpu_milli, memory_mib=self.memory_mib, models=models)


class Header(msgspec.Struct):
    """The first line."""

    nodes: list[NodeLine]
    history: list[PodLine]
    move_cost_s: float = 30.0
    movable: str = "all"

    def cluster(self) -> Cluster:
        """Its nodes, empty."""
        return Cluster(
            [NodeSpec(n.name, n.cpu_milli, n.memory_mib, (DeviceSpec(n.model),) * n.gpus) for n in self.nodes]
        )


class Instant(msgspec.Struct):
    """What happened at one time."""

    t: float
    arrive: list[PodLine] = []
    end: list[int] = []


def drive_place(source: int = 0, sink: int = 1) -> int:
    """Answer pods until the input ends.

    Args:
        source, sink: file descriptors.

    Raises:
        UsageError: a line that is not of the protocol, with its number.
    """
    lines = _lines(source)
    header = _header(lines)
    cluster = header.cluster()
    history = [pod.claim() for pod in header.history]
    engine = Engine(cluster, forecast=forecast_for(cluster.nodes, history))
    engine.expect(claim for claim, _ in Counter(history).most_common())
    names = [json.dumps(node.name).encode() for node in header.nodes]
    claims = _Claims()
    gc.freeze()
    for number, line in lines:
        pod, claim = claims.read(line, number)
        slot = engine.choose(claim)
        if slot is None:
            os.write(sink, b'{"pod":%d,"node":null}\n' % pod)
            continue
        os.write(sink, b'{"pod":%d,"node":%b,"gpus":%b}\n' % (pod, names[slot.node], _places(slot.devices)))
        cluster.take(claim, slot)
        engine.settle()  # while the judge looks at the answer
    return 0


class _Claims:
    """Pods of lines. Lines that differ in nothing but the pod's number, which stands first, are parsed once."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(PodLine)
        self._known: dict[bytes, Claim] = {}

    def read(self, line: bytes, number: int) -> tuple[int, Claim]:
        """The number and the claim."""
        head, _, rest = line.partition(b",")
        claim = self._known.get(rest)
        if claim is not None and head[:7] == b'{"pod":' and head[7:].strip().isdigit():
            return int(head[7:]), claim
        try:
            pod = self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _wrong(number, error) from None
        claim = pod.claim()
        if pod.pod < 0:
            raise UsageError(f"stdin:{number}: the pod has no number", hint=HEADS)
        if head[:7] == b'{"pod":' and head[7:].strip() == b"%d" % pod.pod:
            self._known[rest] = claim
        return pod.pod, claim


def _places(devices: Sequence[int]) -> bytes:
    return b"[%b]" % b",".join([b"%d" % place for place in devices])


def drive_queue(source: int = 0, sink: int = 1) -> int:
    """Answer instants until the input ends.

    Args:
        source, sink: file descriptors.

    Raises:
        UsageError: a line that is not of the protocol, with its number.
    """
    lines = _lines(source)
    header = _header(lines)
    past = [Past(pod.claim(), pod.qos, pod.run_s) for pod in header.history]
    cluster = header.cluster()
    scheduler = Scheduler(cluster, past, header.move_cost_s, header.movable)
    names = [node.name for node in header.nodes]
    decoder, encode = msgspec.json.Decoder(Instant), msgspec.json.encode

    def told(job: object, slot: Slot) -> tuple[object, str, tuple[int, ...]]:
        return job, names[slot.node], slot.devices

    gc.freeze()
    for number, line in lines:
        try:
            now = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _wrong(number, error) from None
        arrivals = [Arrival(pod.pod, pod.claim(), pod.qos) for pod in now.arrive]
        moves, starts = scheduler.step(now.t, arrivals, now.end)
        answer = {"move": [told(m.id, m.slot) for m in moves], "start": [told(s.id, s.slot) for s in starts]}
        _write(sink, encode(answer) + b"\n")
    return 0


def _header(lines: Iterator[tuple[int, bytes]]) -> Header:
    try:
        header = msgspec.json.decode(next(lines)[1], type=Header)
    except StopIteration:
        raise UsageError("stdin ended before the header", hint=HEADS) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _wrong(1, error) from None
    if not header.nodes:
        raise UsageError("stdin:1: the header has no nodes", hint=HEADS)
    return header


def _wrong(number: int, error: Exception) -> UsageError:
    return UsageError(f"stdin:{number}: {error}", hint=HEADS)


def _write(sink: int, data: bytes) -> None:
    """All of it: a pipe may take less at once."""
    while data:
        data = data[os.write(sink, data) :]


def _lines(source: int) -> Iterator[tuple[int, bytes]]:
    """Lines that are not empty, with their numbers, as soon as they are there."""
    rest, number = b"", 0
    while block := os.read(source, BLOCK):
        parts = (rest + block).split(b"\n") if rest else block.split(b"\n")
        rest = parts.pop()
        for line in parts:
            number += 1
            if line and not line.isspace():
                yield number, line
    if rest.strip():
        yield number + 1, rest
