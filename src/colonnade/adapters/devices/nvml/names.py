# SPDX-License-Identifier: Apache-2.0
"""What NVIDIA calls a model, in the short form that people write into a claim. Pure."""

from __future__ import annotations

import re

_NOISE = frozenset({
    "nvidia", "tesla", "quadro", "geforce", "rtx", "titan", "graphics", "device", "generation", "laptop", "gpu", "hbm2",
    "hbm2e", "hbm3", "hbm3e", "pcie", "sxm", "sxm2", "sxm3", "sxm4", "sxm5", "sxm6", "nvl", "gddr6", "gddr6x", "server",
    "workstation", "edition", "max", "q",
})  # fmt: skip
_SIZE = re.compile(r"(\d+)\s?GB", re.IGNORECASE)
_PROFILE = re.compile(r"\bMIG\s+((?:\d+c\.)?\d+g\.\d+gb(?:[+-][\w.]+)*)", re.IGNORECASE)
_SOLD_GIB = (
    4, 6, 8, 10, 11, 12, 16, 20, 24, 32, 40, 48, 64, 72, 80, 94, 96, 120, 128, 141, 144, 180, 186, 192, 262, 279, 288,
)  # fmt: skip


def model_of(name: str, memory_mib: int) -> str:
    """Short name and memory: what is written on the box.

    >>> model_of("NVIDIA H100 80GB HBM3", 81559), model_of("NVIDIA A100-SXM4-40GB", 40960)
    ('H100-80GB', 'A100-40GB')
    >>> model_of("Tesla T4", 15360), model_of("NVIDIA L4", 23034), model_of("NVIDIA GeForce RTX 4090", 24564)
    ('T4-16GB', 'L4-24GB', 'RTX4090-24GB')
    >>> model_of("NVIDIA RTX 6000 Ada Generation", 49140), model_of("NVIDIA H200", 143771)
    ('RTX6000Ada-48GB', 'H200-141GB')
    """
    plain = _PROFILE.sub("", name)
    words = [word for word in re.split(r"[\s-]+", _SIZE.sub(" ", plain)) if word]
    kept = [word for word in words if word.lower() not in _NOISE]
    short = "".join(kept) or "GPU"
    if short[0].isdigit():
        short = f"RTX{short}" if "RTX" in words else f"GPU{short}"
    said = _SIZE.search(plain)
    return f"{short}-{said[1] if said else sold_gib(memory_mib)}GB"


def sold_gib(memory_mib: int) -> int:
    """The size under which so much memory is sold: drivers report up to a tenth less (ECC, reserved), or a little more.

    >>> [sold_gib(mib) for mib in (15360, 23034, 81559, 143771)]
    [16, 24, 80, 141]
    """
    gib = memory_mib / 1024
    near = [size for size in _SOLD_GIB if gib * 0.99 <= size <= gib * 1.11]
    return near[0] if near else max(1, round(gib))


def profile_of(name: str) -> str:
    """The MIG profile in a MIG device's name, or "".

    >>> profile_of("NVIDIA A100-SXM4-40GB MIG 1g.5gb"), profile_of("NVIDIA H100 80GB HBM3 MIG 1c.3g.40gb+me")
    ('1g.5gb', '1c.3g.40gb+me')
    """
    found = _PROFILE.search(name)
    return found[1].lower() if found else ""


def profile_from(slices: int, compute_slices: int, instance_mib: int, memory_mib: int) -> str:
    """The profile from an instance's attributes, where its name does not tell it. Memory goes by eighths of the device.

    >>> profile_from(1, 1, 9856, 81559), profile_from(3, 1, 40192, 81559), profile_from(7, 7, 79872, 81559)
    ('1g.10gb', '1c.3g.40gb', '7g.80gb')
    """
    eighths = min(8, -(-instance_mib * 8 // max(1, memory_mib)))
    gib = sold_gib(memory_mib) * eighths // 8
    part = f"{compute_slices}c." if compute_slices < slices else ""
    return f"{part}{slices}g.{gib}gb"
