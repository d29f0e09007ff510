# SPDX-License-Identifier: Apache-2.0
"""From a language model's sentences to an answer that may be shown: each citation checked against the passage that it
names.

- A sentence whose citations all name passages that do not exist is withheld: it was made up, mark and all.
- A sentence that its passages support keeps their marks, renumbered in order of appearance, each leading to the very
sentence.
- A sentence without a mark that a passage supports gets that mark.
- Any other claim is marked [unverified], and loses its marks: a wrong citation is worse than none.
- Until one sentence is supported nothing is shown, so that no answer consists of unverified claims.
Pure: text in, text out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from colonnade.core.answers import Citation, Found
from colonnade.knowledge.ground.check import (
    MARK,
    Claim,
    Ground,
    Support,
    cited_numbers,
    claim_of,
    ground_of,
    normal_terms,
    support,
)

UNVERIFIED = "[unverified]"
_TWO_ENDS = re.compile(r"([.!?])\.$")
"""What is left of "It is so. [1]." without its mark."""


@dataclass(slots=True)
class Composer:
    """Takes sentences in order; `citations` and the counts grow.

    Attributes:
        passages: as they were numbered for the model, from 1.
        question: as it was understood.
        verified, unverified, withheld: how many sentences of each kind there were.
    """

    passages: Sequence[Found]
    question: str
    citations: list[Citation] = field(default_factory=list)
    verified: int = 0
    unverified: int = 0
    withheld: int = 0
    _grounds: dict[int, Ground] = field(default_factory=dict)
    _asked: frozenset[str] = frozenset()
    _held: list[str] = field(default_factory=list)
    _gap: str = ""
    _begun: bool = False
    _places: dict[tuple[int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._asked = frozenset(normal_terms(self.question))

    def _support(self, claim: Claim, number: int) -> Support:
        """How passage `number` bears the claim; each passage is taken apart once."""
        ground = self._grounds.get(number)
        if ground is None:
            ground = self._grounds[number] = ground_of(self.passages[number - 1])
        return support(claim, ground, self._asked)

    def add(self, sentence: str) -> str:
        """What may be shown now, for a sentence with the space around it; may be "" or more than one sentence.

        Space after a sentence is shown with the next one, so that nothing trails what is withheld.
        """
        text = sentence.strip()
        if not text:
            self._gap += sentence
            return ""
        judged = self._judged(text)
        after = sentence[len(sentence.rstrip()) :]
        if not judged:
            self._gap = self._gap or after
            return ""
        shown = (self._gap + sentence[: len(sentence) - len(sentence.lstrip())] if self._begun else "") + judged
        self._gap, self._begun = after, True
        if self.verified:
            out = "".join(self._held) + shown
            self._held.clear()
            return out
        self._held.append(shown)
        return ""

    def _judged(self, text: str) -> str:
        """The sentence as it may be shown, or "" to withhold it."""
        numbers = cited_numbers(text)
        existing = [n for n in numbers if 1 <= n <= len(self.passages)]
        if numbers and not existing:
            self.withheld += 1
            return ""
        claim = claim_of(text)
        bare = _TWO_ENDS.sub(r"\1", MARK.sub("", text))
        if claim.empty or (text.endswith(":") and not claim.numbers):
            return bare
        marks = self._marks(claim, existing) if existing else self._found_mark(claim)
        if marks:
            self.verified += 1
            return f"{bare} {marks}"
        self.unverified += 1
        return f"{bare} {UNVERIFIED}"

    def _marks(self, claim: Claim, numbers: Sequence[int]) -> str:
        """Marks of those cited passages that support the claim."""
        judged = [(n, self._support(claim, n)) for n in numbers]
        return "".join(self._mark(n, s) for n, s in judged if s.supported)

    def _found_mark(self, claim: Claim) -> str:
        """The mark of the passage that supports an uncited claim best."""
        judged = [(n, self._support(claim, n)) for n in range(1, len(self.passages) + 1)]
        good = [(n, s) for n, s in judged if s.supported]
        return self._mark(*max(good, key=lambda g: (g[1].coverage, -g[0]))) if good else ""

    def _mark(self, number: int, borne: Support) -> str:
        place = (number, borne.start)
        if place not in self._places:
            self.citations.append(citation(self.passages[number - 1], borne.start, borne.end))
            self._places[place] = len(self.citations)
        return f"[{self._places[place]}]"


def citation(passage: Found, start: int, end: int) -> Citation:
    """The span of a passage's own text as a citation with the document's span."""
    return Citation(
        passage.document,
        passage.content,
        passage.path,
        passage.url,
        passage.encoding,
        passage.start + start,
        passage.start + end,
        passage.text[start:end],
        passage.page,
        passage.title,
    )
