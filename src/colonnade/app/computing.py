# SPDX-License-Identifier: Apache-2.0
"""The fabric of a house: opened as the declaration says, asked by the gateway. Who gets what is `fabric`'s business."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from colonnade.app import wiring
from colonnade.app.gpu import read_gpu
from colonnade.app.lineage import SHORTEST
from colonnade.app.partitions import shaped
from colonnade.app.settings.compute import DEFAULT_QUEUE, PRIORITIES, Compute, Job
from colonnade.app.settings.environment import Places
from colonnade.app.terms import queues_of, terms_of
from colonnade.app.waiting import CAPACITIES, waiting
from colonnade.core import lease_entries
from colonnade.core.answers import Asker
from colonnade.core.claims import ISOLATIONS, WHOLE, Claim, at_least
from colonnade.core.errors import ColonnadeError, Refused, Unavailable, UsageError
from colonnade.core.lineage import parse_ref
from colonnade.core.quantities import shown_milli
from colonnade.fabric.inventory import cordon, take_stock
from colonnade.fabric.leases import Asked, Leases
from colonnade.fabric.loop import FabricLoop, Outside
from colonnade.fabric.picture import Capacity, could_host
from colonnade.fabric.placement.engine import Engine
from colonnade.gateway.compute import RunRequest
from colonnade.ports.journal import Journal
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State
from colonnade.ports.rowlease import RowLease

TIDY_MS = 3_600_000
"""How often what commands printed long ago is looked for, and removed."""


class Computing:
    """Implements `gateway.compute.ComputeBackend`."""

    def __init__(
        self, places: Places, state: State, keys: Keys, journal: Journal, *, actor: str, holder: str, declared: Compute
    ) -> None:
        self._places, self._state, self._keys, self._journal, self._actor = places, state, keys, journal, actor
        self.declared = declared
        self.leases = Leases(state, keys, journal, actor)
        self.executor = wiring.open_executor(places)
        self._asking = threading.Lock()
        self._row = RowLease(state, "fabric", holder)
        self.loop = self._open_loop()
        self._past: list[FabricLoop] = []
        self._tidied_ms = 0
        self.on_change: list[Callable[[], None]] = []
        """Told after a cycle in which a lease ended."""
        self.closed = False
        """Nothing is declared any more: what runs is seen and ended, nothing new is taken."""

    def apply(self, declared: Compute, actor: str) -> None:
        """Bring queues, grace and devices into force; leases that are held stay as they are."""
        with self._state.transaction() as tx:
            for queue in queues_of(declared):
                limit = queue.limit_milli
                if tx.run(
                    "queue_put",
                    id=self._state.new_id("que"),
                    project=self._journal.project,
                    name=queue.name,
                    guaranteed_milli=queue.guaranteed_milli,
                    limit_milli=limit,
                ):
                    tx.append(
                        lease_entries.queue_declared(
                            self._journal.stamp(actor),
                            self._journal.mac,
                            queue=_queue_id(tx, self._journal.project, queue.name),
                            name=queue.name,
                            guaranteed_milli=queue.guaranteed_milli,
                            limit_milli=limit,
                        )
                    )
        others = declared.devices != self.declared.devices
        self.declared = declared
        if others:
            self._past.append(self.loop)
            self.loop = self._open_loop()
        self.loop.terms = terms_of(declared)
        self.stock()
        self.loop.look()

    @property
    def trouble(self) -> ColonnadeError | None:
        """Why the declared devices are not there; None while they are."""
        found: ColonnadeError | None = getattr(self.loop.outside.devices, "trouble", None)
        return found

    def step(self) -> bool:
        """A cycle of the loop, by the one thread that runs it; drivers of a past declaration are let go before."""
        while self._past:
            self._past.pop().watching.close()
        loop, now = self.loop, self._state.now_ms()
        if now - self._tidied_ms > TIDY_MS:
            self._tidied_ms = now
            wiring.tidy_runs(self._places)
        try:
            return loop.step()
        finally:
            if loop.ended:
                for tell in self.on_change:
                    tell()

    def warm(self) -> None:
        """Let the engine learn what it can before anybody waits for it."""
        Engine(self.loop.picture().snapshot.cluster)

    def stock(self) -> None:
        """Know the devices now, so that who asks next is told the truth."""
        take_stock(self._state, self._journal, self._actor, self.loop.outside.devices.inventory())

    # asked by the gateway
    def run(self, asker: Asker, asked: RunRequest) -> Mapping[str, Any]:
        """See `ComputeBackend.run`."""
        if self.closed:
            message = "the declaration has no section `compute` any more: nothing new is run"
            raise UsageError(message, hint="add `compute: {devices: nvml}`, then `colonnade up`", code="no_compute")
        job = self._job(asked.job)
        command = list(asked.command) or (job.command if job else [])
        if not command:
            raise UsageError("there is no command to run", hint="colonnade run --gpu 0.5 -- python train.py")
        queue, queue_id = self._queue(asked.queue or (job.queue if job else None))
        members = asked.workers or (job.workers if job else 1)
        claim = self._fitting(_claim(asked, job), queue, members)
        declared = self.loop.terms.tree.queues[queue]
        folder = str(self._places.folder) if job is not None and not asked.command else asked.folder
        wanted = Asked(
            claim=claim,
            command=command,
            folder=folder,
            queue=queue_id,
            principal=asker.principal,
            environment=asked.environment,
            priority=_priority(asked.priority) if asked.priority else declared.priority,
            workers=members,
            movable=asked.preemptible if asked.preemptible is not None else bool(job and job.preemptible),
            attached=asked.attached,
            grace_ms=self.loop.terms.tree.grace_ms(queue),
        )
        with self._asking:
            made = self.leases.ask(wanted)
        self.loop.look()
        workers = [{"run": f"run/{run}", "lease": f"lease/{lease}"} for run, lease in made]
        return {"schema": "colonnade.asked/1", "ref": workers[0]["run"], "lease": workers[0]["lease"], "queue": queue,
                "workers": workers, "folder": str(self._places.runs)}  # fmt: skip

    def gpu(self) -> Mapping[str, Any]:
        """See `ComputeBackend.gpu`."""
        return read_gpu(self._state, self._keys, running=True, use=self.loop.watching.use)

    def wait(self, ref: str) -> Mapping[str, Any] | None:
        """See `ComputeBackend.wait`."""
        return waiting(self._state, self._keys, parse_ref(ref).id)

    def release(self, asker: Asker, ref: str) -> Mapping[str, Any]:
        """See `ComputeBackend.release`."""
        asked = parse_ref(ref)
        ending = asked.id or asked.name
        leases = self.leases.open() if len(ending) >= SHORTEST else []
        found = [lease for lease in leases if lease.id.endswith(ending) or lease.run.endswith(ending)]
        if not found:
            message = f"nothing is held or asked for under {ref!r}"
            raise UsageError(message, hint="`colonnade gpu` lists the leases", code="unknown_lease")
        for lease in found:
            self.loop.release(lease, "cancelled", asker.principal)
        return {"schema": "colonnade.release/1", "leases": [f"lease/{lease.id}" for lease in found]}

    def cordon(self, asker: Asker, device: str, cordoned: bool) -> Mapping[str, Any]:
        """See `ComputeBackend.cordon`."""
        rows = self._state.rows("devices_of_project", project=self._journal.project)
        ident = parse_ref(device).id
        found = [row for row in rows if device == row["uuid"] or ident == row["id"] or device == str(row["place"])]
        if len(found) != 1:
            hint = "`colonnade gpu` lists the devices"
            raise UsageError(f"there is no device {device!r}", hint=hint, code="unknown_device")
        cordon(self._state, self._journal, asker.principal, found[0]["id"], cordoned=cordoned)
        self.loop.look()
        return {"schema": "colonnade.cordon/1", "device": f"device/{found[0]['id']}", "cordoned": cordoned}

    def close(self) -> None:
        """Let go; what runs goes on."""
        self.loop.watching.close()
        self.executor.close()

    def _open_loop(self) -> FabricLoop:
        devices, capacities = wiring.open_devices(self._places, self.declared.devices)
        with self._state.transaction() as tx:
            tx.run("meta_put", key=CAPACITIES, value=json.dumps(capacities))
        outside = Outside(
            executor=self.executor,
            devices=devices,
            waited=functools.partial(wiring.is_waited_for, self._places),
            capacities={node: Capacity(*sizes) for node, sizes in capacities.items()},
            placer=Engine,
        )
        terms = terms_of(self.declared)
        return FabricLoop(self._state, self.leases, self._journal, self._actor, self._row, outside, terms)

    def _job(self, name: str | None) -> Job | None:
        if name is None:
            return None
        if name not in self.declared.jobs:
            known = ", ".join(self.declared.jobs) or "none"
            raise UsageError(
                f"no job {name!r} is declared", hint=f"declared under `compute.jobs`: {known}", code="unknown_job"
            )
        return self.declared.jobs[name]

    def _queue(self, asked: str | None) -> tuple[str, str]:
        """(full name, id) of the queue that somebody wrote. Raises UsageError."""
        names = self.declared.queue_names()
        name = names.get(asked or DEFAULT_QUEUE)
        if name is None:
            known = ", ".join(sorted(set(names.values())))
            raise UsageError(f"no queue {asked!r} is declared", hint=f"the queues are {known}", code="unknown_queue")
        rows = self._state.rows("queues_of_project", project=self._journal.project)
        return name, next(str(row["id"]) for row in rows if row["name"] == name)

    def _fitting(self, claim: Claim, queue: str, members: int) -> Claim:
        """The claim, if so many of it can ever be granted at once. Raises Refused for isolation that nobody offers,
        UsageError for what no machine has and for what the queue may never use.
        """
        rows = self._state.rows("devices_of_project", project=self._journal.project)
        levels = sorted({str(row["isolation"]) for row in rows}, key=ISOLATIONS.index)
        if claim.gpus and levels and not at_least(levels[-1], claim.isolation_at_least):
            raise Refused(
                f"isolation {claim.isolation_at_least!r} is not to be had here: "
                f"the strongest on offer is {levels[-1]!r}",
                hint=f"--isolation-at-least {levels[-1]}, or other devices (docs/concepts/isolation.md)",
                code="isolation_unavailable",
            )
        claim = shaped(claim, rows)
        tree = self.loop.terms.tree
        for name in tree.path(queue):
            limit = tree.limit(name)
            asks = claim.milli * members
            if limit is not None and asks > limit:
                raise UsageError(
                    f"the queue {name} may use {shown_milli(limit)} GPUs, and this asks for {shown_milli(asks)}",
                    hint="ask for less, or in another queue",
                    code="claim_impossible",
                )
        picture = self.loop.picture()
        if claim.gpus and (trouble := self.trouble) is not None:
            raise Unavailable(f"no device can be used: {trouble.message}", hint=trouble.hint, code="compute_down")
        if not could_host(picture, claim):
            raise UsageError(
                f"no machine here has {_said(claim)}, even with everything free",
                hint="`colonnade gpu` shows what there is" + ("; `--gpus 0` asks for none" if claim.gpus else ""),
                code="claim_impossible",
            )
        if not could_host(picture, claim, members):
            raise UsageError(
                f"there is no room here for {members} workers with {_said(claim)} each, even with everything free, "
                "and a gang starts whole",
                hint="fewer workers, or less for each; `colonnade gpu` shows what there is",
                code="claim_impossible",
            )
        return claim


def _queue_id(tx: Any, project: str, name: str) -> str:
    return next(str(row["id"]) for row in tx.rows("queues_of_project", project=project) if row["name"] == name)


def _claim(asked: RunRequest, job: Job | None) -> Claim:
    """What a request asks for; what it leaves out, its job says."""
    claim = job.claim() if job else Claim()
    given: dict[str, Any] = {
        "gpus": asked.gpus, "gpu_milli": asked.gpu_milli, "gpu_mib": asked.gpu_mib, "gpu_limit_mib": asked.gpu_mib,
        "cpu_milli": asked.cpu_milli, "memory_mib": asked.memory_mib, "isolation_at_least": asked.isolation_at_least,
        "models": None if asked.models is None else tuple(asked.models),
    }  # fmt: skip
    claim = replace(claim, **{name: value for name, value in given.items() if value is not None})
    if claim.isolation_at_least not in ISOLATIONS:
        raise UsageError(
            f"{claim.isolation_at_least!r} is no level of isolation", hint=f"they are {', '.join(ISOLATIONS)}"
        )
    return claim if claim.gpus else replace(claim, gpu_milli=WHOLE, gpu_mib=0, gpu_limit_mib=0)


def _priority(word: str) -> int:
    if word not in PRIORITIES:
        raise UsageError(f"{word!r} is no priority", hint=f"they are {', '.join(PRIORITIES)}")
    return PRIORITIES[word]


def _said(claim: Claim) -> str:
    devices = f"{claim.gpus} device{'s' * (claim.gpus != 1)}"
    parts = [f"{devices} of {' or '.join(claim.models)}" if claim.models else devices]
    parts += [f"{claim.gpu_mib} MiB on each"] if claim.gpu_mib else []
    parts += [f"{shown_milli(claim.cpu_milli)} CPU cores"] if claim.cpu_milli else []
    parts += [f"{claim.memory_mib} MiB of memory"] if claim.memory_mib else []
    return ", ".join(parts)
