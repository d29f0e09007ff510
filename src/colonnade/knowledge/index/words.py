# SPDX-License-Identifier: Apache-2.0
"""Text to search terms: what counts as a word, in prose, in code, and in scripts without spaces. The same for questions
and passages.

Rules, in order, for each run of letters, digits and underscores:
- numbers lose thousands separators and empty decimals (`1,299.00` is `1299`); versions give their first two parts too;
- identifiers give their parts and the whole (`getUserName`, `user_name`);
- Chinese, Japanese, Korean and Thai runs give overlapping pairs of characters;
- accents are dropped; English endings are removed (`stemmer`); English stop words are left out.
No statistics here, and no secret: hashing is `postings`' business.
"""

from __future__ import annotations

import re
import unicodedata

from colonnade.knowledge.index.stemmer import stem
from colonnade.knowledge.index.stopwords import STOP_WORDS

_TOKEN = re.compile(r"\d+(?:[.,]\d+)+(?!\w)|\w+(?:['’]\w+)*")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)+")
_DIVIDED = re.compile(r"[0-9][.,][0-9]")
_GAPS = "".join(c if c.isalnum() or c in "_'" else " " for c in map(chr, range(128)))
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ENGLISH = re.compile(r"[a-z]+(?:'[a-z]+)*")
_PAIRED = re.compile(
    r"([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    r"\U00020000-\U0003ffff]+)"
)
_LONGEST = 64
_CACHE_LIMIT = 400_000
_cache: dict[str, tuple[str, ...]] = {}
_stems: dict[str, str] = {}


def terms(text: str) -> list[str]:
    """The search terms of a text, in order, with repetitions.

    >>> terms("The policies of getUserName cost 1,299.00 in 東京都")
    ['polici', 'get', 'user', 'name', 'getusernam', 'cost', '1299', '東京', '京都']
    """
    return [term for token in tokens(text) for term in of_token(token)]


def tokens(text: str) -> list[str]:
    """Runs of letters, digits and underscores, and whole numbers, as they stand in the text."""
    if not text.isascii() or _DIVIDED.search(text):
        return _TOKEN.findall(text)
    runs = text.translate(_GAPS).split()  # The same three times faster, where no number has a point or comma in it.
    if "'" not in text:
        return runs
    return [token for run in runs for token in ((run,) if "'" not in run else _TOKEN.findall(run))]


def of_token(token: str) -> tuple[str, ...]:
    """The terms of one token, remembered."""
    parts = _cache.get(token)
    if parts is None:
        if len(_cache) >= _CACHE_LIMIT:
            _cache.clear()
        parts = _cache[token] = _of_token(token)
    return parts


def _of_token(token: str) -> tuple[str, ...]:
    if token[0].isdigit() and _NUMBER.fullmatch(token):
        return _of_number(token)
    if token.isascii():
        return _of_ascii(token.strip("_"))
    plain = unicodedata.normalize("NFKC", token).replace("’", "'")
    found: list[str] = []
    for run in _PAIRED.split(plain):
        if not run:
            continue
        if _PAIRED.fullmatch(run):
            found += [run[i : i + 2] for i in range(len(run) - 1)] or [run]
        else:
            found += _of_ascii(_without_accents(run).strip("_"))
    return tuple(found)


def _without_accents(word: str) -> str:
    apart = unicodedata.normalize("NFD", word)
    return "".join(c for c in apart if not "\u0300" <= c <= "\u036f")


def _of_number(token: str) -> tuple[str, ...]:
    if _THOUSANDS.fullmatch(token):
        token = token.replace(",", "")
    whole = token.replace(",", ".")
    parts = whole.split(".")
    if len(parts) == 2:
        digits = parts[1].rstrip("0")
        return (f"{parts[0]}.{digits}" if digits else parts[0],)
    return whole[:_LONGEST], ".".join(parts[:2])


def _of_ascii(token: str) -> tuple[str, ...]:
    lower = token.lower()
    if not lower or lower in STOP_WORDS:
        return ()
    if (token.islower() and token.isalpha()) or token.istitle() or (token.isupper() and "_" not in token):
        return (_word(lower),)
    parts = _CAMEL.findall(token) if "'" not in token and token.isascii() else token.split("_")
    named = "_" in token or (not token.isupper() and any(c.isupper() for c in token[1:]))
    if len(parts) < 2 or not named:
        return (_word(lower),)
    split = [_word(p) for p in map(str.lower, parts) if p not in STOP_WORDS and len(p) > 1]
    return (*split, _word(lower.replace("_", "")))


def _word(lower: str) -> str:
    """A lower-case word without its ending, remembered: identifiers are made of few words."""
    found = _stems.get(lower)
    if found is None:
        if len(_stems) >= _CACHE_LIMIT:
            _stems.clear()
        found = _stems[lower] = stem(lower)[:_LONGEST] if _ENGLISH.fullmatch(lower) else lower[:_LONGEST]
    return found
