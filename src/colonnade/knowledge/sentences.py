# SPDX-License-Identifier: Apache-2.0
"""Sentences with exact spans, by rules: quotes are cut here, and long paragraphs are split here.

Pure text in, spans out; no model, no language table beyond a few dozen abbreviations. A span never begins or ends with
white space, spans do not overlap, and every character that is not white space lies in exactly one of them.

The idea: look at each place where a sentence might end (a stop before white space, a CJK full stop, the end of a line),
and refuse it when what stands around it speaks against (an abbreviation, an initial, a list number, a lower-case letter
after it). Compare Kiss and Strunk, "Unsupervised Multilingual Sentence Boundary Detection" (2006), whose learned
abbreviation list is here a written one.
"""

from __future__ import annotations

import re

_CANDIDATE = re.compile(
    r"(?P<stop>(?<![.!?…])[.!?…]++[\"'”’»)\]]*(?:\s?\[\d+(?:[,–-]\s?\d+)*\]|\[[a-z ?]{2,24}\])*)(?=\s)"
    r"|(?P<cjk>[。！？｡]+[」』”）]*)"
    r"|(?P<line>[\r\n\f\v\u2028\u2029]\s*)"
)
_BULLET = re.compile(r"(?:[-*+•‣▪◦–·○●]|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{2,5})[.)])[ \t\xa0]+\S")
_WORD_BEFORE = re.compile(r"[^\s(\[\"'“‘«]+\Z")
_INITIAL = re.compile(r"[A-Z]\.")
_NEXT_WORD = re.compile(r"\w+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEVER = _words(
    "mr mrs ms dr prof st vs e.g i.e cf al gen sen rep gov capt col lt sgt rev hon messrs mme mlle viz resp approx ca "
    "z.b d.h u.a i.d.r bzw usw vgl evtl ggf inkl zzgl ph.d m.d p.ex ref"
)
_BEFORE_NUMBER = _words(
    "no nos fig figs eq eqs sec secs ch p pp vol art abs nr tab ed par para app ex ext tel max min ver v s c arts §"
)
_MAY_END = _words(
    "inc ltd co corp jr sr etc u.s u.k u.n e.u a.m p.m dept est plc llc bros "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)
_STARTERS = _words(
    "the a an in on at of for from to by with as it its this that these those he she they we you i his her their our "
    "my there here when where while who what which why how if but and or so then also however although because since "
    "after before during under over all any each both many most some several such no not yet one two three please see"
)


def sentences(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Spans of the sentences of `text[start:end]`, in code points of `text`.

    >>> t = "Dr. Ada paid 3.50 EUR. She left."
    >>> [t[a:b] for a, b in sentences(t)]
    ['Dr. Ada paid 3.50 EUR.', 'She left.']
    """
    stop_at = len(text) if end is None else end
    spans: list[tuple[int, int]] = []
    begin = _skip_space(text, start, stop_at)
    for match in _CANDIDATE.finditer(text, begin, stop_at):
        at = match.start()
        if at < begin or not _ends_sentence(text, begin, match, stop_at):
            continue
        cut = at if match.lastgroup == "line" else match.end()
        _append(spans, text, begin, cut)
        begin = _skip_space(text, match.end(), stop_at)
    _append(spans, text, begin, stop_at)
    return spans


def _append(spans: list[tuple[int, int]], text: str, begin: int, end: int) -> None:
    while end > begin and text[end - 1].isspace():
        end -= 1
    if end > begin:
        spans.append((begin, end))


def _skip_space(text: str, at: int, end: int) -> int:
    while at < end and text[at].isspace():
        at += 1
    return at


def _ends_sentence(text: str, begin: int, match: re.Match[str], end: int) -> bool:
    kind = match.lastgroup
    if kind == "cjk":
        return True
    if kind == "line":
        return _line_ends(text, begin, match.start(), match.group(), match.end(), end)
    after = _skip_space(text, match.end(), min(end, match.end() + 200))
    if after >= end:
        return True
    stops = match.group()
    following = text[after]
    if following.islower():
        return False
    if stops[0] != "." or stops[:2] == "..":
        return True
    return not _is_abbreviation(text, begin, match.start(), after)


def _is_abbreviation(text: str, begin: int, dot: int, after: int) -> bool:
    """Whether the full stop at `dot` belongs to the word before it; `after` is where the next word begins."""
    found = _WORD_BEFORE.search(text, max(begin, dot - 40), dot)
    if found is None:
        return False
    word = found.group()
    low = word.lower()
    at_begin = found.start() <= begin
    if word.isdigit():
        return at_begin and len(word) <= 3
    if len(word) == 1 and word.isalpha():
        if at_begin or _INITIAL.match(text, after):
            return True
        return word.isupper() and _word_is_name(text, begin, found.start()) and not _starts_sentence(text, after)
    if low in _NEVER:
        return True
    if low in _BEFORE_NUMBER:
        return text[after].isdigit() or text[after] in "([#§" or text[after : after + 2].isupper()
    if low in _MAY_END or _is_dotted(word):
        return not _starts_sentence(text, after)
    return False


def _is_dotted(word: str) -> bool:
    """Whether the word is letters with dots between, as in "U.S" or "z.B"."""
    parts = word.split(".")
    return len(parts) > 1 and all(len(part) <= 2 and part.isalpha() for part in parts)


def _word_is_name(text: str, begin: int, at: int) -> bool:
    """Whether the word before `at` is capitalised or an initial, so that a letter after it is an initial too."""
    before = _WORD_BEFORE.search(text[max(begin, at - 40) : at].rstrip())
    return before is None or before.group()[0].isupper()


def _starts_sentence(text: str, at: int) -> bool:
    word = _NEXT_WORD.match(text, at)
    return word is None or word.group().lower() in _STARTERS


def _line_ends(text: str, begin: int, at: int, gap: str, after: int, end: int) -> bool:
    """Whether the end of a line ends the sentence: a blank line, a list, a table row, a heading, a short line."""
    if after >= end or gap.count("\n") > 1 or gap.count("\r") > 1 or "\f" in gap or "\u2029" in gap:
        return True
    following = text[after]
    if following in "#|>" or _BULLET.match(text, after):
        return True
    near = max(begin, at - 400)
    line_start = max(text.rfind("\n", near, at), text.rfind("\r", near, at), near - 1) + 1
    line = text[line_start:at]
    if line[:1] in ("#", "|") or "\t" in line or (not line.strip("-=_* ") and len(line) > 2):
        return True
    if not text[after : after + 4].strip("-=_*~") and len(text[after : after + 4]) == 4:
        return True
    return (
        len(line) < 45
        and not following.islower()
        and line_start == begin
        and not line.rstrip().endswith((",", "-", "–", "and"))
    )
