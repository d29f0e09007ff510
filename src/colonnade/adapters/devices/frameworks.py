# SPDX-License-Identifier: Apache-2.0
"""What common frameworks can be told about their share of a device's memory. Pure. A program may ignore all of it.

Only variables that every release of a framework takes, or passes over. PyTorch's `per_process_memory_fraction` is not
among them: releases that do not know the option end with "Unrecognized CachingAllocator option" at the first CUDA call.
"""

from __future__ import annotations

from collections.abc import Mapping

from colonnade.core.claims import WHOLE


def capped(limit_mib: int, memory_mib: int, *, torch: bool = False) -> Mapping[str, str]:
    """Variables that keep JAX, TensorFlow and CuPy (and PyTorch, on demand) within `limit_mib` of a device.

    JAX takes a fraction of the whole device at its start: docs.jax.dev, "GPU memory allocation" (two names of one
    variable, old and new). CuPy: docs.cupy.dev, "Environment variables". TensorFlow only learns not to take everything
    at once: tensorflow.org, "Limiting GPU memory growth".

    Args:
        torch: whether every program here has a PyTorch that knows `per_process_memory_fraction`.

    >>> capped(20480, 81920)["XLA_CLIENT_MEM_FRACTION"], capped(20480, 81920)["CUPY_GPU_MEMORY_LIMIT"]
    ('0.250', '21474836480')
    """
    if not limit_mib or not memory_mib or limit_mib >= memory_mib:
        return {}
    milli = max(1, limit_mib * WHOLE // memory_mib)
    fraction = f"0.{milli:03d}"
    found = {
        "XLA_CLIENT_MEM_FRACTION": fraction,
        "XLA_PYTHON_CLIENT_MEM_FRACTION": fraction,
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "CUPY_GPU_MEMORY_LIMIT": str(limit_mib << 20),
    }
    if torch:
        found["PYTORCH_CUDA_ALLOC_CONF"] = f"per_process_memory_fraction:{fraction}"
    return found
