# SPDX-License-Identifier: Apache-2.0
"""A `ComputeBackend` in memory: devices, leases and queues that a test writes down and moves by hand.

No placement and no process: who gets what is what the test says. For the gateway's and the console's tests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from colonnade.core.answers import Asker
from colonnade.core.errors import UnknownName
from colonnade.core.quantities import rfc3339
from colonnade.gateway.compute import RunRequest
from colonnade.testing.backend_documents import fixed_id

H100_MIB = 81_559
WHOLE = 1000


class FakeCompute:
    """Eight devices (or `devices`) of one machine and nothing on them. Ids are the same in every run.

    Args:
        now_ms: the house's clock.
        devices: how many.
        queues: name to (guaranteed, limit or None), in thousandths of a device.

    Attributes:
        asked: what was asked to run.
        done: (principal, release | cordon | uncordon, id).
        explained: how often a reason to wait was asked for.
    """

    def __init__(
        self, now_ms: Callable[[], int], devices: int = 8, queues: Mapping[str, tuple[int, int | None]] | None = None
    ) -> None:
        self._now_ms = now_ms
        self.devices: dict[str, dict[str, Any]] = {}
        self.leases: dict[str, dict[str, Any]] = {}
        self.waits: dict[str, dict[str, Any]] = {}
        self.asked: list[RunRequest] = []
        self.done: list[tuple[str, str, str]] = []
        self.explained = 0
        self.queues = dict(queues or {"default": (0, None)})
        for place in range(devices):
            ident = fixed_id("dev", place)
            self.devices[ident] = {
                "ref": f"device/{ident}", "uuid": f"GPU-{place:08x}", "node": "here", "place": place, "model": "H100",
                "memory_mib": H100_MIB, "isolation": "none", "busy_milli": 0, "measured_mib": 0, "health": "healthy",
                "cordoned": False,
            }  # fmt: skip

    # what tests turn
    def hold(self, *places: int, milli: int = WHOLE, **told: Any) -> str:
        """A lease that holds a share of these devices: its id. `told` overrides fields of the document's lease."""
        number = len(self.leases) + 1
        devices = [fixed_id("dev", place) for place in places]
        ident = fixed_id("lse", number)
        since = told.pop("since_ms", self._now_ms() - 60_000 * number)
        self.leases[ident] = {
            "id": ident, "ref": f"lease/{ident}", "run": f"run/{fixed_id('run', 100 + number)}",
            "state": "held" if places else "pending", "device": f"device/{devices[0]}" if devices else None,
            "devices": [f"device/{device}" for device in devices], "on": [f"H100#{place}" for place in places],
            "gpus": max(1, len(places)), "gpu_milli": milli, "gpu_mib": H100_MIB * milli // WHOLE,
            "isolation": "none" if places else None, "pid": 4000 + number if places else None, "project": "acme",
            "queue": next(iter(self.queues)), "borrowed": False, "person": "anna", "command": ["python", "train.py"],
            "since_ms": since, "since": rfc3339(since), "busy_milli": None, "measured_mib": None, "reason": None,
            "note": None, "gang": None, **told,
        }  # fmt: skip
        return ident

    def wish(self, milli: int = WHOLE, wait: Mapping[str, Any] | None = None, **told: Any) -> str:
        """A lease that waits: its id. Its reason: nothing is free, unless `wait` says more."""
        ident = self.hold(milli=milli, **told)
        self.waits[ident] = {
            "dimensions": [
                {"name": "gpus", "asked": 1, "free": 0, "missing": 1},
                {"name": "gpu_milli", "asked": milli, "free": 0, "missing": milli},
            ],
            "would_free": [one["ref"] for one in self.leases.values() if one["gpu_milli"] >= milli and one["devices"]],
            "would_free_any": True, "before": [], "starts_by_ms": None, "sentence": "It waits.", **(wait or {}),
        }  # fmt: skip
        return ident

    def end(self, lease: str) -> None:
        """A lease's processes are gone."""
        del self.leases[lease]

    # the backend
    def run(self, asker: Asker, asked: RunRequest) -> Mapping[str, Any]:
        """See `ComputeBackend.run`: it waits; `hold` is the test's."""
        self.asked.append(asked)
        queue = asked.queue or next(iter(self.queues))
        ident = self.wish(asked.gpu_milli or WHOLE, queue=queue, command=asked.command, person=asker.name)
        lease = self.leases[ident]
        workers = [{"run": lease["run"], "lease": lease["ref"]}]
        return {"schema": "colonnade.asked/1", "ref": lease["run"], "lease": lease["ref"], "queue": queue,
                "workers": workers, "folder": "/"}  # fmt: skip

    def gpu(self) -> Mapping[str, Any]:
        """See `ComputeBackend.gpu`."""
        used: dict[str, int] = defaultdict(int)
        mib: dict[str, int] = defaultdict(int)
        for lease in self.leases.values():
            for device in lease["devices"]:
                used[device] += lease["gpu_milli"]
                mib[device] += lease["gpu_mib"]
        devices = [
            {**row, "used_milli": used[row["ref"]], "used_mib": mib[row["ref"]]} for row in self.devices.values()
        ]
        return {"schema": "colonnade.gpu/1", "daemon": "running", "now_ms": self._now_ms(), "devices": devices,
                "leases": [dict(lease) for lease in self.leases.values()],
                "queues": [self._queue(name, *terms) for name, terms in self.queues.items()],
                "guarantees": any(promised for promised, _ in self.queues.values())}  # fmt: skip

    def wait(self, ref: str) -> Mapping[str, Any] | None:
        """See `ComputeBackend.wait`."""
        self.explained += 1
        ident = ref.rpartition("/")[2]
        return self.waits[ident] if self.leases.get(ident, {}).get("state") == "pending" else None

    def release(self, asker: Asker, ref: str) -> Mapping[str, Any]:
        """See `ComputeBackend.release`: what is held is releasing until `end`; a wish is gone at once."""
        ident = ref.rpartition("/")[2]
        if ident not in self.leases:
            raise UnknownName(f"nothing is held or asked for under {ref!r}")
        self.done.append((asker.principal, "release", ident))
        if self.leases[ident]["state"] == "pending":
            self.end(ident)
        else:
            self.leases[ident].update(state="releasing", reason="cancelled", since_ms=self._now_ms())
        return {"schema": "colonnade.release/1", "leases": [f"lease/{ident}"]}

    def cordon(self, asker: Asker, device: str, cordoned: bool) -> Mapping[str, Any]:
        """See `ComputeBackend.cordon`."""
        ident = device.rpartition("/")[2]
        if ident not in self.devices:
            raise UnknownName(f"there is no device {device!r}")
        self.done.append((asker.principal, "cordon" if cordoned else "uncordon", ident))
        self.devices[ident].update(health="cordoned" if cordoned else "healthy", cordoned=cordoned)
        return {"schema": "colonnade.cordon/1", "device": f"device/{ident}", "cordoned": cordoned}

    def _queue(self, name: str, promised: int, limit: int | None) -> dict[str, Any]:
        mine = [lease for lease in self.leases.values() if lease["queue"] == name]
        milli = {state: sum(one["gpu_milli"] * one["gpus"] for one in mine if (one["state"] == "pending") == state)
                 for state in (True, False)}  # fmt: skip
        return {"ref": f"queue/{fixed_id('que', list(self.queues).index(name))}", "name": name,
                "guaranteed_milli": promised, "limit_milli": limit, "used_milli": milli[False],
                "pending_milli": milli[True]}  # fmt: skip
