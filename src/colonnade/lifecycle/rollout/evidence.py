# SPDX-License-Identifier: Apache-2.0
"""What an open rollout has heard: exchanges and outcomes as they come, turned into what a canary counts.

One thread hears, another one judges; `lock` is held by whoever touches the canary. No store and no clock here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from colonnade.core.exchanges import Exchange, Outcome, Reply
from colonnade.lifecycle.rollout.canary import Answer
from colonnade.lifecycle.rollout.outputs import is_invalid
from colonnade.lifecycle.rollout.rows import Rollout


class Evidence:
    """Of one rollout, from its row on. `heard` counts what has come, so that a judge sees that somebody asks."""

    def __init__(self, rollout: Rollout, now_ms: int) -> None:
        self.rollout, self.challenger = rollout.id, rollout.challenger
        self.canary = rollout.evidence()
        self.probation = rollout.state == "probation"
        self.lock = threading.Lock()
        self.heard = 0
        self.heard_ms = self.ready_ms = self.saved_ms = now_ms
        self.told = 0
        """`heard` when it was looked at last."""
        self.saved = 0
        self.ready = False

    def look(self, now_ms: int) -> None:
        """Remember when somebody asked last."""
        if self.heard != self.told:
            self.told, self.heard_ms = self.heard, now_ms

    def exchanges(self, batch: Iterable[Exchange]) -> None:
        """Requests and what was answered; those of others are passed over."""
        with self.lock:
            for one in batch:
                if one.rollout == self.rollout:
                    self._tried(one)
                elif self.probation and one.champion is not None and one.champion.version == self.challenger:
                    self.heard += 1
                    self.canary.observe(None, _answer(one.champion), sent="challenger")

    def outcomes(self, batch: Iterable[Outcome]) -> None:
        """Truths that have arrived."""
        with self.lock:
            for one in batch:
                if one.rollout == self.rollout:
                    self.heard += 1
                    self.canary.observe_label(one.champion, one.challenger, group=one.group or None)

    def _tried(self, one: Exchange) -> None:
        """A pair where both were asked, otherwise what the key's own version answered.

        Where the champion answered instead of a challenger that could not, its answer is no evidence: it was asked
        only because the other had failed.
        """
        self.heard += 1
        instead = one.champion is not None and one.challenger is not None and not one.paired and one.share > 0
        champion = None if instead else _answer(one.champion)
        self.canary.observe(champion, _answer(one.challenger), sent=one.sent)


def _answer(reply: Reply | None) -> Answer | None:
    if reply is None:
        return None
    if reply.late:  # as slow as can be; no error, for the other one was given more time
        return Answer(latency_ms=reply.ms)
    if reply.error:
        return Answer(error=True)
    return Answer(invalid=is_invalid(reply.data, reply.mark), latency_ms=reply.ms)
