# SPDX-License-Identifier: Apache-2.0
"""Text to numbers, each token once: the keyed hashes of its terms for the postings, and what its sketch needs.

Which terms a token has is decided in `words`, what a sketch is in `alike`. Hashes are keyed, so that no word stands in
a stored file; sketches are not, so that indexes of the same files collapse alike (they are sealed when stored).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from colonnade.knowledge.index.alike import fingerprint, sketch
from colonnade.knowledge.index.words import of_token, tokens

_CACHE_LIMIT = 300_000


class Analyser:
    """Remembers tokens; one an index. Safe to use from several threads.

    Args:
        secret: keys the hashes.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.blake2b(secret, digest_size=32, person=b"colonnade.terms").digest()
        self._known: dict[str, tuple[tuple[int, ...], int, bool]] = {}

    def hashed(self, terms: Iterable[str]) -> list[int]:
        """64-bit keyed hashes (BLAKE2b) of terms, in order."""
        return [self._hash(term) for term in terms]

    def question(self, text: str) -> list[int]:
        """The hashes of a question's terms, in order, with repetitions."""
        known = self._known
        return [h for token in tokens(text) for h in (known.get(token) or self._learn(token))[0]]

    def passage(self, text: str) -> tuple[list[int], NDArray[np.uint64]]:
        """The hashes of a passage's terms, in order, with repetitions; and its sketch."""
        known = self._known
        found = [known.get(token) or self._learn(token) for token in tokens(text)]
        hashes = [h for entry in found for h in entry[0]]
        return hashes, sketch([entry[1] for entry in found], [entry[1] for entry in found if entry[2]])

    def _learn(self, token: str) -> tuple[tuple[int, ...], int, bool]:
        if len(self._known) >= _CACHE_LIMIT:
            self._known.clear()
        entry = self._known[token] = (tuple(self.hashed(of_token(token))), *fingerprint(token))
        return entry

    def _hash(self, term: str) -> int:
        digest = hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "little")
