# SPDX-License-Identifier: Apache-2.0
"""Leases on devices as rows: asked, granted, taken back, ended; each step a compare-and-set with its entry in the same
transaction. Who gets what is decided in `queues`, how a command runs is the executor's business.

pending -> held -> releasing -> ended. A share is given back only on `end`, and only the caller who has seen that the
process tree is gone may call it.
"""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from colonnade.core import entries, lease_entries
from colonnade.core.canonical import canonical_json
from colonnade.core.claims import Claim
from colonnade.fabric.idle import Mark
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import Row, State, Transaction

RUN_STATES = {"succeeded": "done", "failed": "failed", "cancelled": "cancelled", "lost": "lost", "refused": "failed"}
"""Outcome of a lease -> state of its run."""
GAVE_WAY = {"evacuate", "preempt", "reclaim"}
"""Reasons after which a movable lease asks again."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A row of `leases`; times in milliseconds of the store's clock, None where it has not come to that."""

    id: str
    run: str
    principal: str
    queue: str
    state: str
    claim: Claim
    priority: int
    gang: str
    gang_size: int
    movable: bool
    attached: bool
    asked_ms: int
    granted_ms: int | None
    releasing_ms: int | None
    node: str | None
    devices: tuple[str, ...]
    isolation: str | None
    borrowed: bool
    token: int
    started: bool
    pid: int | None
    reason: str
    gives_way_to: str | None
    grace_ms: int
    busy_ms: int | None
    sampled_ms: int | None
    busy_mib: int
    note: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asks for: a command under a claim, so many times at once.

    Attributes:
        command, folder, environment: of each worker; rank and size of the gang are added to the environment.
        queue: the queue's id.
        workers: above 1: a gang, all or none.
        movable: it may be stopped and started again elsewhere.
        attached: it ends when whoever waits for it has gone.
    """

    claim: Claim
    command: Sequence[str]
    folder: str
    queue: str
    principal: str
    environment: Mapping[str, str] = field(default_factory=dict)
    priority: int = 1
    workers: int = 1
    movable: bool = False
    attached: bool = False
    grace_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class Command:
    """What a run executes, opened."""

    argv: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]


class Leases:
    """The rows of one project."""

    def __init__(self, state: State, keys: Keys, journal: Journal, actor: str) -> None:
        self._state, self._keys, self._journal, self._actor = state, keys, journal, actor

    # reading
    def open(self) -> list[Lease]:
        """Leases that have not ended, oldest first."""
        return [lease_of(row) for row in self._state.rows("leases_open", project=self._journal.project)]

    def get(self, tx: Transaction, lease: str) -> Lease | None:
        """As it stands within a transaction; None once it has ended."""
        rows = tx.rows("lease_get_one", id=lease)
        return lease_of(rows[0]) if rows and rows[0]["state"] != "ended" else None

    def command(self, run: str) -> Command | None:
        """What the run executes; None once it was erased."""
        rows = self._state.rows("run_work_get", run=run)
        if not rows:
            return None
        try:
            argv, folder = json.loads(self._keys.open((run,), rows[0]["command"], f"{run}/command"))
            sealed = rows[0]["environment"]
            environment = json.loads(self._keys.open((run,), sealed, f"{run}/environment")) if sealed else {}
        except KeyError:
            return None
        return Command(tuple(argv), folder, environment)

    def all_uuids(self) -> dict[str, str]:
        """Id of each device -> its driver's name of it."""
        rows = self._state.rows("devices_of_project", project=self._journal.project)
        return {row["id"]: str(row["uuid"]) for row in rows}

    def uuids(self, lease: Lease) -> list[str]:
        """The drivers' names of the devices that it holds, in their order."""
        known = self.all_uuids()
        return [known[device] for device in lease.devices]

    # asking
    def ask(
        self, asked: Asked, also: Callable[[Transaction, str, str], None] = lambda *_: None
    ) -> list[tuple[str, str]]:
        """(run, lease) for each worker; pending from now on. `also` is called with each in the same transaction."""
        state, project = self._state, self._journal.project
        runs = [state.new_id("run") for _ in range(asked.workers)]
        made: list[tuple[str, str]] = []
        with state.transaction() as tx:
            for rank, run in enumerate(runs):
                self._keys.create(tx, run, project)
                environment = dict(asked.environment)
                if asked.workers > 1:
                    environment |= {"COLONNADE_RANK": str(rank), "COLONNADE_WORKERS": str(asked.workers)}
                tx.run(
                    "run_add",
                    id=run,
                    project=project,
                    kind="command",
                    subject=run,
                    state="pending",
                    why="asked for",
                    created_ms=state.now_ms(),
                    total=1,
                )
                command = canonical_json([list(asked.command), asked.folder])
                tx.run(
                    "run_work_add",
                    run=run,
                    project=project,
                    command=self._keys.seal((run,), command, f"{run}/command"),
                    environment=self._keys.seal((run,), json.dumps(environment).encode(), f"{run}/environment"),
                )
                made.append((run, self._add(tx, asked, run, runs[0] if asked.workers > 1 else "")))
                also(tx, *made[-1])
        return made

    def ask_again(self, tx: Transaction, lease: str) -> str:
        """A lease that gave way asks for its share again, in the same place of the queue; the new lease's id."""
        before = lease_of(tx.rows("lease_get_one", id=lease)[0])
        asked = Asked(
            before.claim, (), "", before.queue, before.principal, priority=before.priority, workers=before.gang_size,
            movable=True, attached=before.attached, grace_ms=before.grace_ms,
        )  # fmt: skip
        tx.run("run_state", id=before.run, state="pending")
        return self._add(tx, asked, before.run, before.gang, asked_ms=before.asked_ms, follows=before.id)

    # granting
    def grant(self, tx: Transaction, lease: Lease, node: str, devices: Sequence[str], *, borrowed: bool) -> bool:
        """The lease holds these devices, if all of them are free enough; nothing changes otherwise (the caller rolls
        back).
        """
        for device in devices:
            if not tx.run("device_take", id=device, milli=lease.claim.gpu_milli, mib=lease.claim.gpu_mib):
                return False
        done = tx.run(
            "lease_grant",
            id=lease.id,
            granted_ms=self._state.now_ms(),
            node=node,
            devices=json.dumps(list(devices)),
            isolation=None,
            borrowed=int(borrowed),
        )
        if done:
            tx.run("run_state", id=lease.run, state="running")
        return bool(done)

    def started(self, lease: Lease, command: Command | None, isolation: str, note: str) -> None:
        """Its share is kept at this level, and its command was handed to the executor. Said again: changes nothing."""
        with self._state.transaction() as tx:
            if not tx.run("lease_started", id=lease.id, isolation=isolation, note=note) or command is None:
                return
            journal = self._journal
            tx.append(
                lease_entries.lease_granted(
                    journal.stamp(self._actor),
                    journal.mac,
                    lease=lease.id,
                    run=lease.run,
                    devices=lease.devices,
                    queue=lease.queue,
                    claim=lease.claim,
                    token=lease.token,
                    isolation=isolation,
                    command=canonical_json(list(command.argv)),
                )
            )
            tx.append(
                entries.run_started(
                    journal.stamp(self._actor), run=lease.run, step="command", on=lease.id, person=lease.principal
                )
            )

    def confirm(self, lease: Lease, pid: int, isolation: str) -> None:
        """Its command was seen running."""
        with self._state.transaction() as tx:
            tx.run("lease_confirm", id=lease.id, pid=pid, isolation=isolation)

    def sampled(self, marks: Mapping[str, Mark]) -> None:
        """Keep what is remembered of how busy each lease is."""
        with self._state.transaction() as tx:
            for lease, mark in marks.items():
                tx.run(
                    "lease_busy",
                    id=lease,
                    busy_ms=mark.last_busy_ms,
                    sampled_ms=mark.seen_ms,
                    busy_mib=mark.last_mib,
                )

    # giving back
    def release(
        self, tx: Transaction, lease: Lease, reason: str, grace_ms: int, gives_way_to: str | None, actor: str | None
    ) -> bool:
        """A held lease is being taken back, by `actor` or by the loop; it keeps its share until `end`.

        One that gives way already, and is now to end for good, will not ask again.
        """
        done = tx.run(
            "lease_unhold",
            id=lease.id,
            releasing_ms=self._state.now_ms(),
            reason=reason,
            gives_way_to=gives_way_to,
            grace_ms=grace_ms,
        )
        if not done and reason not in GAVE_WAY:
            done = tx.run("lease_withdraw", id=lease.id, reason=reason)
        if done:
            tx.append(
                lease_entries.lease_releasing(
                    self._journal.stamp(actor or self._actor), lease=lease.id, reason=reason, gives_way_to=gives_way_to
                )
            )
        return bool(done)

    def end(
        self, tx: Transaction, lease: Lease, outcome: str, code: int | None, note: str = "", actor: str | None = None
    ) -> None:
        """The process tree is gone (or never was): the share is free, and the run is over unless it only moved.

        Args:
            lease: as it stands within this transaction (`get`): what it holds is given back.

        A gang is all or none: when one of it fails, nobody waits for the rest; what holds is taken back.
        """
        if not self._end_alone(tx, lease, outcome, code, note, actor) or not lease.gang or outcome == "moved":
            return
        project = self._journal.project
        if outcome == "succeeded":
            tx.run("gang_shrinks", project=project, gang=lease.gang)
            return
        for other in [lease_of(row) for row in tx.rows("leases_of_gang", project=project, gang=lease.gang)]:
            if other.state == "pending":
                self._end_alone(tx, other, "cancelled", None, f"another of its gang ended: lease/{lease.id}", actor)
            else:
                self.release(tx, other, "cancelled", other.grace_ms, None, actor)

    def _end_alone(
        self, tx: Transaction, lease: Lease, outcome: str, code: int | None, note: str, actor: str | None
    ) -> bool:
        now = self._state.now_ms()
        if not tx.run("lease_end", id=lease.id, ended_ms=now, outcome=outcome, code=code, note=note):
            return False
        for device in lease.devices:
            tx.run("device_give", id=device, milli=lease.claim.gpu_milli, mib=lease.claim.gpu_mib)
        held_ms = now - lease.granted_ms if lease.granted_ms is not None else 0
        gpu_ms = held_ms * lease.claim.milli // 1000
        stamp = self._journal.stamp(actor or self._actor)
        tx.append(lease_entries.lease_ended(stamp, lease=lease.id, outcome=outcome, held_ms=held_ms, gpu_ms=gpu_ms))
        if outcome != "moved":
            self._end_run(tx, lease, outcome, held_ms, note)
        return True

    def _end_run(self, tx: Transaction, lease: Lease, outcome: str, held_ms: int, note: str) -> None:
        tx.run("run_work_forget", run=lease.run)
        now = self._state.now_ms()
        if not tx.run("run_end", id=lease.run, state=RUN_STATES[outcome], finished_ms=now, error=note, done=1):
            return
        failed = int(outcome != "succeeded")
        tx.append(
            entries.run_finished(
                self._journal.stamp(self._actor),
                run=lease.run,
                step="command",
                outcome={"refused": "failed"}.get(outcome, outcome),
                done=1 - failed,
                failed=failed,
                ms=held_ms,
                on=lease.id,
            )
        )

    def _add(
        self,
        tx: Transaction,
        asked: Asked,
        run: str,
        gang: str,
        asked_ms: int | None = None,
        follows: str | None = None,
    ) -> str:
        lease = self._state.new_id("lse")
        tx.run(
            "lease_add",
            id=lease,
            project=self._journal.project,
            run=run,
            principal=asked.principal,
            queue=asked.queue,
            claim=json.dumps(asdict(asked.claim)),
            priority=asked.priority,
            gang=gang,
            gang_size=asked.workers,
            movable=int(asked.movable),
            attached=int(asked.attached),
            asked_ms=asked_ms or self._state.now_ms(),
            grace_ms=asked.grace_ms,
        )
        tx.append(
            lease_entries.lease_asked(
                self._journal.stamp(asked.principal),
                lease=lease,
                person=asked.principal,
                queue=asked.queue,
                claim=asked.claim,
                priority=asked.priority,
                follows=follows,
            )
        )
        return lease


def lease_of(row: Row) -> Lease:
    """A row of `leases` as it is used."""
    values = list(_in_order(row))
    values[_CLAIM], values[_DEVICES] = _claim_of(values[_CLAIM]), _devices_of(values[_DEVICES])
    for flag in _FLAGS:
        values[flag] = bool(values[flag])
    return Lease(*values)


_COLUMNS = tuple(Lease.__dataclass_fields__)
_CLAIM, _DEVICES = _COLUMNS.index("claim"), _COLUMNS.index("devices")
_FLAGS = tuple(_COLUMNS.index(name) for name in ("movable", "attached", "borrowed", "started"))
_in_order = operator.itemgetter(*_COLUMNS)


@functools.lru_cache(maxsize=4096)
def _claim_of(text: str) -> Claim:
    """Leases are read every second, and their claims never change."""
    claim = json.loads(text)
    return Claim(**{**claim, "models": tuple(claim["models"])})


@functools.lru_cache(maxsize=4096)
def _devices_of(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))
