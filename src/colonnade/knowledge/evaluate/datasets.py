# SPDX-License-Identifier: Apache-2.0
"""Read what people evaluate with: BEIR folders, SQuAD files, own question sets. Values out; no metric here."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from colonnade.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class BeirDocument:
    """One document of a BEIR corpus; `body` is what is indexed: title and text."""

    id: str
    title: str
    text: str

    @property
    def body(self) -> str:
        """Title, a space, text, as BEIR's own baselines index it."""
        return f"{self.title} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Beir:
    """A collection with judged queries: only queries that have a judgement are kept."""

    documents: tuple[BeirDocument, ...]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class SquadQuestion:
    """One question; no `answers` when the paragraph does not answer it; `starts` are its code points."""

    id: str
    question: str
    article: int
    paragraph: int
    answers: tuple[str, ...]
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Squad:
    """Titles of articles; paragraphs as (article, text), numbered through; questions."""

    titles: tuple[str, ...]
    paragraphs: tuple[tuple[int, str], ...]
    questions: tuple[SquadQuestion, ...]


@dataclass(frozen=True, slots=True)
class OwnQuestion:
    """One question of a user's own set.

    Attributes:
        question: as asked.
        answers: strings of which the answer should contain one; empty: not checked.
        documents: paths or ids of which one should be cited; empty: not checked.
        reader: the person it is asked as, or None.
        abstain: whether the right outcome is an abstention.
        line: where it stands in its file, for messages.
    """

    question: str
    answers: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    reader: str | None = None
    abstain: bool = False
    line: int = field(default=0, compare=False)


def read_beir(folder: Path, split: str) -> Beir:
    """Read a BEIR folder: `corpus.jsonl`, queries, and `qrels/SPLIT.tsv` or `qrels.SPLIT.tsv`, each plain or `.gz`.

    Queries may lie in `queries.jsonl` or `queries.SPLIT.jsonl`. Raises `UsageError` with the names it looked for.
    """
    qrels = _read_qrels(_first(folder, [f"qrels/{split}.tsv", f"qrels.{split}.tsv"]))
    queries = {
        str(row["_id"]): str(row["text"])
        for row in _json_lines(_first(folder, [f"queries.{split}.jsonl", "queries.jsonl"]))
        if str(row["_id"]) in qrels
    }
    documents = tuple(
        BeirDocument(str(row["_id"]), str(row.get("title") or ""), str(row.get("text") or ""))
        for row in _json_lines(_first(folder, ["corpus.jsonl"]))
    )
    missing = sorted(qrels.keys() - queries.keys())
    if missing:
        raise UsageError(f"{len(missing)} judged queries have no text, the first is {missing[0]!r}.")
    return Beir(documents, queries, qrels)


def read_squad(path: Path) -> Squad:
    """Read official SQuAD JSON, version 1.1 or 2.0, plain or `.gz`. Raises `UsageError` when it is not that."""
    try:
        with _open(path) as file:
            data = json.loads(file.read())["data"]
        titles: list[str] = []
        paragraphs: list[tuple[int, str]] = []
        questions: list[SquadQuestion] = []
        for article in data:
            titles.append(str(article.get("title", "")))
            for paragraph in article["paragraphs"]:
                questions += _squad_questions(paragraph["qas"], len(titles) - 1, len(paragraphs))
                paragraphs.append((len(titles) - 1, str(paragraph["context"])))
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise UsageError(f"{path.name} is not a SQuAD file: {error!r}", hint="Official JSON, plain or .gz.") from error
    return Squad(tuple(titles), tuple(paragraphs), tuple(questions))


def _squad_questions(rows: list[dict[str, Any]], article: int, paragraph: int) -> Iterator[SquadQuestion]:
    for row in rows:
        answers = [] if row.get("is_impossible") else row["answers"]
        texts = tuple(str(answer["text"]) for answer in answers)
        starts = tuple(int(answer["answer_start"]) for answer in answers)
        yield SquadQuestion(str(row["id"]), str(row["question"]), article, paragraph, texts, starts)


def read_own(path: Path) -> tuple[OwnQuestion, ...]:
    """Read a user's questions from YAML (a list, or `questions:`) or JSON lines, plain or `.gz`.

    A row: `question` (needed), `answers`, `documents` (a string or a list), `as`, `abstain`. Anything else is refused,
    so that a misspelt field does not silently check nothing.
    """
    name = path.name.removesuffix(".gz")
    if name.endswith((".jsonl", ".ndjson")):
        rows: Any = list(_json_lines(path))
    else:
        try:
            with _open(path) as file:
                rows = yaml.safe_load(file.read())
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            raise UsageError(f"{path.name} cannot be read: {error}") from error
        rows = rows.get("questions") if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not rows:
        raise UsageError(
            f"{path.name} holds no list of questions.", hint="A list of {question, answers, documents, as}."
        )
    return tuple(_own_question(row, path.name, number) for number, row in enumerate(rows, start=1))


def _own_question(row: object, name: str, number: int) -> OwnQuestion:
    known = {"question", "answers", "documents", "as", "abstain"}
    if not isinstance(row, dict) or not isinstance(row.get("question"), str) or not row["question"].strip():
        raise UsageError(f"{name}: question {number} has no text under `question`.")
    if extra := sorted(str(key) for key in row.keys() - known):
        raise UsageError(f"{name}: question {number} has an unknown field {extra[0]!r}.", hint=", ".join(sorted(known)))
    reader = row.get("as")
    return OwnQuestion(
        row["question"],
        _strings(row.get("answers")),
        _strings(row.get("documents")),
        None if reader is None else str(reader),
        bool(row.get("abstain", False)),
        number,
    )


def _strings(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    """`query-id corpus-id score` with a header line, or trec's four columns without one."""
    qrels: dict[str, dict[str, int]] = {}
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            columns = line.split()
            if not columns or (number == 1 and not columns[-1].lstrip("-").isdigit()):
                continue
            if len(columns) not in (3, 4) or not columns[-1].lstrip("-").isdigit():
                raise UsageError(f"{path.name}:{number}: not a judgement: {line.strip()!r}")
            qrels.setdefault(columns[0], {})[columns[-2]] = int(columns[-1])
    return qrels


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with _open(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise UsageError(f"{path.name}:{number}: not JSON: {error}") from error


def _open(path: Path) -> Any:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")


def _first(folder: Path, names: list[str]) -> Path:
    for name in names:
        for candidate in (folder / name, folder / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    raise UsageError(f"{folder.name or folder} has no {' or '.join(names)} (plain or .gz).", hint="See BEIR's layout.")
