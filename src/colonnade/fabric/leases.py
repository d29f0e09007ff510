# SPDX-License-Identifier: Apache-2.0
"""Leases on devices as rows: asked, granted, taken back, ended; each step a compare-and-set with its entry in the same
transaction. Who gets what is decided in `queues`, how a command runs is the executor's business.

pending -> held -> releasing -> ended. A share is given back only on `end`, and only the caller who has seen that the
process tree is gone may call it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
    def ask(self, asked: Asked) -> list[tuple[str, str]]:
        """(run, lease) for each worker; pending from now on."""
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
        return made

    def ask_again(self, tx: Transaction, lease: Lease) -> str:
        """A lease that gave way asks for its share again, in the same place of the queue; the new lease's id."""
        asked = Asked(
            lease.claim,
            (),
            "",
            lease.queue,
            lease.principal,
            priority=lease.priority,
            workers=lease.gang_size,
            movable=True,
            attached=lease.attached,
            grace_ms=lease.grace_ms,
        )
        tx.run("run_state", id=lease.run, state="pending")
        return self._add(tx, asked, lease.run, lease.gang, asked_ms=lease.asked_ms, follows=lease.id)

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

    def started(self, lease: Lease, command: Command, isolation: str, note: str) -> None:
        """Its share is kept at this level, and its command was handed to the executor."""
        with self._state.transaction() as tx:
            if not tx.run("lease_started", id=lease.id, isolation=isolation, note=note):
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
        """A held lease is being taken back, by `actor` or by the loop; it keeps its share until `end`."""
        done = tx.run(
            "lease_unhold",
            id=lease.id,
            releasing_ms=self._state.now_ms(),
            reason=reason,
            gives_way_to=gives_way_to,
            grace_ms=grace_ms,
        )
        if done:
            tx.append(
                lease_entries.lease_releasing(
                    self._journal.stamp(actor or self._actor), lease=lease.id, reason=reason, gives_way_to=gives_way_to
                )
            )
        return bool(done)

    def end(self, tx: Transaction, lease: Lease, outcome: str, code: int | None, note: str = "") -> None:
        """The process tree is gone (or never was): the share is free, and the run is over unless it only moved."""
        now = self._state.now_ms()
        if not tx.run("lease_end", id=lease.id, ended_ms=now, outcome=outcome, code=code, note=note, reason=""):
            return
        for device in lease.devices:
            tx.run("device_give", id=device, milli=lease.claim.gpu_milli, mib=lease.claim.gpu_mib)
        held_ms = now - lease.granted_ms if lease.granted_ms is not None else 0
        stamp = self._journal.stamp
        tx.append(
            lease_entries.lease_ended(
                stamp(self._actor),
                lease=lease.id,
                outcome=outcome,
                held_ms=held_ms,
                gpu_ms=held_ms * lease.claim.milli // 1000,
            )
        )
        if outcome == "moved":
            return
        tx.run("run_work_forget", run=lease.run)
        if tx.run("run_end", id=lease.run, state=RUN_STATES[outcome], finished_ms=now, error=note, done=1):
            told = {"refused": "failed"}.get(outcome, outcome)
            failed = int(outcome != "succeeded")
            tx.append(
                entries.run_finished(
                    stamp(self._actor),
                    run=lease.run,
                    step="command",
                    outcome=told,
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
    values = {name: row[name] for name in Lease.__dataclass_fields__}
    claim = json.loads(row["claim"])
    values["claim"] = Claim(**{**claim, "models": tuple(claim["models"])})
    values["devices"] = tuple(json.loads(row["devices"]))
    for flag in ("movable", "attached", "borrowed", "started"):
        values[flag] = bool(values[flag])
    return Lease(**values)
