# SPDX-License-Identifier: Apache-2.0
"""A Claim as a ResourceClaimTemplate (`resource.k8s.io/v1`), for NVIDIA's DRA driver.

A share is consumable capacity (KEP-5075): the driver, started with `consumableShares=1000`, publishes 1,000 `shares` of
each device, which are our thousandths. A partition is a device of the class `mig.nvidia.com` (partitionable devices,
KEP-4815). Models in order of preference are a prioritised list (KEP-4816).
"""

from __future__ import annotations

import re
from typing import Any

from colonnade.core.claims import WHOLE
from colonnade.core.quantities import shown_mib, shown_milli
from colonnade.fabric.kubernetes.names import job_name
from colonnade.fabric.kubernetes.objects import Lack, Rendered, made
from colonnade.fabric.kubernetes.site import Site, Work
from colonnade.fabric.mig.layout import profile_for
from colonnade.fabric.mig.profiles import geometry_of

DRIVER = "gpu.nvidia.com"
GPU_CLASS = "gpu.nvidia.com"
MIG_CLASS = "mig.nvidia.com"
REQUEST = "gpu"
MOST_ALTERNATIVES = 8
"""`firstAvailable` takes no more (FirstAvailableDeviceRequestMaxSize)."""
MOST_DEVICES = 32
"""One claim gets no more (AllocationResultsMaxSize)."""


def claim_name(job: str) -> str:
    """The template of a job's claims."""
    return job_name(job) + "-gpu"


def claim_template(job: Work, site: Site) -> Rendered:
    """The template from which each worker gets its own claim. `job.claim.gpus` is at least 1."""
    models = job.claim.models[:MOST_ALTERNATIVES]
    ordered = len(models) > 1 and not (site.queued and site.in_shares)
    if ordered:
        request: dict[str, Any] = {
            "name": REQUEST,
            "firstAvailable": [{"name": f"choice-{n}", **_asked(job, site, (m,))} for n, m in enumerate(models)],
        }
    else:
        request = {"name": REQUEST, "exactly": _asked(job, site, models)}
    devices: dict[str, Any] = {"requests": [request]}
    if job.sharing and job.claim.gpus > 1:
        # Two shares of one claim may otherwise lie on one device.
        devices["constraints"] = [{"distinctAttribute": f"{DRIVER}/uuid", "requests": [REQUEST]}]
    return made(
        "resource.k8s.io/v1",
        "ResourceClaimTemplate",
        claim_name(job.name),
        site.project,
        component="job",
        spec={"spec": {"devices": devices}},
        lacks=_lacks(job, site, ordered=ordered),
    )


def _asked(job: Work, site: Site, models: tuple[str, ...]) -> dict[str, Any]:
    """One request for all of a worker's devices, of any of the models."""
    claim = job.claim
    asked: dict[str, Any] = {"deviceClassName": MIG_CLASS if job.parted else GPU_CLASS}
    asked["allocationMode"] = "ExactCount"
    asked["count"] = claim.gpus
    chosen = [_condition(job, model) for model in models]
    conditions = [" || ".join(chosen if len(chosen) == 1 else [f"({one})" for one in chosen])] if chosen else []
    if claim.gpu_mib and (job.parted or not site.in_shares):
        conditions.append(f"{_memory()}.compareTo(quantity('{claim.gpu_mib}Mi')) >= 0")
    if conditions:
        asked["selectors"] = [{"cel": {"expression": one}} for one in conditions]
    if site.in_shares:
        # A device that is not asked for whole would be shared: the driver's default is one share.
        capacity = {"shares": str(claim.gpu_milli if job.sharing else WHOLE)}
        if claim.gpu_mib and not job.parted:
            capacity["memory"] = f"{claim.gpu_mib}Mi"
        asked["capacity"] = {"requests": capacity}
    return asked


def _condition(job: Work, model: str) -> str:
    profile = _profile(job, model) if job.parted else ""
    if profile:
        return f"{model_condition(model, sized=False)} && device.attributes['{DRIVER}'].profile == '{profile}'"
    return model_condition(model, sized=not job.parted)


def _profile(job: Work, model: str) -> str:
    """The smallest MIG profile of a model that is enough; "" where none is, or none is known."""
    geometry = geometry_of(model)
    found = profile_for(job.claim, geometry) if geometry is not None else None
    return found.name if found is not None else ""


def model_condition(model: str, *, sized: bool = True) -> str:
    """A CEL expression that is true of devices of the model "H100-80GB".

    The driver tells the vendor's product name ("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB"), so each word of the
    model must be a word there, and an amount of memory must be about the device's own, which is a little less than its
    label says.
    """
    said = []
    for word in re.findall(r"[A-Za-z0-9]+", model):
        if (size := re.fullmatch(r"(\d{1,4})gi?b", word, re.IGNORECASE)) is not None:
            low, high = int(size[1]) * 1024 * 9 // 10, int(size[1]) * 1024 * 11 // 10
            bounds = [f"{_memory()}.compareTo(quantity('{low}Mi')) >= 0"]
            bounds.append(f"{_memory()}.compareTo(quantity('{high}Mi')) <= 0")
            said += bounds if sized else []
        else:
            pattern = f"(?i)(^|[^A-Za-z0-9]){word}([^A-Za-z0-9]|$)"
            said.append(f"device.attributes['{DRIVER}'].productName.matches('{pattern}')")
    return " && ".join(said) or "true"


def _memory() -> str:
    return f"device.capacity['{DRIVER}'].memory"


def _lacks(job: Work, site: Site, *, ordered: bool) -> list[Lack]:
    claim = job.claim
    said: list[tuple[str, str]] = []
    if job.sharing and (claim.isolation_at_least != "none" or claim.gpu_mib):
        memory = f" with {shown_mib(claim.gpu_mib)}" if claim.gpu_mib else ""
        asked = f" ({claim.isolation_at_least} was asked for)" if claim.isolation_at_least != "none" else ""
        text = f"its share of {shown_milli(claim.gpu_milli)}{memory} is counted, and nothing stops it from taking more"
        said.append(("isolation", f"{text}{asked}; `isolation_at_least: partition` takes a MIG instance"))
    if job.parted and not all(_profile(job, model) for model in claim.models or ("",)):
        text = "no MIG profile of its models is known, so that any instance with enough memory will do, however small"
        said.append(("partition-size", f"{text} its share; name models such as H100-80GB"))
    if job.parted and site.queued:
        said.append(("quota", "Kueue charges its queue a whole GPU for each MIG instance"))
    if len(claim.models) > 1 and not ordered:
        text = "any of its models is taken: Kueue admits no order of preference (firstAvailable)"
        said.append(("order", f"{text} while devices are counted in shares"))
    if len(claim.models) > MOST_ALTERNATIVES:
        text = f"of its {len(claim.models)} models only the first {MOST_ALTERNATIVES} are asked for"
        said.append(("models", f"{text}: the API takes no more"))
    if claim.gpus > MOST_DEVICES:
        said.append(("gpus", f"no pod gets {claim.gpus} devices: a claim holds {MOST_DEVICES} at most"))
    return [Lack(f"job/{job.name}", what, message) for what, message in said]
