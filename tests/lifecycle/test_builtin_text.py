# SPDX-License-Identifier: Apache-2.0
"""The built-in model of texts: meaning and words, chances that are honest, the same bytes again, served as it is."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colonnade.adapters.learning import script, texts
from colonnade.adapters.learning.logistic import Rows, choose, cooled, fit, folds_of, softmax
from colonnade.adapters.learning.words import Sparse, Vocabulary
from colonnade.adapters.replicas.formats import load
from colonnade.adapters.replicas.model import Loading, Unusable
from colonnade.app.scanning import FolderScan
from colonnade.core.errors import MissingExtra
from colonnade.lifecycle.reports import read_predictions
from tests.lifecycle.test_builtin import write_table

SAID = {
    "billing; invoices": ["the invoice is wrong", "you charged my card twice", "please refund the payment",
                          "the bill shows a fee that I do not know", "the amount on the receipt is too high"],
    "versand": ["where is my parcel", "the package never arrived", "the courier left it in the rain",
                "delivery was promised for monday", "the box came damaged"],
    "login": ["I cannot sign in", "the password reset mail does not come", "my account is locked",
              "the code from the app is refused", "it says my user name is unknown"],
}  # fmt: skip
OTHER = {"billing; invoices": "the statement lists a wrong sum of money", "versand": "the shipment is still on its way",
         "login": "authentication fails with my credentials"}  # fmt: skip
WORDS = ["today", "again", "really", "since", "yesterday", "since", "tuesday", "kindly", "sadly", "with", "thanks"]


def rows(count: int, seed: int = 1, rare: int = 8) -> list[list[str]]:
    """Complaints; of `login` every `rare`-th only."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        label = "login" if number % rare == 0 else ("billing; invoices", "versand")[number % 2]
        made.append([f"{rng.choice(SAID[label])} {' '.join(rng.sample(WORDS, 3))}", label])
    return made


def step(folder: Path, name: str, **told: Any) -> subprocess.CompletedProcess[str]:
    (folder / name).mkdir(parents=True, exist_ok=True)
    parameters = folder / "parameters.json"
    parameters.write_text(json.dumps({"task": "text-classification", "label": "label", "text": "text", **told}))
    environment = {"COLONNADE_INPUT": folder / "in", "COLONNADE_OUTPUT": folder / name, "COLONNADE_STEP": name,
                   "COLONNADE_PARAMETERS": parameters}  # fmt: skip
    command = [sys.executable, "-W", "error", script.__file__]
    return subprocess.run(
        command, env={"PATH": os.environ["PATH"], **{key: str(value) for key, value in environment.items()}},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def trained(folder: Path, **told: Any) -> Path:
    """A folder with what training and evaluation wrote."""
    (folder / "in").mkdir(parents=True)
    write_table(folder / "in" / "train.csv", ["text", "label"], rows(160))
    write_table(folder / "in" / "test.csv", ["text", "label"], [[text, label] for label, text in OTHER.items()] * 10)
    done = step(folder, "train", **told)
    assert done.returncode == 0, done.stderr
    (folder / "in" / "model").symlink_to(folder / "train")
    done = step(folder, "evaluate", **told)
    assert done.returncode == 0, done.stderr
    return folder


def test_texts_in_other_words_are_told_apart_by_what_they_mean_and_again_by_the_same_bytes(tmp_path: Path) -> None:
    one, two = trained(tmp_path / "one"), trained(tmp_path / "two")
    metrics = json.loads((one / "evaluate" / "metrics.json").read_text())
    assert metrics["accuracy"] == 1
    assert set(metrics) == {"accuracy", "log_loss", "macro_f1"}
    scores = read_predictions((one / "evaluate" / "predictions.csv").read_bytes(), 30)
    assert set(scores) == {"accuracy", "log_loss"}
    for file in sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file() and "in" not in path.parts):
        assert file.name == "parameters.json" or (one / file).read_bytes() == (two / file).read_bytes(), file
    assert FolderScan().judge(one / "train")[0] == "clean"


