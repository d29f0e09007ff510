# SPDX-License-Identifier: Apache-2.0
"""Which artifacts somebody needs still: whatever is live, was ever live (a way back), is tried on requests, has a name,
or belongs to a pipeline that made one of those, runs now, is the last of its model, or is young.

Pure: rows in, digests out. In doubt an artifact is needed: any digest that stands in what is needed is, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from colonnade.ports.outside.state import Row

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
ALWAYS = "code"
"""Kind of small artifacts that loops remember by their digest."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What the decision is made of; `before_ms`: artifacts and pipelines from after it are young."""

    names: Sequence[Row]
    rollbacks: Sequence[Row]
    rollouts: Sequence[Row]
    versions: Sequence[Row]
    replicas: Sequence[Row]
    pipelines: Sequence[Row]
    steps: Sequence[Row]
    meta: Sequence[Row]
    before_ms: int


def needed(rows: Rows, manifests: Mapping[str, str], kinds: Mapping[str, str], made: Mapping[str, int]) -> set[str]:
    """Digests of needed artifacts.

    Args:
        manifests: digest -> the artifact's manifest as text; kinds: digest -> its kind; made: digest -> when, in ms.
    """
    live = {row["digest"] for row in (*rows.names, *rows.versions)} | {row["version"] for row in rows.replicas}
    live |= {row[side] for row in rows.rollbacks for side in ("was", "version")}
    live |= {row[side] for row in rows.rollouts for side in ("champion", "challenger") if _counts(row)}
    kept = _kept_pipelines(rows, live)
    texts = [row["value"] for row in rows.meta]
    texts += [f"{row['artifact']} {row['told']}" for row in rows.steps if row["pipeline"] in kept]
    begun = live | set(_named(texts))
    begun |= {one for one, at in made.items() if at >= rows.before_ms} | {o for o, k in kinds.items() if k == ALWAYS}
    return _closed(begun, manifests)


def _counts(rollout: Row) -> bool:
    """A rollout that goes on, or whose new version went live."""
    return bool(rollout["state"] != "ended" or rollout["outcome"] == "promoted")


def _kept_pipelines(rows: Rows, live: set[str]) -> set[str]:
    kept: set[str] = set()
    seen: set[str] = set()
    for one in rows.pipelines:  # newest first
        last = one["model"] not in seen
        seen.add(one["model"])
        young = one["created_ms"] >= rows.before_ms
        if last or young or one["state"] == "running" or one["outcome"] == "promoted" or one["version"] in live:
            kept.add(one["run"])
    return kept


def _named(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        yield from _DIGEST.findall(text)


def _closed(begun: set[str], manifests: Mapping[str, str]) -> set[str]:
    """These, and every artifact that one of them names."""
    found: set[str] = set()
    waiting = [one for one in begun if one in manifests]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += [other for other in _DIGEST.findall(manifests[one]) if other in manifests]
    return found
