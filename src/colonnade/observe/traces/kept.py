# SPDX-License-Identifier: Apache-2.0
"""Where traces are kept: a sealed row and one entry for many, found again by trace, by ref or by time. No judgement of
them here.

A trace of ours says in its id when it began, and is looked for among the pieces of then. Others (ids that clients made,
runs, requests of minutes) have a row that says where they lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from colonnade.core import trace_entries
from colonnade.core.traces import FAILING, Record, Span, is_trace, moment_of
from colonnade.observe.traces.pack import pack, unpack
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Erased, Keys
from colonnade.ports.outside.state import Row, State, Transaction

LONGEST_MS = 60_000
"""A request that took longer has a row of its own that says where it lies."""
AROUND_MS = 2_000
"""How far the machine's clock and the store's may be apart."""
MOST_PIECES = 4_000
"""So many pieces are looked through for one trace."""
AT_ONCE = 200
Piece = tuple[list[Record], list[Span]]


class Traces:
    """The traces of one project."""

    def __init__(self, state: State, keys: Keys, journal: Journal, actor: str) -> None:
        self._state, self._keys, self._journal, self._actor = state, keys, journal, actor

    def write(self, tx: Transaction, records: Sequence[Record], spans: Sequence[Span] = (), client: str = "") -> str:
        """Keep them in one piece, whose id is given back.

        Args:
            client: the principal whose program sent the spans: they lie under that principal's key, so that erasing the
                person erases them.
        """
        holder = client or self._journal.project
        packed, ident = pack(records, spans), self._state.new_id("trc")
        failed = sum(one.outcome in FAILING for one in records) + sum(one.status == 2 for one in spans)
        begins, ends = _times(records) if records else (self._state.now_ms(),) * 2
        tx.run(
            "trace_add", id=ident, project=self._journal.project, holder=holder, first_ms=begins, last_ms=ends,
            count=len(records) + len(spans), failed=failed,
            sealed=self._keys.seal((holder,), packed, f"traces/{ident}"),
        )  # fmt: skip
        placed = {one.trace for one in spans} | {one.trace for one in records if not _dated(one, begins, ends)}
        tx.many("trace_place_add", ({"trace": trace, "piece": ident} for trace in sorted(placed)))
        tx.append(
            trace_entries.traces_kept(
                self._journal.stamp(self._actor), self._journal.mac, piece=ident, holder=holder,
                client=client or None, content=packed, count=len(records) + len(spans), failed=failed,
            )
        )  # fmt: skip
        return ident

    def find(self, trace: str) -> tuple[list[Record], list[Span], list[tuple[str, str]]]:
        """(records, spans, pieces with their holders) of a trace, oldest first; empty where nothing is kept of it."""
        records: list[Record] = []
        spans: list[Span] = []
        pieces: list[tuple[str, str]] = []
        for row in self._where(trace) if is_trace(trace) else ():
            some, heard = self.opened(row["id"])
            mine = [one for one in some if one.trace == trace]
            theirs = [one for one in heard if one.trace == trace]
            if mine or theirs:
                pieces.append((row["id"], row["holder"]))
                records += mine
                spans += theirs
        seen = {(one.span, one.at_us): one for one in spans}
        return sorted(set(records), key=_begin), sorted(seen.values(), key=_begin), pieces

    def by_ref(self, ref: str, at_ms: int) -> str:
        """The trace of an answer or a request, which was under way at that moment; "" where nothing is kept of it."""
        from_ms = at_ms - LONGEST_MS - AROUND_MS
        for row in self._between(from_ms, at_ms + AROUND_MS, MOST_PIECES):
            if row["last_ms"] + AROUND_MS >= at_ms:
                found = next((one.trace for one in self.opened(row["id"])[0] if one.ref == ref), "")
                if found:
                    return found
        return ""

    def newest(self, from_ms: int, to_ms: int, limit: int) -> Iterator[Piece]:
        """Pieces of a time, newest first, at most so many."""
        for row in self._between(from_ms, to_ms, limit):
            yield self.opened(row["id"])

    def opened(self, piece: str) -> Piece:
        """A piece; empty for one that was forgotten or erased meanwhile."""
        rows = self._state.rows("trace_get", id=piece)
        try:
            sealed = [self._keys.open((row["holder"],), row["sealed"], f"traces/{piece}") for row in rows]
        except Erased:
            return [], []
        return unpack(sealed[0]) if sealed else ([], [])

    def forget(self, keep_ms: int, most_bytes: int) -> int:
        """Drop what is past its time or beyond its room; how many pieces went."""
        project, before = self._journal.project, self._state.now_ms() - keep_ms
        gone = self._state.rows("traces_oldest", project=project, before_ms=before, limit=AT_ONCE)
        if not gone:
            size = self._state.rows("traces_size", project=project)[0]
            if size["bytes"] > most_bytes:
                surplus = size["pieces"] * (size["bytes"] - most_bytes) // size["bytes"] + 1
                limit = min(AT_ONCE, surplus)
                gone = self._state.rows("traces_oldest", project=project, before_ms=(1 << 62), limit=limit)
        if gone:
            with self._state.transaction() as tx:
                tx.many("trace_places_forget", ({"id": row["id"]} for row in gone))
                tx.many("trace_forget", ({"id": row["id"]} for row in gone))
        return len(gone)

    def _where(self, trace: str) -> list[Row]:
        placed = self._state.rows("trace_pieces_of", trace=trace)
        moment = moment_of(trace)
        now = self._state.now_ms()
        if moment > now + AROUND_MS:
            return placed
        rows = self._between(moment - LONGEST_MS - AROUND_MS, moment + AROUND_MS, MOST_PIECES)
        known = {row["id"] for row in placed}
        return placed + [row for row in rows if row["last_ms"] + AROUND_MS >= moment and row["id"] not in known]

    def _between(self, from_ms: int, to_ms: int, limit: int) -> list[Row]:
        project = self._journal.project
        return self._state.rows("traces_between", project=project, from_ms=from_ms, to_ms=to_ms, limit=limit)


def _begin(one: Record | Span) -> int:
    return one.at_us


def _times(records: Sequence[Record]) -> tuple[int, int]:
    """When the first began and the last ended; what lasted long does not spread the piece over time."""
    ends = max(one.at_us + one.us for one in records) // 1000
    return max(min(one.at_us for one in records) // 1000, ends - LONGEST_MS), ends


def _dated(one: Record, begins: int, ends: int) -> bool:
    """Whether its id leads to this piece."""
    return one.kind == "request" and begins - AROUND_MS <= moment_of(one.trace) <= ends + AROUND_MS
