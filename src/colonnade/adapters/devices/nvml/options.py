# SPDX-License-Identifier: Apache-2.0
"""Read what `devices: nvml?...` says. Pure.

nvml                the strongest that the machine offers
nvml?mps=off        no MPS: programs take turns on a shared device, and a fault of one never ends another
nvml?torch=capped   every PyTorch here knows `per_process_memory_fraction`: tell it its share
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl

from colonnade.core.errors import UsageError

_VALUES = {"mps": {"on": True, "off": False}, "torch": {"capped": True, "free": False}}


@dataclass(frozen=True, slots=True)
class Options:
    """How shares are kept, where there is a choice."""

    mps: bool = True
    torch: bool = False


def read_options(text: str) -> Options:
    """The options of "nvml" or "nvml?...". Raises `UsageError` with a hint.

    >>> read_options("nvml?mps=off")
    Options(mps=False, torch=False)
    """
    name, _, query = text.partition("?")
    chosen = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in _VALUES or value not in _VALUES[key]:
            raise UsageError(
                f"devices: {text!r} has no such option as {key}={value}.",
                hint="There are mps=on|off and torch=capped|free.",
            )
        chosen[key] = _VALUES[key][value]
    if name != "nvml":
        raise UsageError(f"devices: {text!r} is not known.", hint="Write nvml, or simulated://8xH100-80GB.")
    return Options(**chosen)
