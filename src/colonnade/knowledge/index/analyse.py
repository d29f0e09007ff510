# SPDX-License-Identifier: Apache-2.0
"""Text to numbers, each token once: the keyed hashes of its terms for the postings, and what its sketch needs.

Which terms a token has is decided in `words`, what a sketch is in `alike`. Hashes are keyed, so that no word stands in
a stored file; sketches are not, so that indexes of the same files collapse alike (they are sealed when stored).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from colonnade.knowledge.index.alike import fingerprint
from colonnade.knowledge.index.words import of_token, tokens

_CACHE_LIMIT = 300_000


@dataclass(frozen=True, slots=True)
class Analysed:
    """A passage as numbers.

    Attributes:
        terms: the hashes of its terms, in order, with repetitions, 8 little-endian bytes each.
        words: the fingerprints of its tokens, 8 bytes each; see `alike`.
        facts: the sum of those of numbers and negations.
    """

    terms: bytes
    words: bytes
    facts: int

    @property
    def length(self) -> int:
        """How many terms."""
        return len(self.terms) // 8


class Analyser:
    """Remembers tokens; one an index. Safe to use from several threads.

    Args:
        secret: keys the hashes.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.blake2b(secret, digest_size=32, person=b"colonnade.terms").digest()
        self._known: dict[str, tuple[bytes, bytes, int]] = {}
        self._hashes: dict[str, bytes] = {}

    def hashed(self, terms: Iterable[str]) -> list[int]:
        """64-bit keyed hashes (BLAKE2b) of terms, in order."""
        return [int.from_bytes(self._hash(term), "little") for term in terms]

    def question(self, text: str) -> list[int]:
        """The hashes of a question's terms, in order, with repetitions."""
        known = self._known
        found = b"".join([(known.get(token) or self._learn(token))[0] for token in tokens(text)])
        hashes: list[int] = np.frombuffer(found, np.uint64).tolist()
        return hashes

    def passage(self, text: str) -> Analysed:
        """A passage's terms, and what its sketch is made of."""
        known = self._known
        found = [known.get(token) or self._learn(token) for token in tokens(text)]
        if not found:
            return Analysed(b"", b"", 0)
        terms, words, facts = zip(*found, strict=True)
        return Analysed(b"".join(terms), b"".join(words), sum(facts))

    def _learn(self, token: str) -> tuple[bytes, bytes, int]:
        if len(self._known) >= _CACHE_LIMIT:
            self._known.clear()
        word, is_fact = fingerprint(token)
        fact = int.from_bytes(word, "little") if is_fact else 0
        hashes = self._hashes
        terms = b"".join([hashes.get(term) or self._hash(term) for term in of_token(token)])
        entry = self._known[token] = terms, word, fact
        return entry

    def _hash(self, term: str) -> bytes:
        if len(self._hashes) >= _CACHE_LIMIT:
            self._hashes.clear()
        digest = hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8, key=self._key).digest()
        self._hashes[term] = digest
        return digest
