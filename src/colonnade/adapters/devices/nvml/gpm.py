# SPDX-License-Identifier: Apache-2.0
"""How busy a MIG instance is, from the counters that Hopper and newer keep by GPU instance (GPM). Whole GPUs and
processes are not its affair.

Two samples of the counters make one figure, and must lie 100 ms apart (nvml.h 13.4.92, `nvmlGpmMigSampleGet`). Not yet
run on hardware.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from colonnade.adapters.devices.nvml.found import Found
from colonnade.adapters.devices.nvml.library import Failed, Gone, Library
from colonnade.core.claims import WHOLE

APART_MS = 100
_SM_UTIL = 2
_VERSION = 1


@dataclass(slots=True)
class _Sampled:
    """The last sample of an instance, when it was taken, and what the two before it gave."""

    sample: Any
    at_ms: int
    busy_milli: int | None = None


class InstanceCounters:
    """Remembers the last sample of each instance. Not thread-safe: its owner holds a lock."""

    def __init__(self, library: Library, now_ms: Callable[[], int]) -> None:
        self._library, self._now_ms = library, now_ms
        self._last: dict[str, _Sampled] = {}
        self._able: dict[str, bool] = {}

    def busy_milli(self, device: Found) -> int | None:
        """Thousandths of its multiprocessors that were busy since the sample before, rounded up; None where nobody
        tells (before Hopper, and at the first look). Raises `Gone`.
        """
        if not self._can(device):
            return None
        before, now = self._last.get(device.uuid), self._now_ms()
        if before is not None and now - before.at_ms <= APART_MS:
            return before.busy_milli
        fresh = self._sample(device)
        if fresh is None:
            return None
        found = _Sampled(fresh, now)
        if before is not None:
            found.busy_milli = self._between(before.sample, fresh)
            self._free(before.sample)
        self._last[device.uuid] = found
        return found.busy_milli

    def close(self) -> None:
        """Let the samples go."""
        for sampled in self._last.values():
            self._free(sampled.sample)
        self._last.clear()

    def _can(self, device: Found) -> bool:
        if device.gpu not in self._able:
            told = self._library.ask(None, "nvmlGpmQueryDeviceSupport", device.parent)
            self._able[device.gpu] = bool(told is not None and told.isSupportedDevice)
        return self._able[device.gpu]

    def _sample(self, device: Found) -> Any:
        sample = self._library.ask(None, "nvmlGpmSampleAlloc")
        if sample is None:
            return None
        try:
            return self._library.call("nvmlGpmMigSampleGet", device.parent, device.instance, sample)
        except Failed as failed:
            self._free(sample)
            if isinstance(failed, Gone):
                raise
            self._library.note(failed)
            return None

    def _between(self, first: Any, second: Any) -> int | None:
        asked = self._library.nvml.c_nvmlGpmMetricsGet_t()
        asked.version, asked.numMetrics = _VERSION, 1
        asked.sample1, asked.sample2 = first, second
        asked.metrics[0].metricId = _SM_UTIL
        told = self._library.ask(None, "nvmlGpmMetricsGet", asked)
        if told is None or told.metrics[0].nvmlReturn or not math.isfinite(told.metrics[0].value):
            return None
        return min(WHOLE, max(0, math.ceil(float(told.metrics[0].value) * WHOLE / 100)))

    def _free(self, sample: Any) -> None:
        try:
            self._library.call("nvmlGpmSampleFree", sample)
        except Failed as failed:
            self._library.note(failed)
