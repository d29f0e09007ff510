# SPDX-License-Identifier: Apache-2.0
"""What rooms ask of the fabric: a command under a lease, how it stands, that it end. Not how shares are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from colonnade.core.claims import Claim
from colonnade.ports.outside.state import Transaction


@dataclass(frozen=True, slots=True)
class Wish:
    """A command that is to run under a claim, in a queue by its id (or "" for the default one), for a principal."""

    claim: Claim
    command: Sequence[str]
    folder: str
    principal: str
    queue: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Over:
    """How a leased command ended: succeeded, failed, cancelled, lost, refused; its exit code; the last that it said."""

    outcome: str
    code: int | None
    said: str = ""


class Leasing(Protocol):
    """Commands under leases. They outlive the caller."""

    def ask(self, wish: Wish, also: Callable[[Transaction, str, str], None]) -> tuple[str, str]:
        """(run, lease); `also` is called with them in the transaction that asks, so that both are kept or neither."""
        ...

    def look(self, lease: str) -> Over | None:
        """How it ended; None while it waits or runs."""
        ...

    def waits(self, lease: str) -> bool:
        """Whether it waits in its queue: nothing of it runs yet."""
        ...

    def release(self, lease: str) -> None:
        """End it; again is a no-op."""
        ...
