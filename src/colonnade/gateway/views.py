# SPDX-License-Identifier: Apache-2.0
"""What the console's pages and the document routes show, as the asker may see it: plain records, no logic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colonnade.core.answers import Answer


@dataclass(frozen=True, slots=True)
class Source:
    """A document as the asker may see it. `text` is what spans count in; `pages` are (page, start of a part of it)."""

    document: str
    content: str
    path: str
    title: str
    knowledge: str
    text: str
    encoding: str | None
    readers: tuple[str, ...]
    valid_from_ms: int
    valid_to_ms: int | None
    chunks: tuple[tuple[int, int], ...] = ()
    pages: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """One content of a document and when it was valid; `valid_to_ms` None = it still is."""

    content: str
    path: str
    valid_from_ms: int
    valid_to_ms: int | None


@dataclass(frozen=True, slots=True)
class FileView:
    """A source file on the knowledge page; `code` is "" when it was read."""

    path: str
    document: str
    state: str
    code: str
    reason: str
    chunks: int
    readers: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class KnowledgeView:
    """A knowledge base on its page, restricted to what the asker may read."""

    name: str
    state: str
    documents: int
    chunks: int
    embedded: int
    embedder: str
    files: tuple[FileView, ...] = ()
    unreadable: tuple[FileView, ...] = ()


@dataclass(frozen=True, slots=True)
class RunView:
    """A run with its progress."""

    id: str
    kind: str
    subject: str
    state: str
    why: str
    created_ms: int
    finished_ms: int | None
    done: int
    total: int
    counts: Mapping[str, int]
    error: str = ""


@dataclass(frozen=True, slots=True)
class AnswerView:
    """A past answer: its text only for who may still read all that it was given."""

    answer: Answer
    question: str
    at_ms: int
    service: str
    asker_name: str
    epoch: str
    feedback: str = ""
    as_of_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """A lineage walk: nodes as `why --json` gives them, with labels that the asker may read."""

    ref: str
    nodes: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class LedgerView:
    """The log on its page."""

    origin: str
    size: int
    root: str
    note: str
    entries: tuple[Mapping[str, Any], ...] = ()
