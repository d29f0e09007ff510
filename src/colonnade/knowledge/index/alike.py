# SPDX-License-Identifier: Apache-2.0
"""Which passages say the same: a sketch a chunk, so that two copies of a page do not take two places in a short list.

Two chunks are alike when their words are equal, case, punctuation and layout aside; or when nearly all their pairs of
neighbouring words are equal *and* they hold the same numbers and the same negations: a changed price or an added "not"
is never collapsed. Source of the estimate: A. Broder, "On the resemblance and containment of documents", 1997. Sketches
are made of keyed hashes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

HASHES = 16
_ENOUGH = 14
_LENGTH_SHARE = 0.05
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_FACT = re.compile(r"\d|^(?:not?|nor|never|none|without|except|unless|cannot|.*n['’]t)$")
_MIX = np.random.default_rng(1997).integers(1, 2**62, HASHES, np.uint64) * np.uint64(2) + np.uint64(1)


def sketch(text: str, hashed: Callable[[Iterable[str]], list[int]]) -> NDArray[np.uint64]:
    """[HASHES + 2] the text's normal form, its facts (numbers and negations), and the least of each hash of word pairs."""
    words = _WORD.findall(text.lower())
    numbers = np.array(hashed(words), np.uint64)
    out = np.zeros(HASHES + 2, np.uint64)
    if not words:
        return out
    place = np.arange(1, 2 * len(words), 2, dtype=np.uint64)
    out[0] = (_stirred(numbers) * place).sum(dtype=np.uint64) + np.uint64(len(words))
    facts = np.array([_is_fact(word) for word in words])
    out[1] = _stirred(numbers[facts]).sum(dtype=np.uint64)
    pairs = numbers[:-1] * _MIX[0] + numbers[1:] if len(words) > 1 else numbers
    out[2:] = (_stirred(pairs)[:, None] * _MIX).min(axis=0)
    return out


def alike(a: NDArray[np.uint64], b: NDArray[np.uint64], length_a: int, length_b: int) -> bool:
    """Whether two sketched chunks say the same."""
    if a[0] == b[0]:
        return True
    if a[1] != b[1] or abs(length_a - length_b) > _LENGTH_SHARE * max(length_a, length_b):
        return False
    return int(np.count_nonzero(a[2:] == b[2:])) >= _ENOUGH


_known_facts: dict[str, bool] = {}


def _is_fact(word: str) -> bool:
    known = _known_facts.get(word)
    if known is None:
        if len(_known_facts) > 200_000:
            _known_facts.clear()
        known = _known_facts[word] = _FACT.search(word) is not None
    return known


def _stirred(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A bijection that spreads bits (the finaliser of MurmurHash3)."""
    mixed = numbers ^ (numbers >> np.uint64(33))
    mixed = mixed * np.uint64(0xFF51AFD7ED558CCD)
    stirred: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(33))
    return stirred
