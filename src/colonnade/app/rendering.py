# SPDX-License-Identifier: Apache-2.0
"""From a declaration to manifests: what it says as a site, and objects as YAML. No kind of Kubernetes is built here."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from colonnade import __version__
from colonnade.app.settings.compute import DEFAULT_QUEUE, PRIORITIES, Compute, DepartmentQueue, Job, TeamQueue
from colonnade.app.settings.declaration import Declaration, Gateway
from colonnade.core.errors import UsageError
from colonnade.core.quantities import milli_of
from colonnade.fabric.kubernetes.house import service_hosts
from colonnade.fabric.kubernetes.objects import Rendered
from colonnade.fabric.kubernetes.render import Rendering, render
from colonnade.fabric.kubernetes.site import Department, House, Site, Team, Work

IMAGE = f"colonnade:{__version__}"
"""The house's image when none is named: one that you build yourself, none is published."""
KUSTOMIZATION = "kustomization.yaml"


def rendered(declaration: Declaration, *, image: str = "", gpus: int = 0) -> Rendering:
    """The objects of a declaration, as for `site_of`."""
    return render(site_of(declaration, image=image, gpus=gpus))


def site_of(declaration: Declaration, *, image: str = "", gpus: int = 0) -> Site:
    """What a declaration describes. `gpus`: how many the cluster has; else as many as it simulates, if it does."""
    compute = declaration.compute
    house = _house(declaration, image or IMAGE)
    if compute is None:
        return Site(declaration.project, house)
    return Site(
        declaration.project,
        house,
        departments=tuple(_department(name, queue, compute) for name, queue in sorted(compute.queues.items())),
        jobs=tuple(_work(name, job, compute) for name, job in sorted(compute.jobs.items())),
        gpus=gpus or _simulated(compute.devices),
        idle_after_s=compute.idle_after_s or 0,
        priced=bool(compute.price_per_gpu_hour),
        priorities=PRIORITIES,
    )


def as_yaml(rendering: Rendering) -> str:
    """One stream, to be applied as it is; what the cluster must have stands on top as comments."""
    head = [
        f"# Rendered by colonnade {__version__}. These kinds are validated by their schemas, not yet run on a cluster.",
        *(f"# Needs: {sentence}." for sentence in rendering.requires),
        *(f"# Not enforced ({lack.ref}): {lack.message}." for lack in rendering.lacks),
    ]
    comments = "\n".join(" ".join(line.split()) for line in head)  # a declared path may hold a line break
    return comments + "\n" + "".join(f"---\n{_dumped(one.body)}" for one in rendering.objects)


