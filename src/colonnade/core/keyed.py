# SPDX-License-Identifier: Apache-2.0
"""How one secret key becomes many: the derivations that leaf format v1 and sealed values rest on
(docs/reference/ledger.md).

HMAC and HKDF of the standard library only. No key is made, kept or read here, and nothing is encrypted.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

KEY_BYTES = 32
_SEAL = b"colonnade/seal/v1"


def field_key(subject_key: bytes, entry: str, field: str) -> bytes:
    """k = HMAC-SHA-256(subject key, entry id || 0x00 || field).

    Handing it over opens this one field of this one entry.
    """
    return hmac.digest(subject_key, f"{entry}\0{field}".encode(), "sha256")


def field_mac(subject_key: bytes, entry: str, field: str, value: bytes) -> bytes:
    """HMAC-SHA-256(k, value): what stands in a leaf under `mac` (32 bytes)."""
    return hmac.digest(field_key(subject_key, entry, field), value, "sha256")


def derive(secret: bytes, purpose: bytes) -> bytes:
    """HKDF-SHA-256 (RFC 5869) without salt: 32 bytes for one purpose."""
    return hmac.digest(hmac.digest(bytes(32), secret, "sha256"), purpose + b"\x01", "sha256")


def seal_order(subjects: Sequence[str]) -> list[str]:
    """The order in which keys are joined: sorted, each once. Raises ValueError for none."""
    if not subjects:
        raise ValueError("a value is sealed under at least one subject's key")
    return sorted(set(subjects))


def seal_key(subjects: Sequence[str], keys: Sequence[bytes]) -> bytes:
    """The key that needs all of `keys`; both in `seal_order`.

    The ids are bound, so that no other set of subjects gives it.
    """
    return derive(b"".join(keys), b"\0".join([_SEAL, *(subject.encode() for subject in subjects)]))


def project_key(root: bytes, project: str) -> bytes:
    """The project's key, which wraps its subjects' keys."""
    return derive(root, b"colonnade/project/v1\0" + project.encode())


def project_mac(root: bytes, project: str, purpose: str, value: bytes) -> bytes:
    """32 bytes that find equal values again within a project and for one purpose."""
    key = derive(root, b"\0".join([b"colonnade/find/v1", project.encode(), purpose.encode()]))
    return hmac.digest(key, value, "sha256")
