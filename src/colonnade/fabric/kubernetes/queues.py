# SPDX-License-Identifier: Apache-2.0
"""`compute.queues` as objects of Kueue (`kueue.x-k8s.io/v1beta2`).

A team is a ClusterQueue with a LocalQueue before it, a department the Cohort of its teams, the project the Cohort of
its departments. Whoever names no queue is in the LocalQueue `default`, which is guaranteed nothing and borrows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from colonnade.core.claims import WHOLE
from colonnade.fabric.kubernetes.names import label, shared
from colonnade.fabric.kubernetes.objects import DOMAIN, Lack, Rendered, made, namespace
from colonnade.fabric.kubernetes.site import Department, Site, Team

API = "kueue.x-k8s.io/v1beta2"
WHOLE_GPUS = f"{DOMAIN}/gpu"
GPU_SHARES = f"{DOMAIN}/gpu-milli"
"""What quotas are counted in: Kueue's configuration maps device classes to it, see docs/how-to/run-on-kubernetes.md."""
DEFAULT = "default"
# Declared queues share out GPUs alone, but Kueue admits no pod with a request that its queue does not cover.
_UNLIMITED = (("cpu", "1000000"), ("memory", "1Pi"))


def resource_of(site: Site) -> str:
    """The resource in which the site's quotas stand."""
    return GPU_SHARES if site.in_shares else WHOLE_GPUS


def local_queue(site: Site, path: tuple[str, ...]) -> str:
    """The LocalQueue of a queue: its team's name where only one team has it."""
    if not path:
        return DEFAULT
    names = Counter(team.name for department in site.departments for team in department.teams)
    names.update({DEFAULT: 2})
    return label(path[-1]) if len(path) == 1 or names[path[-1]] == 1 else label(*path, marked=True)


def queue_objects(site: Site) -> Iterator[Rendered]:
    """Everything of Kueue, what others refer to first. Nothing where no queue is declared."""
    if not site.queued:
        return
    for flavour in ("gpu", "any"):
        yield _made("ResourceFlavor", shared(site.project, flavour), site, spec={})
    for name, value in sorted(site.priorities.items(), key=lambda item: item[1]):
        yield _made("WorkloadPriorityClass", shared(site.project, name), site, value=value)
    yield _project_cohort(site)
    for department in site.departments:
        yield _department_cohort(department, site)
    default = Team(DEFAULT, DEFAULT, 0, None, "normal", 0)
    yield from _queue(default, site, cohort=shared(site.project), path=())
    for department in site.departments:
        for team in department.teams:
            yield from _queue(team, site, cohort=shared(site.project, department.name), path=team.path)


def _project_cohort(site: Site) -> Rendered:
    """What the cluster has beyond all guarantees belongs to the project: whoever needs it borrows it."""
    promised = sum(department.guaranteed_milli for department in site.departments)
    spare = site.gpus * WHOLE - promised
    spec: dict[str, Any] = {}
    if spare > 0:
        spec["resourceGroups"] = [_gpus(site, spare, None)]
    return _made("Cohort", shared(site.project), site, spec=spec, lacks=_site_lacks(site, spare))


def _department_cohort(department: Department, site: Site) -> Rendered:
    """What a department has beyond its teams' guarantees, and how much it may borrow from the others."""
    own = department.guaranteed_milli - sum(team.guaranteed_milli for team in department.teams)
    limit = department.limit_milli
    spec: dict[str, Any] = {"parentName": shared(site.project)}
    if own or limit is not None:
        spec["resourceGroups"] = [_gpus(site, own, _above(limit, department.guaranteed_milli))]
    lacks = []
    if limit is not None and limit < department.guaranteed_milli:
        message = "its limit is below what its teams are guaranteed together, and they get what they are guaranteed"
        lacks.append(Lack(f"queue/{department.name}", "limit", message))
    return _made("Cohort", shared(site.project, department.name), site, spec=spec, lacks=lacks)


def _queue(team: Team, site: Site, *, cohort: str, path: tuple[str, ...]) -> Iterator[Rendered]:
    name = shared(site.project, *(path or (DEFAULT,)))
    borrowed = _above(team.limit_milli, team.guaranteed_milli)
    unlimited = {
        "coveredResources": [resource for resource, _ in _UNLIMITED],
        "flavors": [
            {
                "name": shared(site.project, "any"),
                "resources": [{"name": resource, "nominalQuota": amount} for resource, amount in _UNLIMITED],
            }
        ],
    }
    spec = {
        "cohortName": cohort,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace(site.project)}},
        "queueingStrategy": "BestEffortFIFO",
        # Borrowed shares come back to whom they are guaranteed; within a queue the more urgent go first.
        "preemption": {"reclaimWithinCohort": "Any", "withinClusterQueue": "LowerPriority"},
        "resourceGroups": [_gpus(site, team.guaranteed_milli, borrowed), unlimited],
    }
    yield _made("ClusterQueue", name, site, spec=spec)
    local = {"clusterQueue": name}
    yield made(API, "LocalQueue", local_queue(site, path), site.project, component="queue", spec=local)


def _gpus(site: Site, milli: int, borrowed_milli: int | None) -> dict[str, Any]:
    quota = {"name": resource_of(site), "nominalQuota": _counted(site, milli)}
    if borrowed_milli is not None:
        quota["borrowingLimit"] = _counted(site, borrowed_milli)
    return {
        "coveredResources": [resource_of(site)],
        "flavors": [{"name": shared(site.project, "gpu"), "resources": [quota]}],
    }


def _counted(site: Site, milli: int) -> str:
    return str(milli if site.in_shares else milli // WHOLE)


def _above(limit_milli: int | None, guaranteed_milli: int) -> int | None:
    """How much may be borrowed: Kueue's limit is above what is guaranteed, ours is everything."""
    return None if limit_milli is None else max(0, limit_milli - guaranteed_milli)


def _made(kind: str, name: str, site: Site, **more: Any) -> Rendered:
    return made(API, kind, name, site.project, component="queue", cluster=True, **more)


def _site_lacks(site: Site, spare: int) -> list[Lack]:
    found = []
    if not site.gpus:
        message = (
            "how many GPUs the cluster has is not known, so only what is guaranteed is handed out: say `--gpus N`, or"
            " give this cohort the rest"
        )
        found.append(Lack("queues", "spare", message))
    elif spare < 0:
        message = f"more is guaranteed than the {site.gpus} GPUs that there are"
        found.append(Lack("queues", "guarantees", message))
    message = (
        "a large job may wait for long: Kueue lets smaller ones pass and keeps no place for it, and nothing is moved to"
        " make room"
    )
    found.append(Lack("queues", "reservation", message))
    if site.idle_after_s:
        message = f"a share that is idle for {site.idle_after_s} s stays with its holder: nothing measures use"
        found.append(Lack("queues", "idle-reclaim", message))
    if site.priced:
        found.append(Lack("queues", "price", "GPU-hours are not counted, so they cost nobody anything"))
    return found
