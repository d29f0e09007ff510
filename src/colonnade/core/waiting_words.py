# SPDX-License-Identifier: Apache-2.0
"""What a lease waits for, in words and in the units that people write: `colonnade why` and the console say the same.
Whose end would start it is said where that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.core.quantities import shown_mib, shown_milli


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that a lease needs, in words and in the units that people write."""

    name: str
    asked: str
    free: str
    missing: str


_NEEDS = {
    "gpus": ("devices with room for it", ""),
    "gpu_milli": ("a share of a device", "milli"),
    "gpu_mib": ("device memory", "mib"),
    "cpu_milli": ("CPU cores", "milli"),
    "memory_mib": ("memory", "mib"),
    "model": ("devices of the models asked for", ""),
    "isolation": ("devices of the isolation asked for", ""),
    "gang": ("members of its gang", ""),
}


def lack(dimension: Mapping[str, Any]) -> Lack:
    """A dimension of `colonnade why`: {name, asked, free, missing}."""
    name = str(dimension["name"])
    said, unit = _NEEDS.get(name, (name, "milli" if name.startswith("limit of ") else ""))
    shown = {"milli": shown_milli, "mib": shown_mib}.get(unit, str)
    asked, free, missing = (int(dimension[key]) for key in ("asked", "free", "missing"))
    return Lack(said, shown(asked), shown(free), shown(missing) if missing else "")


def waits_for(dimensions: Sequence[Mapping[str, Any]]) -> str:
    """What is missing, in a sentence. Of one device, its share says it; that no device has it need not be said too."""
    short = [one for one in dimensions if one["missing"]]
    one_device = any(one["name"] == "gpu_milli" for one in short)
    told = [lack(one) for one in short if not (one["name"] == "gpus" and one_device and one["asked"] == 1)]
    if not told:
        return "There is room for it, but others go first or have it reserved."
    return f"Waits for {'; '.join(f'{one.name}: asks {one.asked}, {one.free} free' for one in told)}."
