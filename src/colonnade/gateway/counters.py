# SPDX-License-Identifier: Apache-2.0
"""Counters that the gateway keeps as requests pass, and Prometheus' text format (0.0.4). No endpoint here.

Counting a request is a dictionary's look and a few additions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from colonnade.ports.noted import Noted

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histograms' buckets."""
MOST_SERIES = 5_000
"""Beyond it, new combinations of labels are counted under service `(other)`."""
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Histogram:
    """Counts of one combination of labels. `counts` has one for each bound, and one beyond."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One observation."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds


class Counters:
    """What passed. Written by the gateway's loop alone, read by any thread."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int, str], Histogram] = {}
        self.stages: dict[tuple[str, str], Histogram] = {}
        self.tokens: dict[tuple[str, str], int] = {}

    def count(self, route: str, code: int, seconds: float, noted: Noted | None) -> None:
        """One request; `route`: an endpoint's path, never a request's own."""
        service = "" if noted is None else noted.service
        found = self.requests.get((route, code, service))
        if found is None:
            if len(self.requests) >= MOST_SERIES:
                service = "(other)"
            found = self.requests.setdefault((route, code, service), Histogram())
        found.counts[bisect_left(SECONDS, seconds)] += 1
        found.total += seconds
        if noted is None:
            return
        for name, began, ended in noted.stages:
            timed = self.stages.get((service, name))
            if timed is None:
                timed = self.stages.setdefault((service, name), Histogram())
            timed.add(ended - began)
        if noted.tokens_in or noted.tokens_out:
            for kind, tokens in (("input", noted.tokens_in), ("output", noted.tokens_out)):
                self.tokens[service, kind] = self.tokens.get((service, kind), 0) + tokens

    def text(self) -> str:
        """In Prometheus' format."""
        requests = [
            ({"route": route, "status": str(code), "service": service}, one)
            for (route, code, service), one in sorted(self.requests.items())
        ]
        stages = [({"service": service, "stage": name}, one) for (service, name), one in sorted(self.stages.items())]
        tokens = [({"service": service, "type": kind}, n) for (service, kind), n in sorted(self.tokens.items())]
        return (
            histogram("colonnade_request_duration_seconds", "Requests, by how long they took.", requests)
            + histogram("colonnade_stage_duration_seconds", "Stages of requests.", stages)
            + family("colonnade_tokens_total", "counter", "Tokens of language models.", tokens)
        )


def family(name: str, kind: str, about: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> str:
    """One family of counters or gauges; nothing where there is no sample."""
    lines = [f"{name}{labels(told)} {_number(value)}" for told, value in samples]
    return "\n".join([f"# HELP {name} {about}", f"# TYPE {name} {kind}", *lines, ""]) if lines else ""


def histogram(name: str, about: str, samples: Iterable[tuple[Mapping[str, str], Histogram]]) -> str:
    """One family of histograms."""
    lines: list[str] = []
    for told, one in samples:
        counts, below = list(one.counts), 0
        for bound, count in zip((*map(_number, SECONDS), "+Inf"), counts, strict=True):
            below += count
            lines.append(f"{name}_bucket{labels({**told, 'le': bound})} {below}")
        lines += [f"{name}_sum{labels(told)} {_number(one.total)}", f"{name}_count{labels(told)} {below}"]
    return "\n".join([f"# HELP {name} {about}", f"# TYPE {name} histogram", *lines, ""]) if lines else ""


def labels(told: Mapping[str, str]) -> str:
    r"""Labels in braces, escaped.

    >>> labels({"queue": 'a"b\n'})
    '{queue="a\\"b\\n"}'
    """
    shown = (f'{name}="{value.translate(_ESCAPED)}"' for name, value in told.items())
    return "{" + ",".join(shown) + "}" if told else ""


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