def test_it_is_served_without_a_script_of_the_users(tmp_path: Path) -> None:
    model = load(Loading(trained(tmp_path) / "train", tmp_path))
    assert model.about["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    answers = model.rows([{"text": OTHER["versand"], "more": 1}, {"text": OTHER["login"]}, {"text": ""}])
    assert [one["label"] for one in answers[:2]] == ["versand", "login"]
    assert sum(answers[2]["probabilities"].values()) == pytest.approx(1)
    assert max(answers[0]["probabilities"].values()) < 1 - 1 / 400  # 160 texts cannot show more
    found = model.tensors({"text": np.array([OTHER["billing; invoices"]], dtype=object)})
    assert found["label"].tolist() == ["billing; invoices"]
    assert found["probabilities"].shape == (1, 3)
    with pytest.raises(Unusable, match="no value for 'text'"):
        model.rows([{"txt": "x"}])


def test_without_the_weights_it_learns_from_words_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(texts, "_embedder", lambda: (None, "the weights are not installed"))
    write_table(tmp_path / "train.csv", ["text", "label"], rows(160))
    texts.train({"task": "text-classification", "label": "label", "text": "text"}, tmp_path, tmp_path)
    assert "without vectors, by words alone: the weights are not installed" in capsys.readouterr().out
    model = texts.TextModel.load(tmp_path)
    assert model.embedder == ""
    found = model.predict([text for text, _ in rows(40, 2)])
    assert (
        np.mean([model.classes[i] == label for i, (_, label) in zip(found.argmax(1), rows(40, 2), strict=True)]) > 0.9
    )
    told = json.loads((tmp_path / "text.json").read_text())
    (tmp_path / "text.json").write_text(json.dumps({**told, "embedder": "all-MiniLM-L6-v2@53aa51172d14/fp32"}))
    with pytest.raises(MissingExtra, match="trained on vectors of all-MiniLM"):
        texts.TextModel.load(tmp_path)


def test_labels_and_columns_that_cannot_be_learned_from_end_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_table(tmp_path / "in" / "train.csv", ["text", "label"], [["a", "x"], ["b", "x"]])
    assert "nothing to tell apart" in step(tmp_path, "train").stderr
    assert "there is no column 'body'; columns: text, label" in step(tmp_path, "train", text="body").stderr
    write_table(tmp_path / "in" / "train.csv", ["text", "label"], [[str(n), str(n)] for n in range(600)])
    assert "600 different values" in step(tmp_path, "train").stderr


def test_classes_with_one_text_each_and_empty_texts_are_no_trouble(tmp_path: Path) -> None:
    write_table(tmp_path / "train.csv", ["text", "label"], [["alpha", "a"], ["", "b"], ["gamma delta", "c"]])
    texts.train({"task": "text-classification", "label": "label", "text": "text"}, tmp_path, tmp_path)
    found = texts.TextModel.load(tmp_path).predict(["alpha", ""])
    assert found.shape == (2, 3)
    assert np.isfinite(found).all()


def test_the_fit_is_that_of_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(300, 6)), rng.integers(0, 3, 300)
    y[x[:, 0] > 0.5] = 1
    mine = fit(Rows(x, None), y, 3, 2.0, np.ones(300))
    its = linear.LogisticRegression(C=2.0, tol=1e-9, max_iter=1000).fit(x, y).predict_proba(x)
    assert softmax(Rows(x, None).times(mine)) == pytest.approx(its, abs=2e-4)


def test_sparse_rows_multiply_as_dense_ones_and_empty_rows_are_zero() -> None:
    rng = np.random.default_rng(5)
    dense = rng.random((7, 5)) * (rng.random((7, 5)) < 0.4)
    dense[2] = dense[6] = 0
    counts = (dense != 0).sum(axis=1)
    made = Sparse(dense[dense != 0], np.nonzero(dense)[1], np.concatenate([[0], np.cumsum(counts)]), 5)
    weights = rng.random((5, 3))
    assert made.times(weights) == pytest.approx(dense @ weights)
    assert made.turned().times(rng.random((7, 2))).shape == (5, 2)
    back = rng.random((7, 2))
    assert made.turned().times(back) == pytest.approx(dense.T @ back)
    some = np.array([6, 0, 2, 5])
    assert made.only(some).times(weights) == pytest.approx(dense[some] @ weights)


def test_a_temperature_makes_chances_that_are_too_sure_honest_again() -> None:
    rng = np.random.default_rng(6)
    logits = rng.normal(size=(4000, 3)) * 1.5
    y = np.array([rng.choice(3, p=row) for row in softmax(logits)])
    temperature, loss = cooled(logits * 3, y)
    assert temperature == pytest.approx(3, rel=0.1)
    assert loss == pytest.approx(float(-np.log(softmax(logits)[np.arange(4000), y]).mean()), abs=0.01)


def test_noise_gets_a_strong_penalty_and_no_false_certainty() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(400, 60)), rng.integers(0, 2, 400)
    found = choose(Rows(x, None), y, 2, np.ones(400), folds_of(y, 5))
    assert found.loss == pytest.approx(np.log(2), abs=0.02)


def test_a_vocabulary_drops_words_of_one_text_and_gives_rows_of_length_one() -> None:
    made = Vocabulary.of(["red pump", "red valve", "blue pump"])
    rows_ = made.rows(["red pump", "green", "PUMP pump"])
    assert len(made.hashes) == 2
    assert np.diff(rows_.starts).tolist() == [2, 0, 1]
    assert rows_.values[:2] @ rows_.values[:2] == pytest.approx(1)


def test_a_text_column_goes_with_its_task() -> None:
    from colonnade.app.settings.models import Model

    with pytest.raises(ValueError, match="go together"):
        Model.model_validate({"data": "d", "label": "y", "train": "builtin", "task": "text-classification"})
    with pytest.raises(ValueError, match="go together"):
        Model.model_validate({"data": "d", "label": "y", "train": "builtin", "task": "regression", "text": "t"})
