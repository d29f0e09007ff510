# SPDX-License-Identifier: Apache-2.0
"""What the log says of traces: one entry a piece, never one a request. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from colonnade.core.building import Mac, Stamp, leaf_of
from colonnade.core.kind import Kind
from colonnade.core.leaf import Leaf

TRACE_KINDS: Mapping[str, Kind] = {
    "traces.kept": Kind(
        "What requests, runs and steps took was kept, many in one piece.",
        "trc",
        ("by",),
        {"content": "the packed piece before it was sealed, under its holder's key"},
        {"count": "requests, runs, steps or spans in it", "failed": "of them, those that failed"},
        {"of": ("house", "client")},
    )
}


def traces_kept(
    stamp: Stamp, mac: Mac, *, piece: str, holder: str, client: str | None, content: bytes, count: int, failed: int
) -> Leaf:
    """A piece was kept. holder: under whose key; client: the principal whose program sent the spans, or None."""
    macs = {"content": (holder, mac(holder, stamp.id, "content", content))}
    refs = [("by", client)] if client is not None else []
    status = {"of": "client" if client is not None else "house"}
    return leaf_of(stamp, "traces.kept", piece, refs, macs, {"count": count, "failed": failed}, status)
