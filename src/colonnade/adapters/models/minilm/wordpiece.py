# SPDX-License-Identifier: Apache-2.0
"""Uncased BERT WordPiece: text to piece ids, equal to the `tokenizers` library (checked against it in the tests).

Our own, because that library drags a hub client in. Character classes are frozen in `characters.txt` (made by
`scripts/freeze_wordpiece_characters.py`), so that a vector does not change with Python's Unicode version. A special
token's name written in a text, like [SEP], is plain text here: nobody steers the model from inside a document.

Source: Devlin et al. 2018; Wu et al. 2016 (greedy longest match).
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from importlib import resources

_CJK = (
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF), (0x2F800, 0x2FA1F),
)  # fmt: skip
_LONGEST_WORD = 100
_CACHED_WORDS = 20_000
_ASCII_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ASCII_WORD = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")


class _Ranges:
    """A set of code points as sorted ranges."""

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        self._first = [first for first, _ in pairs]
        self._last = [last for _, last in pairs]

    def __contains__(self, point: int) -> bool:
        index = bisect_right(self._first, point) - 1
        return index >= 0 and point <= self._last[index]


@cache
def _classes() -> dict[str, _Ranges]:
    text = (resources.files(__package__) / "characters.txt").read_text("ascii")
    out = {"cjk": _Ranges(_CJK)}
    for line in text.splitlines():
        name, *ranges = line.split()
        ends = [part.split("-") for part in ranges]
        out[name] = _Ranges([(int(pair[0], 16), int(pair[-1], 16)) for pair in ends])
    return out


class _Clean(dict[int, str]):
    """`str.translate` table, first step: control characters go, white space is a space, ideographs stand alone."""

    def __missing__(self, point: int) -> str:
        classes = _classes()
        if point in classes["drop"]:
            value = ""
        elif point in classes["space"]:
            value = " "
        else:
            value = f" {chr(point)} " if point in classes["cjk"] else chr(point)
        self[point] = value
        return value


class _Fold(dict[int, str]):
    """`str.translate` table, after decomposition: accents go, letters are lowered, punctuation stands alone."""

    def __missing__(self, point: int) -> str:
        classes = _classes()
        if point in classes["mark"]:
            value = ""
        elif point in classes["punctuation"]:
            value = f" {chr(point)} "
        else:
            value = chr(point) if point in classes["later"] else chr(point).lower()
        self[point] = value
        return value


_CLEAN, _FOLD = _Clean(), _Fold()


def _decompose(text: str) -> str:
    """NFD of what Unicode 14 assigns; other characters stay, and split what is ordered."""
    later = _classes()["later"]
    if not any(point in later for point in set(map(ord, text))):
        return unicodedata.normalize("NFD", text)
    parts, start = [], 0
    for index, char in enumerate(text):
        if ord(char) in later:
            parts += [unicodedata.normalize("NFD", text[start:index]), char]
            start = index + 1
    return "".join(parts) + unicodedata.normalize("NFD", text[start:])


def words(text: str) -> list[str]:
    """Lowered words without accents; each punctuation mark and each ideograph is a word."""
    if text.isascii() and not _ASCII_CONTROL.search(text):
        return _ASCII_WORD.findall(text.lower())
    return _decompose(text.translate(_CLEAN)).translate(_FOLD).split()


class WordPiece:
    """One vocabulary. Not for several threads at once.

    Args:
        vocabulary: pieces in the order of their ids; must hold [CLS], [SEP] and [UNK].
        most_pieces: length of the longest id list, special tokens counted.
    """

    def __init__(self, vocabulary: Sequence[str], *, most_pieces: int) -> None:
        self._ids = {piece: index for index, piece in enumerate(vocabulary)}
        self._start, self._end, self._unknown = (self._ids[name] for name in ("[CLS]", "[SEP]", "[UNK]"))
        self._most = most_pieces - 2
        self._longest_piece = max(map(len, vocabulary))
        self._known: dict[str, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """[CLS], at most `most_pieces - 2` pieces, [SEP]."""
        out = [self._start]
        known = self._known
        room = self._most + 1
        for word in words(text):
            pieces = known.get(word)
            out += pieces if pieces is not None else self._learn(word)
            if len(out) >= room:
                del out[room:]
                break
        out.append(self._end)
        return out

    def _learn(self, word: str) -> list[int]:
        if len(self._known) >= _CACHED_WORDS:
            self._known.clear()
        pieces = self._known[word] = self._split(word)
        return pieces

    def _split(self, word: str) -> list[int]:
        """Greedy longest match from the left; a word with a part that is unknown is unknown as a whole."""
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        out, start = [], 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(min(len(word), start + self._longest_piece), start, -1):
                found = self._ids.get(prefix + word[start:end])
                if found is not None:
                    break
            else:
                return [self._unknown]
            out.append(found)
            start = end
        return out