def write_files(rendering: Rendering, folder: Path) -> list[str]:
    """One file an object, and a kustomization that names them. The names written, relative to the folder.

    Files of an earlier rendering that are no longer named stay: they are not ours to delete.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", hint="give a folder: --out FOLDER")
    written = {_file_name(one): _dumped(one.body) for one in rendering.objects}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": list(written),
    }  # fmt: skip
    written[KUSTOMIZATION] = _dumped(kustomization)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror}", hint="give a folder that is yours: --out FOLDER"
        ) from error
    return list(written)


# --- the declaration as a site --------------------------------------------------------------------


def _house(declaration: Declaration, image: str) -> House:
    gateway = declaration.gateway
    port = gateway.port or Gateway().port
    there = declaration.model_dump(mode="json", exclude_unset=True)
    # There the cluster's scheduler and Kueue hand out GPUs, so the daemon must not, and its Service must reach it.
    there.pop("compute", None)
    hosts = list(dict.fromkeys([*gateway.hosts, *service_hosts(declaration.project)]))
    every_address = "0.0.0.0"  # noqa: S104  (of its pod)
    there["gateway"] = {**there.get("gateway", {}), "host": every_address, "port": port, "hosts": hosts}
    text = _dumped(there)
    paths = [source.path for base in declaration.knowledge.values() for source in base.sources if source.path]
    folders = [base.embed_with.folder for base in declaration.knowledge.values() if base.embed_with is not None]
    named = sorted({*paths, *(folder for folder in folders if folder)})
    return House(
        image=image,
        declaration=text,
        digest="sha256:" + hashlib.sha256(text.encode()).hexdigest(),
        port=port,
        secrets=tuple(sorted(_secrets(declaration))),
        outside=tuple(path for path in named if _is_outside(path)),
        folders=tuple(path for path in named if not _is_outside(path)),
    )


def _secrets(declaration: Declaration) -> Iterable[str]:
    """Environment variables that are named as holding a key."""
    for service in declaration.services.values():
        if service.answer_with is not None and service.answer_with.key_env:
            yield service.answer_with.key_env
    for base in declaration.knowledge.values():
        if base.embed_with is not None and base.embed_with.key_env:
            yield base.embed_with.key_env


def _is_outside(path: str) -> bool:
    clean = os.path.normpath(path)
    return os.path.isabs(clean) or clean == ".." or clean.startswith("../")


def _department(name: str, queue: DepartmentQueue, compute: Compute) -> Department:
    limit = None if queue.limit is None else milli_of(queue.limit)
    teams = []
    if not queue.queues or any(_path(job, compute) == (name,) for job in compute.jobs.values()):
        # The department itself is a queue: it has what its teams are not guaranteed.
        rest = queue.guaranteed_milli - queue.teams_milli
        teams.append(Team(name, name, rest, None, *_terms(queue, queue, compute)))
    for team, one in sorted(queue.queues.items()):
        most = None if one.limit is None else milli_of(one.limit)
        teams.append(Team(name, team, milli_of(one.guaranteed), most, *_terms(one, queue, compute)))
    return Department(name, queue.guaranteed_milli, limit, tuple(teams))


def _terms(queue: TeamQueue, above: DepartmentQueue, compute: Compute) -> tuple[str, int]:
    """Priority and grace of a queue's work."""
    grace = next(s for s in (queue.grace_s, above.grace_s, compute.grace_s) if s is not None)
    return queue.priority or above.priority or "normal", grace


def _path(job: Job, compute: Compute) -> tuple[str, ...]:
    """The path of a job's queue; () for the queue of whoever names none."""
    full = compute.queue_names()[job.queue or DEFAULT_QUEUE]
    return () if full == DEFAULT_QUEUE else tuple(full.split("."))


def _work(name: str, job: Job, compute: Compute) -> Work:
    path = _path(job, compute)
    priority, grace = "normal", compute.grace_s
    if path:
        above = compute.queues[path[0]]
        priority, grace = _terms(above.queues[path[1]] if len(path) > 1 else above, above, compute)
    return Work(
        name=name,
        command=tuple(job.command),
        claim=job.claim(),
        image=job.image or "",
        queue=path,
        workers=job.workers,
        priority=priority,
        grace_s=grace,
        preemptible=job.preemptible,
    )


def _simulated(devices: str) -> int:
    """How many devices `simulated://8xH100-80GB,4xL4-24GB` has; 0 where none are simulated, or a file says how many."""
    body = devices.partition("://")[2].partition("?")[0]
    groups = [re.match(r"(\d+)x", group) for group in body.split(",")]
    return sum(int(group[1]) for group in groups if group is not None)


# --- objects as text ------------------------------------------------------------------------------


class _Dumper(yaml.SafeDumper):
    """YAML that every parser reads alike: what could be a number or a truth value elsewhere is quoted."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        return super().increase_indent(flow, indentless=False)


_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)\Z)[A-Za-z/][^\n]*", re.IGNORECASE)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if _PLAIN.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _dumped(body: Mapping[str, Any]) -> str:
    return yaml.dump(dict(body), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


def _file_name(one: Rendered) -> str:
    return f"{one.kind.lower()}-{one.name}.yaml"
