# SPDX-License-Identifier: Apache-2.0
"""What is asked of an index and what it gives back; passed between rooms, never kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk as the index takes it in.

    Attributes:
        order: position in the content, 0-based.
        words: what is searched lexically (context and span).
        key: what breaks ties, equal for equal files in every process: digest of the content's text, then start.
    """

    order: int
    words: str
    key: bytes


@dataclass(frozen=True, slots=True)
class Visibility:
    """One standing of one content: a document that holds it, who may read that, and from when to when (store ms; until
    None = still).
    """

    document: str
    content: str
    readers: str
    valid_from_ms: int
    valid_to_ms: int | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A found chunk: higher score is better; legs tell how it was found (`lexical`, `dense`, both raw)."""

    content: str
    order: int
    score: float
    lexical: float
    dense: float
