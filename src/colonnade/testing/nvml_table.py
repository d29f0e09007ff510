# SPDX-License-Identifier: Apache-2.0
"""Read `nvml_table.json`: which functions there are, and what they may return. Nothing is written by hand there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TABLE: Mapping[str, Any] = json.loads(Path(__file__).with_name("nvml_table.json").read_text(encoding="utf-8"))
CODES: Mapping[str, int] = TABLE["codes"]
ALSO: Mapping[str, tuple[str, ...]] = {
    # nvml.h says how the room is asked for, and not with which code: nvidia-ml-py 13.615.71 takes this one as "typical
    # case" in `nvmlDeviceGetProcessUtilization`, and knows no other.
    "nvmlDeviceGetProcessUtilization": ("NVML_ERROR_INSUFFICIENT_SIZE",),
}
"""Codes that the header does not list, each with what says that they come."""
_UNNAMED = (
    "NVML_SUCCESS", "NVML_ERROR_INVALID_ARGUMENT", "NVML_ERROR_NOT_SUPPORTED", "NVML_ERROR_GPU_IS_LOST",
    "NVML_ERROR_UNKNOWN",
)  # fmt: skip


def documented(function: str) -> list[int]:
    """The codes that the header lists for a function, success first; the usual ones where it says "on error" only."""
    listed = TABLE["functions"][function]["returns"]
    if listed in ([], ["NVML_SUCCESS"]):
        listed = _UNNAMED
    return [CODES[code] for code in (*listed, *ALSO.get(function, ()))]


def arguments(function: str) -> int:
    """How many arguments the header declares.

    >>> arguments("nvmlShutdown"), arguments("nvmlDeviceGetUUID")
    (0, 3)
    """
    inside = TABLE["functions"][function]["signature"].rsplit("(", 1)[1].split(")")[0]
    return 0 if inside == "void" else inside.count(",") + 1
