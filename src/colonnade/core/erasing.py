# SPDX-License-Identifier: Apache-2.0
"""How bytes that were erased are known again: what a tombstone is a keyed MAC of. Pure.

A tombstone is 32 bytes under the project's key: nobody without that key can tell of what, and nothing can be read back.
"""

from __future__ import annotations

import hashlib

TOMBSTONE = "tombstone"
"""Purpose of the project's MAC (`Keys.project_mac`)."""


def stone_of(raw: bytes) -> bytes:
    """What stands for these bytes wherever they lie, under whatever name."""
    return b"bytes\0" + hashlib.sha256(raw).digest()


def stone_at(knowledge: str, path: str, raw: bytes) -> bytes:
    """What stands for these bytes at this path only: another document holds the same and stays."""
    where = f"{knowledge}\0{path}".encode("utf-8", "surrogateescape")
    return b"place\0" + hashlib.sha256(where).digest() + hashlib.sha256(raw).digest()
