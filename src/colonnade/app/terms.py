# SPDX-License-Identifier: Apache-2.0
"""The section `compute` of the declaration, in the fabric's own words. Pure."""

from __future__ import annotations

from colonnade.app.settings.compute import DEFAULT_QUEUE, PRIORITIES, Compute, TeamQueue
from colonnade.core.quantities import milli_of
from colonnade.fabric.loop import Terms
from colonnade.fabric.queues.tree import Queue, Tree


def queues_of(declared: Compute) -> list[Queue]:
    """Every declared queue, departments first, and the one for whoever names none."""
    found = [Queue(DEFAULT_QUEUE, grace_ms=declared.grace_s * 1000)]
    for name, department in declared.queues.items():
        found.append(_queue(declared, name, "", department, department, department.guaranteed_milli))
        for team, queue in department.queues.items():
            full = f"{name}.{team}"
            found.append(_queue(declared, full, name, queue, department, milli_of(queue.guaranteed)))
    return found


def tree_of(declared: Compute | None) -> Tree:
    """The queues as the fabric reads them."""
    if declared is None:
        return Tree()
    return Tree(queues_of(declared))


def terms_of(declared: Compute) -> Terms:
    """What the loop keeps to."""
    return Terms(
        tree=tree_of(declared),
        idle_after_ms=None if declared.idle_after_s is None else declared.idle_after_s * 1000,
        moves_ms_an_hour=declared.move_gpu_seconds * 1000,
    )


def _queue(
    declared: Compute, name: str, parent: str, queue: TeamQueue, department: TeamQueue, guaranteed_milli: int
) -> Queue:
    grace_s = next(s for s in (queue.grace_s, department.grace_s, declared.grace_s) if s is not None)
    return Queue(
        name=name,
        parent=parent,
        guaranteed_milli=guaranteed_milli,
        limit_milli=None if queue.limit is None else milli_of(queue.limit),
        priority=PRIORITIES[queue.priority or department.priority or "normal"],
        grace_ms=grace_s * 1000,
    )
