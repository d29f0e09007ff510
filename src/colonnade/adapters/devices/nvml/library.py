# SPDX-License-Identifier: Apache-2.0
"""The one door to NVML: loads it late, and turns its return codes into three answers. It knows no function's meaning.

a value                what was asked
`Gone`                 the device fell off the bus, or needs a reset before it answers again
the weaker answer      for everything else that a call may return: not supported, not permitted, unknown. Why is kept
                       as a note, once for each function and code, so that a person can be told what is missing.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Mapping
from typing import Any, TypeVar

from colonnade.core.errors import MissingExtra, Unavailable

T = TypeVar("T")
SUCCESS = 0
UNINITIALIZED = 1
NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
TIMEOUT = 10
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
GPU_IS_LOST = 15
RESET_REQUIRED = 16
LIB_RM_VERSION_MISMATCH = 18
NAMES = {
    1: "not initialised", 2: "invalid argument", 3: "not supported", 4: "not permitted", 5: "initialised already",
    6: "not found", 7: "buffer too small", 8: "power cable missing", 9: "driver not loaded", 10: "timeout",
    11: "interrupt problem", 12: "library not found", 13: "not in this driver", 14: "infoROM damaged", 15: "GPU lost",
    16: "reset required", 17: "refused by the operating system", 18: "driver and library differ", 19: "in use",
    20: "out of memory", 21: "no data", 22: "no ECC under vGPU", 23: "no resources left", 24: "frequency not supported",
    25: "other version of a structure", 26: "deprecated", 27: "not ready", 28: "GPU not found", 29: "invalid state",
    30: "reset type not supported", 999: "unknown error",
}  # fmt: skip
_HINTS = {
    NO_PERMISSION: "Let the daemon's user open /dev/nvidia* (the group `video` or `render` on most systems).",
    DRIVER_NOT_LOADED: "Install NVIDIA's driver, or load it: `nvidia-smi` must list the devices.",
    LIBRARY_NOT_FOUND: "Install NVIDIA's driver (it brings libnvidia-ml.so.1), or declare `devices: simulated://8xH100-80GB`.",
    LIB_RM_VERSION_MISMATCH: "The driver was updated while its old module runs: restart the machine.",
}


class Failed(Exception):  # not a ColonnadeError: never leaves this package
    """A call returned this code."""

    def __init__(self, function: str, code: int) -> None:
        super().__init__(f"{function}: {NAMES.get(code, code)}")
        self.function, self.code = function, code


class Gone(Failed):
    """The device answers no more: lost, or waiting for a reset."""


class Library:
    """NVML, initialised. Thread-safe, as NVML is.

    Raises `MissingExtra` without the package, `Unavailable` with a hint without a driver.
    """

    def __init__(self) -> None:
        self._notes: dict[tuple[str, int], None] = {}
        self._lock = threading.Lock()
        self.nvml = _module()
        try:
            self.call("nvmlInit")
        except Failed as failed:
            hint = _HINTS.get(failed.code, "`nvidia-smi` may say more.")
            raise Unavailable(f"NVIDIA's management library does not start ({failed}).", hint=hint) from failed

    def call(self, function: str, *args: Any) -> Any:
        """What the function gives. Raises `Gone`, or `Failed` with any other code."""
        found = getattr(self.nvml, function, None)
        if found is None:  # an older nvidia-ml-py
            raise Failed(function, FUNCTION_NOT_FOUND)
        try:
            return found(*args)
        except self.nvml.NVMLError as cause:
            kind = Gone if cause.value in (GPU_IS_LOST, RESET_REQUIRED) else Failed
            raise kind(function, cause.value) from cause

    def ask(self, weaker: T, function: str, *args: Any) -> Any | T:
        """What the function gives, or the weaker answer and a note. Raises `Gone`."""
        try:
            return self.call(function, *args)
        except Gone:
            raise
        except Failed as failed:
            self.note(failed)
            return weaker

    def note(self, failed: Failed) -> None:
        """Remember that a call could not be answered, once."""
        if failed.code != SUCCESS:
            with self._lock:
                self._notes.setdefault((failed.function, failed.code))

    def notes(self) -> Mapping[str, tuple[str, ...]]:
        """By function, what was not answered and why."""
        with self._lock:
            found: dict[str, tuple[str, ...]] = {}
            for function, code in self._notes:
                found[function] = (*found.get(function, ()), NAMES.get(code, f"code {code}"))
        return found

    def has(self, function: str) -> bool:
        """Whether driver and package have the function."""
        if getattr(self.nvml, function, None) is None:
            return False
        try:
            self.nvml._nvmlGetFunctionPointer(function)
        except self.nvml.NVMLError:
            return False
        return True

    def close(self) -> None:
        """Let NVML go; whatever it says to that is too late to matter."""
        try:
            self.call("nvmlShutdown")
        except Failed as failed:
            self.note(failed)


def _module() -> Any:
    try:
        return importlib.import_module("pynvml")
    except ImportError as cause:
        raise MissingExtra(
            "NVIDIA devices need the package nvidia-ml-py.", hint='Install it: pip install "colonnade[gpu]"'
        ) from cause
