# SPDX-License-Identifier: Apache-2.0
"""English word endings removed, so that `policies` finds `policy`: Porter2, without a dependency.

Source: M. F. Porter, the English (Porter2) stemmer of the Snowball project,
https://snowballstem.org/algorithms/english/stemmer.html. Only the algorithm stands here; which words are stemmed at all
is decided in `words`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_VOWELS = frozenset("aeiouy")
_DOUBLES = ("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt")
_LI = frozenset("cdeghkmnrt")
_WHOLE = {
    "skis": "ski",
    "skies": "sky",
    "idly": "idl",
    "gently": "gentl",
    "ugly": "ugli",
    "early": "earli",
    "only": "onli",
    "singly": "singl",
    "sky": "sky",
    "news": "news",
    "howe": "howe",
    "atlas": "atlas",
    "cosmos": "cosmos",
    "bias": "bias",
    "andes": "andes",
}
_AFTER_1A = frozenset(("inning", "outing", "canning", "herring", "earring", "evening", "proceed", "exceed", "succeed"))
_STEP2 = (
    ("ization", "ize"),
    ("ational", "ate"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("iveness", "ive"),
    ("tional", "tion"),
    ("biliti", "ble"),
    ("lessli", "less"),
    ("entli", "ent"),
    ("ation", "ate"),
    ("alism", "al"),
    ("aliti", "al"),
    ("ousli", "ous"),
    ("iviti", "ive"),
    ("fulli", "ful"),
    ("ogist", "og"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("abli", "able"),
    ("izer", "ize"),
    ("ator", "ate"),
    ("alli", "al"),
    ("bli", "ble"),
)
_STEP3 = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("alize", "al"),
    ("icate", "ic"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ness", ""),
    ("ful", ""),
)
_STEP4 = tuple("ement ance ence able ible ment ant ent ism ate iti ous ive ize ion al er ic".split())  # noqa: SIM905


_LONG_PREFIXES = ("gener", "commun", "arsen", "past", "univers", "later", "emerg", "organ", "inter")
_VOWEL = re.compile("[aeiouy]").search
_VOWEL_CONSONANT = re.compile("[aeiouy][^aeiouy]").search


def _by_ending(suffixes: Iterable[tuple[str, str]]) -> dict[str, tuple[tuple[str, str], ...]]:
    """The same in the same order, by their last two letters: most words have none of these endings."""
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for pair in suffixes:
        found[pair[0][-2:]] = (*found.get(pair[0][-2:], ()), pair)
    return found


_ENDINGS2 = _by_ending(_STEP2)
_ENDINGS3 = _by_ending(_STEP3)
_ENDINGS4 = _by_ending((suffix, "") for suffix in _STEP4)


def _regions(word: str) -> tuple[int, int]:
    """Where R1 and R2 begin."""
    if word.startswith(_LONG_PREFIXES):
        r1 = next(len(prefix) for prefix in _LONG_PREFIXES if word.startswith(prefix))
    else:
        r1 = _after_vowel_consonant(word, 0)
    return r1, _after_vowel_consonant(word, r1)


def _after_vowel_consonant(word: str, start: int) -> int:
    found = _VOWEL_CONSONANT(word, start)
    return found.end() if found else len(word)


def _ends_short(word: str) -> bool:
    """Whether the word ends in a short syllable."""
    if len(word) == 2:
        return word[0] in _VOWELS and word[1] not in _VOWELS
    if word.endswith("past"):
        return True
    if len(word) < 3:
        return False
    a, b, c = word[-3], word[-2], word[-1]
    return a not in _VOWELS and b in _VOWELS and c not in _VOWELS and c not in "wxY"


def _step1a(word: str) -> str:
    if not word.endswith(("s", "d")):
        return word
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ied", "ies")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith(("us", "ss")):
        return word
    if word.endswith("s") and _VOWEL(word, 0, len(word) - 2):
        return word[:-1]
    return word


def _step1b(word: str, r1: int) -> str:
    if not word.endswith(("d", "g", "y")):
        return word
    if word.endswith(("eedly", "eed")):
        stem = word[:-5] if word.endswith("eedly") else word[:-3]
        return stem + "ee" if len(stem) >= r1 else word
    for suffix in ("ingly", "edly", "ing", "ed"):
        if word.endswith(suffix):
            break
    else:
        return word
    stem = word[: -len(suffix)]
    if not _VOWEL(stem):
        return word
    if suffix in ("ing", "ingly") and len(stem) == 2 and stem[1] == "y" and stem[0] not in _VOWELS:
        return stem[0] + "ie"
    if stem.endswith(("at", "bl", "iz")):
        return stem + "e"
    if stem.endswith(_DOUBLES):
        return stem if len(stem) == 3 and stem[0] in "aeo" else stem[:-1]
    return stem + "e" if len(stem) <= r1 and _ends_short(stem) else stem


def _step2(word: str, r1: int) -> str:
    for suffix, instead in _ENDINGS2.get(word[-2:], ()):
        if word.endswith(suffix):
            return word[: -len(suffix)] + instead if len(word) - len(suffix) >= r1 else word
    if word.endswith("ogi"):
        return word[:-1] if len(word) - 3 >= r1 and word[-4:-3] == "l" else word
    if word.endswith("li") and len(word) - 2 >= r1 and word[-3:-2] in _LI:
        return word[:-2]
    return word


def _step3(word: str, r1: int, r2: int) -> str:
    for suffix, instead in _ENDINGS3.get(word[-2:], ()):
        if word.endswith(suffix):
            return word[: -len(suffix)] + instead if len(word) - len(suffix) >= r1 else word
    if word.endswith("ative") and len(word) - 5 >= r2:
        return word[:-5]
    return word


def _step4(word: str, r2: int) -> str:
    for suffix, _ in _ENDINGS4.get(word[-2:], ()):
        if word.endswith(suffix):
            at = len(word) - len(suffix)
            if at < r2 or (suffix == "ion" and word[at - 1 : at] not in ("s", "t")):
                return word
            return word[:at]
    return word


def _step5(word: str, r1: int, r2: int) -> str:
    last = len(word) - 1
    if word.endswith("e") and (last >= r2 or (last >= r1 and not _ends_short(word[:-1]))):
        return word[:-1]
    if word.endswith("ll") and last >= r2:
        return word[:-1]
    return word


def stem(word: str) -> str:
    """The Porter2 stem of a lower-case English word of ASCII letters and apostrophes.

    >>> [stem(word) for word in ("policies", "generously", "hopping", "skies")]
    ['polici', 'generous', 'hop', 'sky']
    """
    if len(word) <= 2:
        return word
    word = word.lstrip("'")
    if word in _WHOLE:
        return _WHOLE[word]
    if "y" in word:
        marked = list(word)
        for i, letter in enumerate(marked):
            if letter == "y" and (i == 0 or marked[i - 1] in _VOWELS):
                marked[i] = "Y"
        word = "".join(marked)
    r1, r2 = _regions(word)
    if "'" in word:
        word = word[: -len(next((s for s in ("'s'", "'s", "'") if word.endswith(s)), "")) or None]
    word = _step1a(word)
    if word in _AFTER_1A:
        return word
    word = _step1b(word, r1)
    if len(word) > 2 and word[-1] in "yY" and word[-2] not in _VOWELS:
        word = word[:-1] + "i"
    word = _step5(_step4(_step3(_step2(word, r1), r1, r2), r2), r1, r2)
    return word.replace("Y", "y")
