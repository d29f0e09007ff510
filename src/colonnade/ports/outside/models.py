# SPDX-License-Identifier: Apache-2.0
"""What we ask of a model: vectors for texts, or a streamed completion."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Embedder(Protocol):
    """Texts to unit vectors. A text's vector never depends on its neighbours in a call."""

    @property
    def id(self) -> str:
        """Names model, weights and arithmetic exactly: equal ids give equal vectors (cosine >= .9999)."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[len(texts), dimensions] float32, rows of length 1. Raises `Unavailable` when the model cannot be run."""
        ...

    def close(self) -> None:
        """Give back memory and processes; the next `embed` starts them again."""
        ...


class ChatModel(Protocol):
    """An OpenAI-compatible upstream. Async: it streams."""

    def stream(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> AsyncIterator[str]:
        """Pieces of text as they arrive. Raises `UpstreamDown`, before the first piece or amid the stream."""
        ...
