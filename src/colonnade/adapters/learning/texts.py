# SPDX-License-Identifier: Apache-2.0
"""The built-in model of texts: what they mean (MiniLM's vectors) and which words they use, into a logistic regression.

Which of the two it learns from, or both, and how much, is found by cross-validation on the training rows. Without the
weights of MiniLM it is the words alone, and training says so. Vectors are computed in fp32, in batches that do not
depend on the number of cores: equal data, equal bytes.

Training writes text.json (classes, column, what was chosen) and arrays in numpy's format, read without pickle.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from colonnade.adapters.learning.columns import Columns, read, write
from colonnade.adapters.learning.logistic import Chosen, Rows, choose, fit, folds_of, softmax
from colonnade.adapters.learning.scores import of_classes
from colonnade.adapters.learning.words import Floats, Vocabulary
from colonnade.core.errors import MissingExtra, UsageError

ABOUT = "text.json"
FORMAT = "colonnade-text/1"
MOST_CLASSES = 500
MOST_JUDGED = 4000
"""Rows that cross-validation looks at; more are thinned evenly within each class."""
FOLDS = 5
KINDS = ("meaning", "words", "both")


def train(told: Mapping[str, Any], given: Path, out: Path) -> None:
    """Read, embed, choose, fit, write."""
    columns = read(given / "train.csv")
    label, text = str(told["label"]), str(told["text"]).split("\n")
    texts, classes = texts_of(columns, text), sorted(set(columns[label]))
    if len(classes) < 2:
        raise UsageError(f"every row has the label {classes[0]!r}: there is nothing to tell apart")
    if len(classes) > MOST_CLASSES:
        hint = f"at most {MOST_CLASSES} are told apart: is {label!r} a label?"
        raise UsageError(f"the label has {len(classes)} different values", hint=hint)
    place = {name: number for number, name in enumerate(classes)}
    y = np.array([place[value] for value in columns[label]])
    counts = np.bincount(y)
    balance = len(y) / (len(classes) * counts[y]) if told.get("balance") else np.ones(len(y))
    embedder, why = _embedder()
    dense = None if embedder is None else _vectors(embedder, texts)
    vocabulary = Vocabulary.of(texts)
    whole = Rows(dense, vocabulary.rows(texts))
    kinds = [str(told["features"])] if told.get("features") in KINDS else list(KINDS)
    kinds = kinds if dense is not None else ["words"]
    judged = _thinned(y)
    folds = folds_of(y[judged], FOLDS)
    found: dict[str, Chosen] = {
        kind: choose(_part(whole, kind).only(judged), y[judged], len(classes), balance[judged], folds) for kind in kinds
    }
    kind = min(found, key=lambda one: (found[one].loss, one))
    chosen = found[kind]
    weights = fit(_part(whole, kind), y, len(classes), chosen.strength, balance)
    id_ = embedder.id if embedder is not None and kind != "words" else ""
    model = TextModel(
        text,
        classes,
        label,
        id_,
        weights,
        vocabulary if kind != "meaning" else None,
        chosen.temperature,
        1 / (len(y) + 2),
    )
    model.save(
        out,
        {
            "features": kind,
            "strength": chosen.strength,
            "out_of_fold": {
                name: {"accuracy": round(one.accuracy, 4), "log_loss": round(one.loss, 4)}
                for name, one in found.items()
            },
        },
    )
    if why:
        print(f"without vectors, by words alone: {why}")
    print(f"{len(y)} texts, {len(classes)} classes, learned from {kind}, C {chosen.strength:g}")


def evaluate(told: Mapping[str, Any], given: Path, out: Path) -> None:
    """Predict, measure, write."""
    del told
    model = TextModel.load(given / "model")
    columns = read(given / "test.csv")
    write(out, *of_classes(model.predict(texts_of(columns, model.text)), columns[model.label], model.classes))


@dataclass
class TextModel:
    """A trained model.

    Attributes:
        text: columns whose texts are joined.
        embedder: the id of the embedder that it needs; "" for none.
        weights: [1 + dimensions + words, classes].
        vocabulary: None where it looks at meaning alone.
        doubt: the share of every chance that is dealt out evenly: n texts cannot show that an error is rarer than 1/n.
        threads: that embed; 0 for all cores.
    """

    text: Sequence[str]
    classes: Sequence[str]
    label: str
    embedder: str
    weights: Floats
    vocabulary: Vocabulary | None
    temperature: float
    doubt: float = 0.0
    threads: int = 0
    _encoder: Any = None

    def predict(self, texts: Sequence[str]) -> Floats:
        """[texts, classes], rows sum to 1. Raises MissingExtra when its embedder is not here."""
        dense = _vectors(self._found(), texts, self.threads) if self.embedder else None
        rows = Rows(dense, self.vocabulary.rows(texts) if self.vocabulary is not None else None)
        sure = softmax(rows.times(self.weights) / self.temperature)
        return (1 - self.doubt) * sure + self.doubt / len(self.classes)

    def save(self, out: Path, about: Mapping[str, Any]) -> None:
        """Write it into a folder."""
        told = {"format": FORMAT, "text": list(self.text), "classes": list(self.classes), "label": self.label,
                "embedder": self.embedder, "temperature": self.temperature, "doubt": self.doubt, **about}  # fmt: skip
        (out / ABOUT).write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", "utf-8")
        np.save(out / "weights.npy", self.weights.astype(np.float32), allow_pickle=False)
        if self.vocabulary is not None:
            np.save(out / "words.npy", self.vocabulary.hashes, allow_pickle=False)
            np.save(out / "rarity.npy", self.vocabulary.weights, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, *, threads: int = 0) -> TextModel:
        """From what training wrote; its embedder is loaded with it. Nothing is executed."""
        told = json.loads((folder / ABOUT).read_text("utf-8"))
        if told.get("format") != FORMAT:
            raise UsageError(f"{ABOUT} has the format {told.get('format')!r}, not {FORMAT}", code="model_invalid")
        weights = np.load(folder / "weights.npy", allow_pickle=False).astype(np.float64)
        words = folder / "words.npy"
        vocabulary = Vocabulary(
            np.load(words, allow_pickle=False), np.load(folder / "rarity.npy", allow_pickle=False)
        ) if words.is_file() else None  # fmt: skip
        made = cls(
            told["text"], told["classes"], told["label"], told["embedder"], weights, vocabulary, told["temperature"],
            told["doubt"], threads,
        )  # fmt: skip
        if made.embedder:
            made._found()
        return made

    def _found(self) -> Any:
        if self._encoder is None:
            encoder, why = _embedder()
            if encoder is None or encoder.id != self.embedder:
                said = why or f"here is {encoder.id}"
                raise MissingExtra(f"the model was trained on vectors of {self.embedder}, which are not here: {said}",
                                   code="weights_missing")  # fmt: skip
            self._encoder = encoder
        return self._encoder


def texts_of(columns: Columns, names: Sequence[str]) -> list[str]:
    """One text a row: the named columns, a line each. Raises UsageError for a column that is not there."""
    missing = [name for name in names if name not in columns]
    if missing:
        raise UsageError(f"there is no column {missing[0]!r}", hint=f"columns: {', '.join(columns)}")
    return ["\n".join(filter(None, row)) for row in zip(*(columns[name] for name in names), strict=True)]


def _part(rows: Rows, kind: str) -> Rows:
    return Rows(rows.dense if kind != "words" else None, rows.sparse if kind != "meaning" else None)


def _thinned(y: Any) -> Any:
    if len(y) <= MOST_JUDGED:
        return np.arange(len(y))
    kept = []
    for one in np.unique(y):
        places = np.flatnonzero(y == one)
        count = min(len(places), max(5, round(MOST_JUDGED * len(places) / len(y))))
        kept.append(places[np.linspace(0, len(places) - 1, count).astype(int)])
    return np.sort(np.concatenate(kept))


def _embedder() -> tuple[Any, str]:
    """(the product's own encoder, in fp32; ""), or (None, why there is none)."""
    from colonnade.adapters.models.minilm.encoder import Encoder
    from colonnade.adapters.models.minilm.folder import default_folder

    try:
        return Encoder(default_folder(), "fp32"), ""
    except MissingExtra as error:
        return None, f"{error.message} ({error.hint})"


def _vectors(encoder: Any, texts: Sequence[str], threads: int = 0) -> Floats:
    """[texts, dimensions] of length 1; equal texts are embedded once. The batches do not depend on the threads."""
    from colonnade.adapters.models.minilm.batches import plan

    place = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    pieces = encoder.encode(list(place))
    out = np.empty((len(place), encoder.dimensions))

    def run(batch: list[int]) -> None:
        out[batch] = encoder.run([pieces[index] for index in batch])

    batches = plan([len(text) for text in pieces])
    if threads == 1 or len(batches) == 1:
        for batch in batches:
            run(batch)
    else:
        with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as pool:
            for _ in pool.map(run, batches):
                pass
    found: Floats = out[[place[text] for text in texts]]
    return found
