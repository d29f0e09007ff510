# SPDX-License-Identifier: Apache-2.0
"""Does a passage say what a sentence claims? By words, numbers, names, negation: the same every time, no second model.

A claim is supported by a passage when
- every number of the claim stands in the passage's best sentence or beside it ("three" is 3); a number taken from the
  question may stand beside another that is there;
- every name of the claim (a capitalised word amid the sentence, an abbreviation, an identifier) stands in the passage
  or in the question;
- the best two neighbouring sentences of the passage hold at least `ENOUGH` of its content words;
- claim and best sentence agree on whether there is a negation.

It errs towards "unsupported": a good paraphrase may be marked, an invented number is rarely let through. What it cannot
see (who did what to whom, in the same words) stands in the docs. Pure; no statistics of the index.

"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from colonnade.core.answers import Found
from colonnade.knowledge.ground.prompt import addressed_to_an_assistant
from colonnade.knowledge.index.words import terms
from colonnade.knowledge.sentences import sentences

ENOUGH = 0.6
"""Share of a claim's content words that two neighbouring sentences must hold."""

MARK = re.compile(r"[ \t]*[\[【]\^?([\d\s,;]+)[\]】]")
_NUMBER_WORDS = dict(
    zip(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
        (str(n) for n in range(13)),
        strict=True,
    )
)
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_YES_NO = re.compile(r"^\s*(?:yes|no|ja|nein)\s*[,:;.–-]\s*", re.IGNORECASE)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot|forbidden|prohibited|excluded|except|refuse[sd]?|nicht|kein\w*|nie)\b"
    r"|n['’]t\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![.!?:]\s)(?<!^)\b(?:[A-ZÄÖÜ][\w'’-]*|\w*[a-z][A-Z]\w*|\w+_\w+)\b")
_INITIAL_NAME = re.compile(r"^\W*([A-Z]{2,}[\w-]*|\w*[a-z][A-Z]\w*)\b")
_ORDINARY = frozenset(["I", "I'm", "I'd"])


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sentence asserts, taken apart once.

    Attributes:
        terms: content words, stemmed, without numbers.
        numbers: as `terms` normalises them.
        names: terms of its names.
        negated: whether it negates.
    """

    terms: frozenset[str]
    numbers: frozenset[str]
    names: frozenset[str]
    negated: bool

    @property
    def empty(self) -> bool:
        """Whether there is next to nothing to check ("Yes.", "Here is what I found")."""
        return len(self.terms) <= 1 and not self.numbers and not self.names


@dataclass(frozen=True, slots=True)
class Support:
    """How a passage bears a claim.

    Attributes:
        supported: the verdict.
        coverage: share of the claim's words in the best window, 0..1.
        missing: numbers and names that are not there.
        start, end: span of the best sentence in the passage's own text.
    """

    supported: bool
    coverage: float
    missing: tuple[str, ...]
    start: int
    end: int


def _is_number(term: str) -> bool:
    return term[:1].isdigit()


def normal_terms(text: str) -> list[str]:
    """Content words of a text, stemmed, numbers in one form."""
    return [_NUMBER_WORDS.get(t, t) for t in terms(text)]


def claim_of(sentence: str) -> Claim:
    """Take a sentence apart, its citation marks, list mark and leading yes or no left out."""
    text = _YES_NO.sub("", _LIST_MARK.sub("", MARK.sub("", sentence))).strip()
    words = normal_terms(text)
    found = [m.group() for m in _NAME.finditer(text)]
    first = _INITIAL_NAME.match(text)
    if first:
        found.append(first.group(1))
    names = {t for name in found if name not in _ORDINARY for t in terms(name) if not _is_number(t)}
    plain = frozenset(w for w in words if not _is_number(w))
    numbers = frozenset(w for w in words if _is_number(w))
    return Claim(plain, numbers, frozenset(names), _NEGATION.search(text) is not None)


@dataclass(frozen=True, slots=True)
class Ground:
    """A passage taken apart once, for all the claims that are held against it.

    Attributes:
        spans: its sentences in its own text, without those addressed to an assistant.
        words: their terms.
        negated: which of them negate.
        around: terms of title, headings and context.
    """

    spans: tuple[tuple[int, int], ...]
    words: tuple[frozenset[str], ...]
    negated: tuple[bool, ...]
    around: frozenset[str]


def ground_of(passage: Found) -> Ground:
    """Take a passage apart."""
    text = passage.text
    spans = [s for s in sentences(text, 0, len(text)) if not addressed_to_an_assistant(text[s[0] : s[1]])]
    said = [text[start:end] for start, end in spans]
    around = frozenset(normal_terms(f"{passage.title} {' '.join(passage.headings)} {passage.context}"))
    words = tuple(frozenset(normal_terms(sentence)) for sentence in said)
    return Ground(tuple(spans), words, tuple(_NEGATION.search(s) is not None for s in said), around)


def support(claim: Claim, ground: Ground, asked: frozenset[str]) -> Support:
    """Whether the passage supports the claim; `asked` are the terms of the question as it was understood."""
    if not ground.spans:
        return Support(False, 0.0, (), 0, 0)
    best, coverage = _best_window(claim, ground)
    near = ground.around.union(*ground.words[max(0, best - 1) : best + 2])
    whole = ground.around.union(*ground.words)
    strange = {name for name in claim.names if name not in whole and name not in asked}
    missing = sorted(_missing_numbers(claim, near, asked) | strange)
    agree = claim.negated == ground.negated[best]
    supported = not missing and coverage >= ENOUGH and agree
    return Support(supported, coverage, tuple(missing), *ground.spans[best])


def _missing_numbers(claim: Claim, whole: frozenset[str], asked: frozenset[str]) -> set[str]:
    absent = {n for n in claim.numbers if n not in whole}
    if absent and absent <= asked and claim.numbers - absent:
        return set()
    return absent


def _best_window(claim: Claim, ground: Ground) -> tuple[int, float]:
    """The sentence that holds most of the claim, and the share that it and its better neighbour hold."""
    wanted = claim.terms | claim.numbers
    if not wanted:
        return 0, 0.0
    words = ground.words
    best = max(range(len(words)), key=lambda n: (len(wanted & words[n]), -n))
    neighbours = [words[n] for n in (best - 1, best + 1) if 0 <= n < len(words)]
    held = words[best] | ground.around
    share = max((len(wanted & (held | n)) for n in neighbours), default=len(wanted & held))
    return best, share / len(wanted)


def cited_numbers(sentence: str) -> list[int]:
    """The passage numbers that a sentence cites, in order, each once.

    >>> cited_numbers("Second class [1, 3], up to 120 euros [3].")
    [1, 3]
    """
    found: Iterable[str] = (part for mark in MARK.finditer(sentence) for part in re.split(r"[\s,;]+", mark.group(1)))
    return list(dict.fromkeys(int(part) for part in found if part))
