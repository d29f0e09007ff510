# SPDX-License-Identifier: Apache-2.0
"""An embedder without a model: texts that share words lie close. For tests that are not about models."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from colonnade.core.errors import UpstreamDown

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORD = re.compile(r"\w+")
_DIMENSIONS = 384


class BagOfWords:
    """Each word is a fixed direction, a text the sum of its words' by the root of their count. Implements `Embedder`.

    The same everywhere and always; knows no synonyms. `calls` counts the texts of each call, for tests of batching.

    Args:
        id: another id makes it another model, with other vectors.
    """

    def __init__(self, id: str = "bag-of-words/1") -> None:  # noqa: A002 - the port's word
        self.id = id
        self.dimensions = _DIMENSIONS
        self.calls: list[int] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[len(texts), 384] float32, rows of length 1."""
        self.calls.append(len(texts))
        out = np.zeros((len(texts), _DIMENSIONS), np.float32)
        for row, text in enumerate(texts):
            # A direction that every text shares keeps the empty one from having no length.
            total = 0.1 * _direction(self.id, "")
            for word, count in sorted(Counter(_WORD.findall(text.lower())).items()):
                total = total + count**0.5 * _direction(self.id, word)
            out[row] = total / np.linalg.norm(total)
        return out

    def close(self) -> None:
        """Nothing to give back."""


@lru_cache(maxsize=65_536)
def _direction(salt: str, word: str) -> NDArray[np.float64]:
    """384 signs, from the word's digest."""
    raw = f"{salt}\0{word}".encode("utf-8", "surrogatepass")
    digest = b"".join(blake2b(raw, digest_size=_DIMENSIONS // 16, person=half).digest() for half in (b"0", b"1"))
    bits = np.unpackbits(np.frombuffer(digest, np.uint8))
    direction: NDArray[np.float64] = (2.0 * bits - 1.0) / _DIMENSIONS**0.5
    return direction


class ScriptedChat:
    """A language model that says what it was given. Implements `ChatModel`; `asked` keeps the requests.

    Args:
        answers: one list of pieces for each request, in turn; the last one repeats.
        breaks_after: pieces after which the stream breaks off with `UpstreamDown`; None for never.
    """

    def __init__(self, *answers: Sequence[str], breaks_after: int | None = None) -> None:
        self._answers, self._breaks_after = list(answers), breaks_after
        self.asked: list[tuple[list[Mapping[str, Any]], dict[str, Any]]] = []

    async def stream(self, messages: Sequence[Mapping[str, Any]], **options: Any) -> AsyncIterator[str]:
        """The next answer, piece by piece."""
        self.asked.append((list(messages), options))
        pieces = self._answers[min(len(self.asked), len(self._answers)) - 1]
        for index, piece in enumerate(pieces):
            if index == self._breaks_after:
                raise UpstreamDown("the scripted model broke off", code="upstream_broke_off")
            yield piece
        if self._breaks_after is not None and self._breaks_after >= len(pieces):
            raise UpstreamDown("the scripted model broke off", code="upstream_broke_off")
