# SPDX-License-Identifier: Apache-2.0
"""`task: text-classification` beside scikit-learn's usual recipe, on held-out rows of public texts, in one run.

Two sets, where their folder is (`--data`): SQuAD 2.0's questions, of which of 16 articles each is asked (uneven;
every fifth paragraph's questions are held out, so that no paragraph is on both sides), and deepset's prompt injections
(two classes, every third row held out). Peer: TfidfVectorizer over words and pairs, sublinear, with logistic
regression whose strength is found by cross-validation on the log loss, as ours. Ours: as trained by default, and from
words alone, as it is without MiniLM's weights. `gap`: 10-bin calibration error of the highest chance.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from colonnade.adapters.learning import script
from report import write_result

Rows = list[tuple[str, str]]


def squad(folder: Path) -> tuple[Rows, Rows]:
    """(training, held out) of (question, article)."""
    with gzip.open(folder / "squad2-dev" / "dev-v2.0.cs224n.json.gz") as file:
        articles = json.load(file)["data"]
    parts: tuple[Rows, Rows] = ([], [])
    for article in articles:
        for number, paragraph in enumerate(article["paragraphs"]):
            asked = [(one["question"].strip(), article["title"]) for one in paragraph["qas"]]
            parts[number % 5 == 0].extend(asked)
    return parts


def injections(folder: Path) -> tuple[Rows, Rows]:
    """(training, held out) of (prompt, label)."""
    with open(folder / "prompt_injection" / "deepset_train_en.csv", encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    return [row for n, row in enumerate(rows) if n % 3], [row for n, row in enumerate(rows) if n % 3 == 0]


def measured(p: Any, classes: list[str], truth: list[str]) -> dict[str, float]:
    """accuracy, log_loss, macro_f1, gap."""
    from sklearn.metrics import accuracy_score, f1_score, log_loss

    found = [classes[place] for place in p.argmax(axis=1)]
    top, right = p.max(axis=1), np.array([a == b for a, b in zip(found, truth, strict=True)])
    bins = np.minimum((top * 10).astype(int), 9)
    gap = sum(abs(top[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins.tolist()))
    return {
        "accuracy": round(float(accuracy_score(truth, found)), 4),
        "log_loss": round(float(log_loss(truth, p, labels=classes)), 4),
        "macro_f1": round(float(f1_score(truth, found, average="macro")), 4),
        "gap": round(float(gap), 4),
    }


def ours(train: Rows, test: Rows, **told: str) -> dict[str, Any]:
    """Train and evaluate as a pipeline does: two child processes."""
    from colonnade.adapters.learning.texts import TextModel

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, rows in (("train", train), ("test", test)):
            (folder / part).mkdir()
            with open(folder / part / f"{part}.csv", "w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([("text", "label"), *rows])
        (folder / "parameters.json").write_text(
            json.dumps({"task": "text-classification", "label": "label", "text": "text", **told})
        )
        began, cpu = time.monotonic(), os.times()
        step(folder, "train", folder / "train")
        after = os.times()
        seconds = time.monotonic() - began
        model = TextModel.load(folder / "model")
        p = model.predict([text for text, _ in test])
        about = json.loads((folder / "model" / "text.json").read_text())
        size = sum(path.stat().st_size for path in (folder / "model").iterdir())
        return {
            **measured(p, list(model.classes), [label for _, label in test]),
            "learned_from": about["features"],
            "train_s": round(seconds, 1),
            "train_cpu_s": round(sum(after[2:4]) - sum(cpu[2:4]), 1),
            "model_kib": size // 1024,
        }


def step(folder: Path, name: str, given: Path) -> None:
    out = folder / "model"
    out.mkdir(exist_ok=True)
    environment = {"COLONNADE_INPUT": given, "COLONNADE_OUTPUT": out, "COLONNADE_STEP": name,
                   "COLONNADE_PARAMETERS": folder / "parameters.json", "PATH": os.environ["PATH"]}  # fmt: skip
    subprocess.run(
        [sys.executable, script.__file__], env={k: str(v) for k, v in environment.items()}, check=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip


def peer(train: Rows, test: Rows) -> dict[str, Any]:
    """scikit-learn's TF-IDF and logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    began, cpu = time.monotonic(), time.process_time()
    made = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2), LogisticRegression(max_iter=2000)
    )
    grid = {"logisticregression__C": [0.3, 1, 3, 10, 30, 100, 300]}
    found = GridSearchCV(made, grid, scoring="neg_log_loss", cv=5).fit(*map(list, zip(*train, strict=True)))
    seconds, used = time.monotonic() - began, time.process_time() - cpu
    p = found.predict_proba([text for text, _ in test])
    return {
        **measured(p, [str(one) for one in found.classes_], [label for _, label in test]),
        "train_s": round(seconds, 1),
        "train_cpu_s": round(used, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("COLONNADE_DATA", "../shared/data")))
    folder = parser.parse_args().data
    rows = []
    for name, load in (("squad2-dev: which article", squad), ("prompt_injection: deepset", injections)):
        train, test = load(folder)
        found = {"ours": ours(train, test), "ours, words alone": ours(train, test, features="words"),
                 "ours, meaning alone": ours(train, test, features="meaning"),
                 "scikit-learn TF-IDF + LR": peer(train, test)}  # fmt: skip
        best, its = found["ours"], found["scikit-learn TF-IDF + LR"]
        row = {"set": name, "train": len(train), "held_out": len(test), "classes": len({label for _, label in train}),
               "results": found, "errors_ratio": round((1 - best["accuracy"]) / (1 - its["accuracy"]), 3),
               "log_loss_ratio": round(best["log_loss"] / its["log_loss"], 3)}  # fmt: skip
        rows.append(row)
        print(json.dumps(row, indent=1))
    write_result("text_classification", asked="texts by meaning and words, beside TF-IDF + logistic regression",
                 ran="the same", rows=rows, seeds=[])  # fmt: skip


if __name__ == "__main__":
    main()
