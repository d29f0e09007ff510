# SPDX-License-Identifier: Apache-2.0
"""Wire an evaluation: the embedder and the vector engine of this machine over a collection of files, or the running
service.

A collection's vectors are kept in the user's cache, by the digest of the texts and the embedder's id, so that a second
run is quick.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from colonnade.app import wiring
from colonnade.app.settings.environment import Places, cache_folder
from colonnade.core.errors import ColonnadeError
from colonnade.knowledge.evaluate.datasets import read_beir, read_squad
from colonnade.knowledge.evaluate.document import document
from colonnade.knowledge.evaluate.engine import Engine, Item
from colonnade.knowledge.evaluate.measure import Reply, evaluate_beir, evaluate_own, evaluate_squad
from colonnade.knowledge.evaluate.picture import picture
from colonnade.knowledge.evaluate.runs import write_run
from colonnade.ports.outside.models import Embedder

if TYPE_CHECKING:
    from numpy.typing import NDArray

Progress = Callable[[int, int], None]
Measured = tuple[dict[str, Any], str]
BATCH = 256


def on_beir(
    places: Places, folder: Path, split: str, trec: Path | None, *, words_only: bool, progress: Progress
) -> Measured:
    """Rank the judged queries of a BEIR folder."""
    data = read_beir(folder, split)
    items = [Item(d.id, f"{d.title} {d.text}".strip()) for d in data.documents]
    with Opened(places, words_only) as embedder:
        engine = Engine(items, wiring.open_vectors, embedder, vectors=_vectors(items, embedder, progress))
        found = evaluate_beir(folder, split, engine.search)
    if trec is not None:
        write_run(trec, found.run)
    title = f"{folder.name}, {split}: {len(items):,} documents"
    said = document(found, data=str(folder), split=split, embedder=embedder.id if embedder else "")
    return said, picture(title, found.metrics, found.latencies_ms)


def on_squad(places: Places, path: Path, limit: int, *, words_only: bool, progress: Progress) -> Measured:
    """Ask the questions of a SQuAD file of all its paragraphs."""
    data = read_squad(path)
    items = [Item(f"{number:06d}", text) for number, (_, text) in enumerate(data.paragraphs)]
    with Opened(places, words_only) as embedder:
        engine = Engine(items, wiring.open_vectors, embedder, vectors=_vectors(items, embedder, progress))
        engine.calibrate()
        found = evaluate_squad(path, engine.ask, limit=limit)
    said = document(found, data=str(path), embedder=embedder.id if embedder else "")
    return said, picture(f"{path.name}: {len(items):,} paragraphs", found.metrics, found.latencies_ms)


def on_questions(places: Places, path: Path, service: str | None) -> Measured:
    """Ask a user's own questions of the running service, each with the rights of its `as:`."""
    from colonnade.app.presence import need_daemon
    from colonnade.sdk import Client

    url, token = need_daemon(places)
    client = Client(url, token)

    def ask(question: str, reader: str | None) -> Reply:
        return _reply(client.ask(question, service=service, acting_as=reader))

    found = evaluate_own(path, ask)
    return document(found, data=str(path)), picture(path.name, found.metrics, found.latencies_ms)


class Opened:
    """The default embedder while the block runs; None by words alone or without weights."""

    def __init__(self, places: Places, words_only: bool) -> None:
        self._embedders = wiring.Embedders(places, lambda _: None)
        self._words_only = words_only

    def __enter__(self) -> Embedder | None:
        return None if self._words_only else self._embedders.get("")

    def __exit__(self, *_: object) -> None:
        self._embedders.close()


def _reply(answer: Mapping[str, Any]) -> Reply:
    citations = answer["citations"]
    signals = answer.get("signals") or {}
    return Reply(
        answered=answer["status"] == "answered",
        quotes=tuple(c["quote"] for c in citations),
        documents=tuple(c["path"] for c in citations),
        reason=answer.get("reason", ""),
        topic=signals.get("topic"),
        twisted=signals.get("twisted"),
    )


def _vectors(items: Sequence[Item], embedder: Embedder | None, progress: Progress) -> NDArray[np.float32] | None:
    if embedder is None:
        return None
    digest = hashlib.sha256(embedder.id.encode())
    for item in items:
        digest.update(item.text.encode("utf-8", "replace") + b"\0")
    file = cache_folder() / "vectors" / f"{digest.hexdigest()}.npy"
    try:
        kept: NDArray[np.float32] = np.load(file, allow_pickle=False)
        if kept.shape == (len(items), embedder.dimensions):
            return kept
    except (OSError, ValueError):
        pass
    rows = []
    for at in range(0, len(items), BATCH):
        rows.append(embedder.embed([item.text for item in items[at : at + BATCH]]))
        progress(min(at + BATCH, len(items)), len(items))
    made = np.concatenate(rows) if rows else np.zeros((0, embedder.dimensions), np.float32)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "wb") as out:
            np.save(out, made, allow_pickle=False)
    except (OSError, ColonnadeError):
        file.unlink(missing_ok=True)
    return made
