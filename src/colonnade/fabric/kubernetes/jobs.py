# SPDX-License-Identifier: Apache-2.0
"""A standing job as a Job, or, with several workers, as a JobSet. What its devices are, is said in `claims`."""

from __future__ import annotations

from typing import Any

from colonnade.core.quantities import shown_milli
from colonnade.fabric.kubernetes.claims import REQUEST, claim_name
from colonnade.fabric.kubernetes.names import job_name, shared
from colonnade.fabric.kubernetes.objects import Lack, Rendered, labelled, made
from colonnade.fabric.kubernetes.queues import local_queue
from colonnade.fabric.kubernetes.site import Site, Work

CONTAINER = "work"
WORKERS = "workers"


def job_object(job: Work, site: Site) -> Rendered:
    """A Job, or a JobSet for a gang. The job has an image."""
    name = job_name(job.name)
    labels = {}
    if site.queued:
        labels["kueue.x-k8s.io/queue-name"] = local_queue(site, job.queue)
        labels["kueue.x-k8s.io/priority-class"] = shared(site.project, job.priority)
    gang = job.workers > 1
    spec = _batch(job, site, name)
    if gang:
        spec = _set(spec, name)
    if site.queued:
        spec = {"suspend": True, **spec}  # started by Kueue alone, also before Kueue has seen it
    api, kind = ("jobset.x-k8s.io/v1alpha2", "JobSet") if gang else ("batch/v1", "Job")
    lacks = _lacks(job, site)
    return made(api, kind, name, site.project, component="job", spec=spec, lacks=lacks, labels=labels)


def _batch(job: Work, site: Site, name: str) -> dict[str, Any]:
    """The spec of a Job: each worker runs once; a failed worker fails it."""
    spec: dict[str, Any] = {"backoffLimit": 0}
    if job.workers > 1:
        spec |= {"completionMode": "Indexed", "completions": job.workers, "parallelism": job.workers}
    if job.preemptible:
        # An eviction is no failure: it starts again elsewhere.
        evicted = {"type": "DisruptionTarget", "status": "True"}
        spec["podFailurePolicy"] = {"rules": [{"action": "Ignore", "onPodConditions": [evicted]}]}
    spec["template"] = {"metadata": {"labels": labelled(site.project, "job", name)}, "spec": _pod(job)}
    return spec


def _set(spec: dict[str, Any], name: str) -> dict[str, Any]:
    """One Job within a JobSet: its workers find each other by name, and end together."""
    return {
        "failurePolicy": {"maxRestarts": 0},
        "network": {"enableDNSHostnames": True, "subdomain": f"{WORKERS}-{name}"},
        "coordinator": {"replicatedJob": WORKERS, "jobIndex": 0, "podIndex": 0},
        "replicatedJobs": [{"name": WORKERS, "replicas": 1, "template": {"spec": spec}}],
    }


def _pod(job: Work) -> dict[str, Any]:
    claim = job.claim
    container: dict[str, Any] = {"name": CONTAINER, "image": job.image, "command": list(job.command), "env": _env(job)}
    requests = {}
    if claim.cpu_milli:
        requests["cpu"] = f"{claim.cpu_milli}m"
    if claim.memory_mib:
        requests["memory"] = f"{claim.memory_mib}Mi"
    resources: dict[str, Any] = {}
    if requests:
        resources["requests"] = requests
    if claim.memory_mib:
        resources["limits"] = {"memory": requests["memory"]}
    if claim.gpus:
        resources["claims"] = [{"name": REQUEST}]
    if resources:
        container["resources"] = resources
    pod: dict[str, Any] = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": job.grace_s,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # or the Service of the house would set COLONNADE_... of its own
        "containers": [container],
    }
    if claim.gpus:
        pod["resourceClaims"] = [{"name": REQUEST, "resourceClaimTemplateName": claim_name(job.name)}]
    return pod


def _env(job: Work) -> list[dict[str, Any]]:
    """What `colonnade run` tells a command too, as far as it is known here: there is no lease to name."""
    env: list[dict[str, Any]] = [{"name": "COLONNADE_GPUS", "value": shown_milli(job.claim.milli)}]
    if job.workers > 1:
        index = {"fieldPath": "metadata.labels['batch.kubernetes.io/job-completion-index']"}
        env.append({"name": "COLONNADE_RANK", "valueFrom": {"fieldRef": index}})
        env.append({"name": "COLONNADE_WORKERS", "value": str(job.workers)})
    return env


def _lacks(job: Work, site: Site) -> list[Lack]:
    if job.workers == 1 or site.queued:
        return []
    message = (
        f"its {job.workers} workers may start one by one and wait for each other: all or none needs a queue,"
        " `compute.queues`"
    )
    return [Lack(f"job/{job.name}", "gang", message)]
