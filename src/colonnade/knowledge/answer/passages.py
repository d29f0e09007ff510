# SPDX-License-Identifier: Apache-2.0
"""What goes into an answer and what comes out of it. Values only: no rule and no text handling here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Status = Literal["answered", "abstained"]
ReasonKind = Literal["topic", "unsupported"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrieved chunk with what is needed to quote it.

    Attributes:
        document: id of the document that is cited.
        content: id of the content (equal files share it).
        order: the chunk's position in the content, 0-based.
        text: the chunk's own text, exactly `document_text[start : start + len(text)]`.
        start: code point offset of `text` in the document's text.
        headings: headings above it, outermost first.
        context: words that precede it when it is searched (title, headings, table header); never quoted.
        score: fused retrieval score, only for the order.
        lexical, dense: the raw legs; `dense` is the cosine with the question, 0.0 when there are no vectors.
        header: cells of the table's header when the chunk holds table rows, else ().
        page: 1-based page or slide, else None.
    """

    document: str
    content: str
    order: int
    text: str
    start: int
    headings: tuple[str, ...] = ()
    context: str = ""
    score: float = 0.0
    lexical: float = 0.0
    dense: float = 0.0
    header: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One place that says it: `passages[passage]`, and the span in code points of its document's text."""

    passage: int
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence or table row, verbatim, with every place that says the same (the first is shown).

    Attributes:
        sources: at least one; `sources[0].text` is what the answer quotes.
        score: how well it answers, comparable within one question only.
    """

    sources: tuple[Source, ...]
    score: float

    @property
    def text(self) -> str:
        """The words that are shown."""
        return self.sources[0].text


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an answer was withheld, or what speaks against it.

    Attributes:
        kind: `topic`: the sources do not speak of it. `unsupported`: they do, but do not seem to say this.
        message: one sentence for people.
        value, threshold: the number that decided, and the least it should have been.
    """

    kind: ReasonKind
    message: str
    value: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Extract:
    """The outcome for one question.

    Attributes:
        status: answered or abstained; an abstention has no quote.
        answer: the quotes with their markers `[1]`, or the reason's sentence.
        quotes: verbatim, best first.
        citations: every source in the order of the markers: marker n is `citations[n - 1]`.
        reason: why it abstained, else None.
        note: a doubt that was not strong enough to abstain, else None.
        signals: the numbers that were looked at, by name.
        confidence: 0..1, how likely the topic is in the sources, by the calibration.
    """

    status: Status
    answer: str
    quotes: tuple[Quote, ...] = ()
    citations: tuple[Source, ...] = ()
    reason: Reason | None = None
    note: Reason | None = None
    signals: dict[str, float] = field(default_factory=dict)
    confidence: float = 0.0
