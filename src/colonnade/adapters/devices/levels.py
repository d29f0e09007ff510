# SPDX-License-Identifier: Apache-2.0
"""What both engines say alike: the refusal of a level that is not on offer, and what every command is told.

Pure. How a level is reached is each engine's own affair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from colonnade.core.claims import WHOLE, Claim, at_least
from colonnade.core.errors import Refused, Unavailable


def require(offered: str, claim: Claim, why: Sequence[str] = ()) -> None:
    """Raise `Refused` when the strongest level on offer is weaker than the claim asks for.

    >>> require("hard", Claim(isolation_at_least="soft"))
    """
    if not at_least(offered, claim.isolation_at_least):
        reason = f" {' '.join(why)}" if why else ""
        raise Refused(
            f"The isolation {claim.isolation_at_least!r} is not on offer here: the strongest is {offered!r}.{reason}",
            hint=f"Ask for --isolation-at-least {offered}, or see what a machine needs for more: "
            "docs/concepts/isolation.md.",
            code="isolation_unavailable",
        )


def known(uuids: Sequence[str], devices: Mapping[str, object]) -> None:
    """Raise `Unavailable` when one of the devices is not there (any more)."""
    for uuid in uuids:
        if uuid not in devices:
            raise Unavailable(f"The device {uuid} is not there.", hint="`colonnade gpu` lists those that are.")


def limit_mib(claim: Claim, memory_mib: int) -> int:
    """Where a claim's memory is cut off on a device of this size, in MiB: as said, or else its share; never beyond the
    device.

    >>> limit_mib(Claim(gpu_milli=250), 81920), limit_mib(Claim(gpu_milli=250, gpu_mib=30720), 81920)
    (20480, 30720)
    """
    return min(claim.gpu_limit_mib or claim.gpu_mib or memory_mib * claim.gpu_milli // WHOLE, memory_mib)


def kept_mib(claim: Claim, memory_mib: int) -> int:
    """What is kept for a claim on a device of this size, in MiB: so that what is kept for all of them fits.

    >>> kept_mib(Claim(gpu_milli=250, gpu_limit_mib=40960), 81920)
    20480
    """
    return min(claim.gpu_mib or memory_mib * claim.gpu_milli // WHOLE, limit_mib(claim, memory_mib))


def visible(uuids: Sequence[str]) -> dict[str, str]:
    """What lets a CUDA program see these devices and no other, in this order. By uuid: an index means another device
    once one is lost, or under another ordering.
    """
    return {"CUDA_VISIBLE_DEVICES": ",".join(uuids), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
