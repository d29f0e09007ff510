# SPDX-License-Identifier: Apache-2.0
"""The derived index of a knowledge base. Rooms use `Index`; what else stands here is its inside."""

from __future__ import annotations

from colonnade.knowledge.index.index import Index, Readable, Sizes

__all__ = ["Index", "Readable", "Sizes"]
