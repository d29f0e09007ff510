# SPDX-License-Identifier: Apache-2.0
"""Requests and answers as they are kept: one sealed row for many, each with its entry; found again by ref or time.

Nothing here knows what an answer means.
"""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence

from colonnade.core import watch_entries
from colonnade.core.exchanges import Exchange
from colonnade.lifecycle.watching.packed import PREFIX, is_ref, moment_of, pack, unpack
from colonnade.lifecycle.watching.rules import CaptureRule
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Erased, Keys
from colonnade.ports.outside.state import State, Transaction

OPENED = 32
"""Pieces that stay unpacked: truths come for requests of about the same time."""
AT_ONCE = 200
"""Pieces that are forgotten in one transaction."""
WHOLE = 1 << 24


class Captures:
    """The captures of one service; `model`: the id under whose key they lie."""

    def __init__(
        self, state: State, keys: Keys, journal: Journal, actor: str, service: tuple[str, str], model: str
    ) -> None:
        self._state, self._keys, self._journal, self._actor = state, keys, journal, actor
        self.id, self.name = service
        self._model = model
        self._opened: OrderedDict[str, Sequence[Exchange]] = OrderedDict()

    def write(
        self, tx: Transaction, exchanges: Sequence[Exchange], rule: CaptureRule, decided: Callable[[str], str | None]
    ) -> str:
        """Keep a share of them, in the order in which they came; the piece's id, or "".

        Args:
            decided: version -> the decision that let it go live, if one is known.
        """
        kept = [one for one in exchanges if drawn(one.ref, rule.share)]
        if not kept:
            return ""
        ident, packed = self._state.new_id("cap"), pack(kept)
        moments = [moment_of(one.ref) for one in kept]
        tx.run(
            "capture_add", id=ident, project=self._journal.project, service=self.id, first_ms=min(moments),
            last_ms=max(moments), count=len(kept), sealed=self._keys.seal((self._model,), packed, f"capture/{ident}"),
        )  # fmt: skip
        replies = [reply for one in kept for reply in (one.champion, one.challenger) if reply is not None]
        versions = sorted({reply.version for reply in replies if reply.version})
        tx.append(
            watch_entries.predictions_captured(
                self._journal.stamp(self._actor), self._journal.mac, capture=ident, service=self.id, model=self._model,
                versions=versions, decisions=sorted({d for v in versions if (d := decided(v)) is not None}),
                rollouts=sorted({one.rollout for one in kept} - {""}), content=packed, count=len(kept),
                failed=sum(_failed(one) for one in kept),
            )
        )  # fmt: skip
        return ident

    def find(self, refs: Collection[str]) -> dict[str, Exchange]:
        """Those of the refs that are kept."""
        wanted = {ref for ref in refs if is_ref(ref)}
        if not wanted:
            return {}
        moments = sorted(map(moment_of, wanted))
        found: dict[str, Exchange] = {}
        for piece in self._state.rows("captures_between", service=self.id, from_ms=moments[0], to_ms=moments[-1]):
            place = bisect.bisect_left(moments, piece["first_ms"])
            if place < len(moments) and moments[place] <= piece["last_ms"]:
                found |= {one.ref: one for one in self.opened(piece["id"]) if one.ref in wanted}
        return found

    def pieces(self, from_ms: int, to_ms: int) -> Iterator[Sequence[Exchange]]:
        """All that is kept of a time, piece by piece."""
        for piece in self._state.rows("captures_between", service=self.id, from_ms=from_ms, to_ms=to_ms):
            yield self.opened(piece["id"], keep=False)

    def opened(self, piece: str, *, keep: bool = True) -> Sequence[Exchange]:
        """The exchanges of a piece; none of one that was forgotten or erased meanwhile."""
        if piece in self._opened:
            self._opened.move_to_end(piece)
            return self._opened[piece]
        rows = self._state.rows("capture_get", id=piece)
        try:
            found = unpack(self._open(rows[0]["sealed"], piece), self.name) if rows else []
        except Erased:
            found = []
        if keep:
            self._opened[piece] = found
            while len(self._opened) > OPENED:
                self._opened.popitem(last=False)
        return found

    def forget(self, rule: CaptureRule, now_ms: int) -> int:
        """Drop what is past its time or beyond its room; how many pieces went. Truths go with their requests."""
        before = now_ms - rule.keep_ms
        size = self._state.rows("captures_size", service=self.id)[0]
        with self._state.transaction() as tx:
            gone = tx.run("captures_forget", service=self.id, before_ms=before, limit=AT_ONCE)
            if not gone and size["bytes"] > rule.most_bytes:
                surplus = size["pieces"] * (size["bytes"] - rule.most_bytes) // size["bytes"] + 1
                gone = tx.run("captures_forget_oldest", service=self.id, limit=min(AT_ONCE, surplus))
            if gone:
                tx.run("truths_forget", service=self.id, before=f"{PREFIX}{max(0, before):012x}")
        if gone:
            self._opened.clear()
        return gone

    def _open(self, sealed: bytes, piece: str) -> bytes:
        return self._keys.open((self._model,), sealed, f"capture/{piece}")


def drawn(ref: str, share: float) -> bool:
    """Whether a request is among the share that is kept: by its random digits, so always the same ones.

    >>> drawn("request/0123456789ab" + "0" * 12, 0.01), drawn("request/0123456789ab" + "f" * 12, 0.99)
    (True, False)
    """
    return share >= 1 or int(ref[-12:-6], 16) < share * WHOLE


def _failed(exchange: Exchange) -> bool:
    reply = exchange.challenger if exchange.sent == "challenger" else exchange.champion
    return reply is None or reply.error
