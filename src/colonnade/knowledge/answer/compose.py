# SPDX-License-Identifier: Apache-2.0
"""From scored sentences to quotes: what says the same becomes one quote, what other documents say is added.

Verbatim only: nothing is rephrased here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from colonnade.knowledge.answer.passages import Passage, Quote, Source

_NUMBER = re.compile(r"\d[\d.,]*")
SAME = 0.8
"""Share of words (Jaccard) from which two sentences say the same, when their numbers are equal too."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence or row of a passage that could be quoted, with its terms and score."""

    source: Source
    terms: frozenset[str]
    score: float


def says_the_same(a: Candidate, b: Candidate) -> bool:
    """Near-equal words and exactly equal numbers: 10 euros and 12 euros never merge."""
    if a.source.text.split() == b.source.text.split():
        return True
    if sorted(_NUMBER.findall(a.source.text)) != sorted(_NUMBER.findall(b.source.text)):
        return False
    union = len(a.terms | b.terms)
    return union > 0 and len(a.terms & b.terms) / union >= SAME


def compose(
    candidates: Sequence[Candidate], passages: Sequence[Passage], *, margin: float, most: int = 3
) -> tuple[Quote, ...]:
    """The best sentence, then sentences of *other* documents within `margin` of its score; at most `most` quotes.

    `candidates` come best first. A near-equal sentence joins the quote it repeats as a further source, once a document.
    """
    groups: list[list[Candidate]] = []
    documents: set[str] = set()
    for candidate in candidates:
        if groups and candidate.score < groups[0][0].score - margin:
            break
        document = passages[candidate.source.passage].document
        group = next((g for g in groups if says_the_same(g[0], candidate)), None)
        if group is not None:
            if all(passages[c.source.passage].document != document for c in group):
                group.append(candidate)
                documents.add(document)
        elif document not in documents and len(groups) < most:
            groups.append([candidate])
            documents.add(document)
    return tuple(Quote(tuple(c.source for c in group), group[0].score) for group in groups)


def written(quotes: Sequence[Quote]) -> tuple[str, tuple[Source, ...]]:
    """The answer's text with markers, `A sentence. [1][2]`, and the sources in marker order."""
    lines: list[str] = []
    cited: list[Source] = []
    for quote in quotes:
        marks = "".join(f"[{len(cited) + n}]" for n in range(1, len(quote.sources) + 1))
        cited.extend(quote.sources)
        lines.append(f"{' '.join(quote.text.split())} {marks}")
    return "\n".join(lines), tuple(cited)
