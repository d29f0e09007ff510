# SPDX-License-Identifier: Apache-2.0
"""Two levels of queues: what they were promised, what they may use at most, and what they use. Sums only: who is next
is decided elsewhere, and nothing here knows a device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from colonnade.core.claims import WHOLE
from colonnade.core.quantities import shown_milli

DEFAULT = "default"
"""The queue of whoever names none: nothing guaranteed, no limit."""
LOW, NORMAL, HIGH = 0, 1, 2
PRIORITIES = {"low": LOW, "normal": NORMAL, "high": HIGH}
GRACE_MS = 10_000
"""Between being asked to end and being ended, where a queue says nothing else."""
INSIDE, LENT, BORROWED = 0, 1, 2
"""How a claim stands to guarantees: inside its team's; beyond it, but inside its department's; beyond both."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A department ("ml") or a team of one ("ml.research").

    Attributes:
        name: unique; a team's begins with its department's and a dot.
        parent: the department of a team; "" for a department.
        guaranteed_milli: what it gets back whenever it asks, in thousandths of a device.
        limit_milli: what it never goes beyond; None for no limit.
        priority: of its claims that name none; the greater one goes first.
        grace_ms: for its leases when they are asked to end; None for its department's, or else GRACE_MS.
    """

    name: str
    parent: str = ""
    guaranteed_milli: int = 0
    limit_milli: int | None = None
    priority: int = NORMAL
    grace_ms: int | None = None


class Tree:
    """Every queue that was declared, and `default`.

    Raises ValueError, in words for whoever declared them, when the queues contradict one another.
    """

    def __init__(self, queues: Iterable[Queue] = ()) -> None:
        given = tuple(queues)
        twice = [name for name, times in Counter(queue.name for queue in given).items() if times > 1]
        if twice:
            raise ValueError(f"queue {twice[0]} is declared twice")
        self.queues = {DEFAULT: Queue(DEFAULT)} | {queue.name: queue for queue in given}
        for queue in given:
            self._check(queue)
        self._paths = {
            name: (name, queue.parent) if queue.parent else (name,) for name, queue in self.queues.items()
        }  # fmt: skip

    def path(self, queue: str) -> tuple[str, ...]:
        """The queue and the department that it counts in. What was declared once and is not any more is `default`."""
        return self._paths.get(queue) or self._paths[DEFAULT]

    def guaranteed(self, queue: str) -> int:
        """Milli promised to it."""
        return self.queues[queue].guaranteed_milli

    def limit(self, queue: str) -> int | None:
        """Milli that it never goes beyond, its own level only; None for no limit."""
        return self.queues[queue].limit_milli

    def grace_ms(self, queue: str) -> int:
        """How long its leases are given when they are asked to end."""
        said = (self.queues[name].grace_ms for name in self.path(queue))
        return next((grace for grace in said if grace is not None), GRACE_MS)

    def overpromised(self, capacity_milli: int) -> str:
        """A sentence when more is guaranteed than there is (not every guarantee can then be kept), "" otherwise."""
        promised = sum(queue.guaranteed_milli for queue in self.queues.values() if not queue.parent)
        if promised <= capacity_milli:
            return ""
        return f"the queues are guaranteed {shown_milli(promised)} GPUs, and there are {shown_milli(capacity_milli)}"

    def _check(self, queue: Queue) -> None:
        name, promised, limit = queue.name, queue.guaranteed_milli, queue.limit_milli
        if promised < 0 or (limit is not None and limit < 0):
            raise ValueError(f"queue {name}: a guarantee or a limit below zero")
        if limit is not None and limit < promised:
            raise ValueError(
                f"queue {name}: its limit of {shown_milli(limit)} GPUs is below its guarantee of "
                f"{shown_milli(promised)}"
            )
        if queue.parent:
            self._check_team(queue)
        teams = sum(team.guaranteed_milli for team in self.queues.values() if team.parent == name)
        if teams > promised:
            raise ValueError(
                f"queue {name}: its teams are guaranteed {shown_milli(teams)} GPUs together, itself only "
                f"{shown_milli(promised)}"
            )

    def _check_team(self, team: Queue) -> None:
        above = self.queues.get(team.parent)
        if above is None:
            raise ValueError(f"queue {team.name}: there is no queue {team.parent}")
        if above.parent:
            raise ValueError(f"queue {team.name}: queues have two levels, and {team.parent} is a team already")


class Usage:
    """What every queue uses now, in milli; a team's use counts in its department.

    Attributes:
        held: by leases that stay.
        taken: by those and by the ones that are releasing: no limit is ever exceeded by counting on an end to come.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.held: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()

    def add(self, queue: str, milli: int, *, held: bool = True) -> None:
        """A lease of the queue takes this much; `held` is false when it is releasing."""
        for name in self.tree.path(queue):
            self.taken[name] += milli
            if held:
                self.held[name] += milli

    def leave(self, queue: str, milli: int) -> None:
        """A held lease of the queue is asked to end."""
        for name in self.tree.path(queue):
            self.held[name] -= milli

    def allows(self, queue: str, milli: int) -> bool:
        """Whether so much more stays within every limit now."""
        return self._within(self.taken, queue, milli)

    def will_allow(self, queue: str, milli: int) -> bool:
        """Whether so much more stays within every limit once everything that is releasing has ended."""
        return self._within(self.held, queue, milli)

    def standing(self, queue: str, milli: int) -> int:
        """INSIDE, LENT or BORROWED: how so much more for the queue would stand to its guarantees."""
        path, tree = self.tree.path(queue), self.tree
        for level, name in zip((INSIDE, LENT), path, strict=False):
            if self.held[name] + milli <= tree.guaranteed(name):
                return level
        return BORROWED if milli else INSIDE

    def share(self, queue: str) -> tuple[int, ...]:
        """How well it is served, department first: millionths of what it was guaranteed. A guarantee below one device
        counts as one device, so that queues without a guarantee can be compared too.
        """
        return tuple(
            self.held[name] * 1_000_000 // max(self.tree.guaranteed(name), WHOLE)
            for name in reversed(self.tree.path(queue))
        )  # fmt: skip

    def _within(self, used: Counter[str], queue: str, milli: int) -> bool:
        limits = ((used[name], self.tree.limit(name)) for name in self.tree.path(queue))
        return not milli or all(limit is None or now + milli <= limit for now, limit in limits)
