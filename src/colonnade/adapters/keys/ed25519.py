# SPDX-License-Identifier: Apache-2.0
"""The check of an Ed25519 signature, for whoever holds a public key only (RFC 8032)."""

from __future__ import annotations


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the 64 bytes are a signature of the message by the holder of the 32-byte public key. Never raises."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
