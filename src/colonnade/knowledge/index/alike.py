# SPDX-License-Identifier: Apache-2.0
"""Which passages say the same: a sketch a chunk, so that two copies of a page do not take two places in a short list.

Two chunks are alike when their words are equal, case, punctuation and layout aside; or when nearly all their pairs of
neighbouring words are equal *and* they hold the same numbers and the same negations: a changed price or an added "not"
is never collapsed. Sources: A. Broder, "On the resemblance and containment of documents", 1997; P. Li, A. C. König,
"b-Bit minwise hashing", 2010.

A sketch depends on the text alone, not on the index's secret, or two indexes of the same files could differ; so it is
sealed before it is stored (`stored`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WIDTH = 4
_HASHES = 32
_ENOUGH = 29
_LENGTH_SHARE = 0.05
_FACT = re.compile(r"\d|^(?:not?|nor|never|none|without|except|unless|cannot|.*n['’]t)$")
_MIX = np.random.default_rng(1997).integers(1, 2**62, _HASHES, np.uint64) * np.uint64(2) + np.uint64(1)
_NIBBLES = np.arange(0, 64, 4, dtype=np.uint64)
_EACH_NIBBLE = 0x1111_1111_1111_1111
_ALL_BITS = 2**64 - 1


def sketches(words: Sequence[bytes], facts: Sequence[int]) -> NDArray[np.uint64]:
    """[n, WIDTH] of n texts: the text's normal form, its facts, and 32 four-bit minima over word pairs.

    Args:
        words: the fingerprints of each text's tokens, in order, 8 bytes each.
        facts: the sum of those of numbers and negations.
    """
    out = np.zeros((len(words), WIDTH), np.uint64)
    sizes = np.array([len(w) // 8 for w in words], np.int64)
    held = np.flatnonzero(sizes)
    out[:, 1] = [fact & _ALL_BITS for fact in facts]
    if not len(held):
        return out
    out[sizes == 0, 1] = 0
    sizes = sizes[held]
    starts = np.cumsum(sizes) - sizes
    numbers = np.frombuffer(b"".join(words), np.uint64)
    place = (np.arange(len(numbers)) - np.repeat(starts, sizes)).astype(np.uint64) * np.uint64(2) + np.uint64(1)
    out[held, 0] = np.add.reduceat(_stirred(numbers) * place, starts) + sizes.astype(np.uint64)
    pairs = numbers * _MIX[0]
    pairs[:-1] += numbers[1:]
    last = starts + sizes - 1
    pairs[last] = np.where(sizes > 1, pairs[last - 1], numbers[last])
    pairs, mixed = _stirred(pairs), np.empty_like(numbers)
    for i in range(_HASHES):
        least = np.minimum.reduceat(np.multiply(pairs, _MIX[i], out=mixed), starts)
        out[held, 2 + i // 16] += (_stirred(least) & np.uint64(15)) << _NIBBLES[i % 16]
    return out


def fingerprint(token: str) -> tuple[bytes, bool]:
    """Eight bytes for a token, case aside, and whether it is a fact: a number or a negation."""
    word = token.lower()
    digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return digest, _FACT.search(word) is not None


class Kept:
    """The chunks already in a list; says whether another one is like one of them."""

    def __init__(self) -> None:
        self._forms: set[int] = set()
        self._by_facts: dict[int, list[tuple[int, int, int]]] = {}

    def takes(self, sketched: Sequence[int], length: int) -> bool:
        """True, and remembers the chunk, when it is like none before. `sketched` as `sketch` gives it."""
        form, facts, low, high = sketched
        same_facts = self._by_facts.setdefault(facts, [])
        if form in self._forms or any(_near(low, high, length, other) for other in same_facts):
            return False
        self._forms.add(form)
        same_facts.append((low, high, length))
        return True


def _near(low: int, high: int, length: int, other: tuple[int, int, int]) -> bool:
    if abs(length - other[2]) > _LENGTH_SHARE * max(length, other[2]):
        return False
    return _equal_nibbles(low ^ other[0]) + _equal_nibbles(high ^ other[1]) >= _ENOUGH


def _equal_nibbles(differing: int) -> int:
    return 16 - ((differing | differing >> 1 | differing >> 2 | differing >> 3) & _EACH_NIBBLE).bit_count()


def _stirred(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A bijection that spreads bits (as in the finaliser of MurmurHash3)."""
    mixed = (numbers ^ (numbers >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    stirred: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(33))
    return stirred
