# SPDX-License-Identifier: Apache-2.0
"""The picture of an evaluation: an SVG with a bar a metric and the latencies' histogram. Strings only.

Readable without colour and by a screen reader: a title, a description that says every number, text beside every bar,
and colours that follow light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

_WIDTH, _LEFT, _BAR, _STEP = 640, 170, 330, 26
_STYLE = (
    "svg{color-scheme:light dark}text{font:13px system-ui,sans-serif;fill:#1c2530}.b{fill:#2563a8}.g{fill:#d9dee5}"
    ".p{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#e6eaef}.b{fill:#6aa9e9}.g{fill:#333c47}.p{fill:#14181d}}"
)


def picture(title: str, metrics: Mapping[str, float], latencies_ms: Sequence[float] = ()) -> str:
    """An SVG document. Metrics outside 0..1 (those in `_ms`) get no bar; the histogram tells of them."""
    bars = {name: value for name, value in metrics.items() if 0.0 <= value <= 1.0 and not name.endswith("_ms")}
    parts, bottom = _bars(bars, 50)
    if len(latencies_ms):
        drawn, bottom = _histogram(latencies_ms, bottom + 34)
        parts += drawn
    said = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {bottom + 20}" role="img" '
        f'aria-labelledby="t d"><title id="t">{escape(title)}</title><desc id="d">{escape(said)}</desc>'
        f'<style>{_STYLE}</style><rect class="p" width="100%" height="100%"/>'
        f'<text x="16" y="28" style="font-weight:600">{escape(title)}</text>{"".join(parts)}</svg>\n'
    )


def _bars(metrics: Mapping[str, float], top: int) -> tuple[list[str], int]:
    parts: list[str] = []
    for number, (name, value) in enumerate(metrics.items()):
        y = top + number * _STEP
        parts.append(
            f'<text x="{_LEFT - 10}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="g" x="{_LEFT}" y="{y + 2}" width="{_BAR}" height="14" rx="2"/>'
            f'<rect class="b" x="{_LEFT}" y="{y + 2}" width="{_BAR * value:.1f}" height="14" rx="2"/>'
            f'<text x="{_LEFT + _BAR + 10}" y="{y + 13}">{value:.4f}</text>'
        )
    return parts, top + len(metrics) * _STEP


def _histogram(latencies_ms: Sequence[float], top: int, height: int = 90) -> tuple[list[str], int]:
    """Twenty bins from 0 to the 99th percentile; what is above stands in the last one."""
    values = np.asarray(latencies_ms, dtype=float)
    p50, p99 = (float(x) for x in np.percentile(values, [50, 99]))
    edge = max(p99, 1e-6)
    counts = np.histogram(np.minimum(values, edge), bins=20, range=(0.0, edge))[0]
    wide = _BAR / len(counts)
    parts = [f'<text x="16" y="{top}">Latency: median {p50:.1f} ms, 99th percentile {p99:.1f} ms</text>']
    for number, count in enumerate(counts):
        tall = height * float(count) / max(1, int(counts.max()))
        x, y = _LEFT + number * wide, top + 14 + height - tall
        parts.append(f'<rect class="b" x="{x:.1f}" y="{y:.1f}" width="{wide - 1:.1f}" height="{tall:.1f}"/>')
    base = top + height + 30
    parts.append(f'<text x="{_LEFT}" y="{base}">0 ms</text>')
    parts.append(f'<text x="{_LEFT + _BAR}" y="{base}" text-anchor="end">{edge:.1f} ms and above</text>')
    return parts, base
