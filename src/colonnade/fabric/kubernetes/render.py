# SPDX-License-Identifier: Apache-2.0
"""A site as objects, in the order in which they are applied, with everything that the cluster must have for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from colonnade.fabric.kubernetes.claims import DRIVER, GPU_CLASS, MIG_CLASS, claim_template
from colonnade.fabric.kubernetes.house import house_needs, house_objects
from colonnade.fabric.kubernetes.jobs import job_object
from colonnade.fabric.kubernetes.objects import Lack, Rendered
from colonnade.fabric.kubernetes.queues import queue_objects, resource_of
from colonnade.fabric.kubernetes.site import Site


@dataclass(frozen=True, slots=True)
class Rendering:
    """All of it.

    Attributes:
        objects: what they refer to first.
        lacks: what is declared and not enforced, in the order of the objects.
        requires: what the cluster must have, a sentence each.
    """

    objects: tuple[Rendered, ...]
    lacks: tuple[Lack, ...]
    requires: tuple[str, ...]


def render(site: Site) -> Rendering:
    """The objects of a site. The same site gives the same objects."""
    objects = tuple(_objects(site))
    left_out = [
        Lack(f"job/{job.name}", "image", "it declares no `image`, so that it is left out")
        for job in site.jobs
        if not job.image
    ]
    lacks = [lack for one in objects for lack in one.lacks]
    return Rendering(objects, (*lacks, *left_out), tuple(_requires(site, objects)))


def _objects(site: Site) -> Iterator[Rendered]:
    yield from house_objects(site)
    yield from queue_objects(site)
    for job in site.jobs:
        if not job.image:
            continue
        if job.claim.gpus:
            yield claim_template(job, site)
        yield job_object(job, site)


def _requires(site: Site, objects: tuple[Rendered, ...]) -> Iterator[str]:
    yield from house_needs(site)
    kinds = {one.kind for one in objects}
    claimed = [job for job in site.jobs if job.image and job.claim.gpus]
    if claimed and site.in_shares:
        yield (
            f"Kubernetes 1.36 or later, and NVIDIA's DRA driver ({DRIVER}) with its feature gate ConsumableShares and"
            " consumableShares=1000"
        )
    elif claimed:
        yield f"Kubernetes 1.34 or later, and NVIDIA's DRA driver ({DRIVER})"
    if any(job.parted for job in claimed):
        yield "MIG instances: the driver's feature gate DynamicMIG (partitionable devices, KEP-4815), or made by you"
    if "JobSet" in kinds:
        yield "JobSet (jobset.x-k8s.io/v1alpha2)"
    if site.queued:
        counted = "the capacity `shares`" if site.in_shares else "the devices"
        yield (
            f"Kueue 0.20 or later (kueue.x-k8s.io/v1beta2), whose deviceClassMappings count {counted} of {GPU_CLASS}"
            f" and {MIG_CLASS} as {resource_of(site)}"
        )
    if site.queued and any(_has_order(one) for one in objects):
        yield "Kueue's feature gate KueueDRAIntegrationPrioritizedList, for an order of preference among models"
    if site.queued and "JobSet" in kinds:
        yield "Kueue's waitForPodsReady, so that a gang whose workers do not all start gives its place back"


def _has_order(one: Rendered) -> bool:
    if one.kind != "ResourceClaimTemplate":
        return False
    return any("firstAvailable" in request for request in one.body["spec"]["spec"]["devices"]["requests"])
