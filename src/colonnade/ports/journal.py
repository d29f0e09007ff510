# SPDX-License-Identifier: Apache-2.0
"""How every room appends to the log: one call that fills in id, time and MACs. It holds no state and decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colonnade.core.leaf import Leaf
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State, Transaction


@dataclass(frozen=True, slots=True)
class Journal:
    """Appends leaves of one project."""

    state: State
    keys: Keys
    project: str

    def append(
        self,
        tx: Transaction,
        kind: str,
        subject: str,
        *,
        actor: str,
        refs: Sequence[tuple[str, str]] = (),
        mac: Mapping[str, tuple[str, bytes]] | None = None,
        n: Mapping[str, int] | None = None,
        status: Mapping[str, str] | None = None,
    ) -> str:
        """Append a leaf; its id. `mac` gives field -> (subject whose key is used, value): the value itself is not kept."""
        entry = self.state.new_id("evt")
        macs = {field: (who, self.keys.mac(who, entry, field, value)) for field, (who, value) in (mac or {}).items()}
        tx.append(
            Leaf(
                kind=kind,
                id=entry,
                at_ms=self.state.now_ms(),
                project=self.project,
                actor=actor,
                subject=subject,
                refs=tuple(refs),
                mac=macs,
                n=dict(n or {}),
                status=dict(status or {}),
            )
        )
        return entry
