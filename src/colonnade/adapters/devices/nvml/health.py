# SPDX-License-Identifier: Apache-2.0
"""Why no new work should go to a GPU: Xid events, memory errors, throttling. It cordons nobody: it says what it sees.

Xids are told once and never again, so they are kept in a file until the machine starts anew (a reset GPU needs
`forgive`). What the other questions answer holds as long as it is answered so.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from colonnade.adapters.devices.nvml.found import Found
from colonnade.adapters.devices.nvml.library import TIMEOUT, Failed, Gone, Library

OURS_TO_IGNORE = frozenset({13, 31, 43, 45, 68, 109})
"""Xids of a faulty program on a healthy GPU, as NVIDIA's own Kubernetes device plugin counts them (its `health.go`)."""
HARMLESS = frozenset({63, 92, 94, 137})
"""Xids after which NVIDIA's catalogue asks for nothing, or for a restart of the program; the counters below tell of
them where they matter (docs.nvidia.com/deploy/xid-errors, "Analyzing Xid Errors with the Xid Catalog")."""
CALM_MS = 60_000
"""Throttling counts until it has been away so long: a GPU at its limit comes and goes."""
_MOST_EVENTS = 256
_NO_INSTANCE = 0xFFFFFFFF
_UNCORRECTED, _VOLATILE, _PROHIBITED = 1, 0, 2
_XID, _DOUBLE_BIT = 0x8, 0x2
_SLOWDOWNS = {0x40: "too hot", 0x80: "power brake", 0x8: "slowed down by hardware"}


class Health:
    """What is known of the health of GPUs, by uuid. Not thread-safe: its owner holds a lock."""

    def __init__(self, library: Library, file: Path | None, now_ms: Callable[[], int], boot: str = "") -> None:
        self._library, self._file, self._now_ms = library, file, now_ms
        self._boot = boot or _boot()
        self._xids: dict[str, int] = _read(file, self._boot)
        self._slow: dict[str, tuple[int, str]] = {}
        self._watched: dict[int, str] = {}
        self._events: Any = None

    def of(self, gpus: Iterable[Found]) -> Mapping[str, str]:
        """By uuid of GPU: "healthy", or why not. Its instances fare as it does; `of_instance` tells of one alone."""
        known = list(gpus)
        self._watch(known)
        self._drain()
        return {gpu.uuid: self._one(gpu) for gpu in known}

    def of_instance(self, device: Found) -> str:
        """What ails this instance and not its whole GPU, or ""."""
        xid = self._xids.get(_named(device.gpu, device.instance))
        return f"xid {xid}" if xid is not None and device.instance >= 0 else ""

    def forgive(self, device: Found) -> None:
        """The Xids of this device, and of the GPU that it is on, were dealt with: it may work again."""
        for name in (device.gpu, _named(device.gpu, device.instance)):
            if self._xids.pop(name, None) is not None:
                self._write()

    def close(self) -> None:
        """Let the events go."""
        if self._events is not None:
            with contextlib.suppress(Gone):
                self._library.ask(None, "nvmlEventSetFree", self._events)
            self._events = None

    def _one(self, gpu: Found) -> str:
        if gpu.lost:
            return gpu.lost
        if gpu.uuid in self._xids:
            return f"xid {self._xids[gpu.uuid]}"
        try:
            return self._counters(gpu) or self._slowness(gpu) or "healthy"
        except Gone:
            return "gone"

    def _counters(self, gpu: Found) -> str:
        ask = self._library.ask
        if ask(0, "nvmlDeviceGetTotalEccErrors", gpu.handle, _UNCORRECTED, _VOLATILE):
            return "ecc"
        remapped = ask(None, "nvmlDeviceGetRemappedRows", gpu.handle)
        if remapped is not None and remapped[3]:
            return "row remapping failed"
        if ask(0, "nvmlDeviceGetComputeMode", gpu.handle) == _PROHIBITED:
            return "compute prohibited"
        return ""

    def _slowness(self, gpu: Found) -> str:
        reasons = self._library.ask(-1, "nvmlDeviceGetCurrentClocksEventReasons", gpu.handle)
        if reasons < 0:  # before r535 it had another name
            reasons = self._library.ask(0, "nvmlDeviceGetCurrentClocksThrottleReasons", gpu.handle)
        now = self._now_ms()
        for bit, why in _SLOWDOWNS.items():
            if reasons & bit:
                self._slow[gpu.uuid] = (now, f"throttled ({why})")
                break
        since, why = self._slow.get(gpu.uuid, (now - CALM_MS, ""))
        return why if now - since < CALM_MS else ""

    def _watch(self, gpus: Iterable[Found]) -> None:
        """Ask for the events of every GPU that is not watched yet."""
        fresh = [gpu for gpu in gpus if not gpu.lost and _number(gpu.handle) not in self._watched]
        if fresh and self._events is None:
            self._events = self._library.ask(None, "nvmlEventSetCreate")
        if self._events is None:
            return
        for gpu in fresh:
            self._watched[_number(gpu.handle)] = gpu.uuid
            with contextlib.suppress(Gone):
                wanted = self._library.ask(0, "nvmlDeviceGetSupportedEventTypes", gpu.handle) & (_XID | _DOUBLE_BIT)
                if wanted:
                    self._library.ask(None, "nvmlDeviceRegisterEvents", gpu.handle, wanted, self._events)

    def _drain(self) -> None:
        """Take every event that is there, without waiting."""
        for _ in range(_MOST_EVENTS if self._events is not None else 0):
            try:
                event = self._library.call("nvmlEventSetWait_v2", self._events, 0)
            except Failed as failed:  # a lost GPU is told by the next look
                if failed.code != TIMEOUT:
                    self._library.note(failed)
                return
            uuid = self._watched.get(_number(event.device), "")
            xid = int(event.eventData)
            if uuid and int(event.eventType) == _XID and xid not in OURS_TO_IGNORE | HARMLESS:
                instance = int(event.gpuInstanceId)
                self._xids.setdefault(uuid if instance == _NO_INSTANCE else _named(uuid, instance), xid)
                self._write()

    def _write(self) -> None:
        if self._file is not None:
            draft = self._file.with_suffix(".draft")
            draft.write_text(json.dumps({"boot": self._boot, "xids": self._xids}), encoding="utf-8")
            os.replace(draft, self._file)


def _named(gpu: str, instance: int) -> str:
    return f"{gpu}/{instance}"


def _number(handle: Any) -> int:
    """A handle's address, by which two handles of one GPU are known to be equal."""
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def _read(file: Path | None, boot: str) -> dict[str, int]:
    if file is None:
        return {}
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        return {str(uuid): int(xid) for uuid, xid in kept["xids"].items()} if kept["boot"] == boot else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"
