# SPDX-License-Identifier: Apache-2.0
"""What is asked, by whom, and what comes back. Passed between rooms; the answer's row and entry are made from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, with the rights of now.

    Attributes:
        principal: `prn_...`.
        project: `prj_...`.
        name: as declared ("anna"), "owner", or a key's own name; for people to read, never in a leaf.
        groups: declared groups that hold this principal.
        readers: ids of the reader sets that this principal may read (`rds_...`).
        owner: may administer: keys, runs, every page; reads what its groups allow, and may ask `--as` somebody.
        key: id of the API key used, or "".
        acting_for: id of the owner who asks `--as` this principal, or "".
    """

    principal: str
    project: str
    name: str
    groups: frozenset[str] = frozenset()
    readers: frozenset[str] = frozenset()
    owner: bool = False
    key: str = ""
    acting_for: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A verbatim quote and where it stands. `start` and `end` are code points (CONTRACT.md, Spans)."""

    document: str
    content: str
    path: str
    url: str
    encoding: str | None
    start: int
    end: int
    quote: str
    page: int | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A grounded answer, or an honest abstention.

    Attributes:
        ref: `answer/ans_...`.
        status: "answered" or "abstained".
        answer: the text, with [1] [2] markers that number `citations`; for an abstention the sentence that says so.
        citations: in the order of their markers.
        reason: for an abstention "topic" (not in the sources that the asker may read) or "unsupported" (the topic is
            there, the
            answer is not); "" otherwise.
        signals: the numbers that decided, with their thresholds.
        note: what the reader should know ("the language model did not answer; these are quotes"), or "".
        given: documents shown to the answerer, cited or not.
        contents: for each of `given`, what it held then.
        ms: time taken.
    """

    ref: str
    status: str
    answer: str
    citations: tuple[Citation, ...] = ()
    reason: str = ""
    signals: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    given: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    ms: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """One passage found by search, permitted to the asker."""

    document: str
    content: str
    path: str
    url: str
    encoding: str | None
    start: int
    end: int
    text: str
    score: float
    headings: tuple[str, ...] = ()
    page: int | None = None
    title: str = ""
    context: str = ""
    order: int = 0
    lexical: float = 0.0
    dense: float = 0.0
