# SPDX-License-Identifier: Apache-2.0
"""Small models in every format that a replica serves, each with what its own library says of the same rows; and a real
replica process over a folder."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from colonnade.core.predicting import ROWS, SOCKET, TENSORS, Frames, Item, frame
from colonnade.lifecycle.serving.probe import probe
from colonnade.testing.project import until

NAMES = ["age", "income", "debt"]
CLASSES = ["no", "yes"]
RNG = np.random.default_rng(5)
X = np.round(RNG.normal(size=(150, 3)) * [10, 20, 3] + [40, 50, 2], 2)
CUT = X[:, 1] - 5 * X[:, 2]
Y2, Y3, YR = (CUT > 38).astype(int), np.digitize(CUT, [30, 50]), CUT + X[:, 0]
ASKED = X[:7]


@dataclass
class Case:
    """What is asked, and what the library itself says: labels, probabilities, or numbers."""

    names: Sequence[str] | None = None
    labels: Sequence[Any] | None = None
    shares: Any = None
    classes: Sequence[Any] = ()
    numbers: Any = None
    takes_nan: bool = False
    rows: list[Any] = field(default_factory=lambda: ASKED.tolist())
    script: str = ""
    output: str = "predictions"

    def asked(self) -> list[Any]:
        """JSON rows: objects where columns have names."""
        return [dict(zip(self.names, row, strict=True)) for row in self.rows] if self.names else self.rows

    def expected(self) -> list[Any]:
        """The values of those rows."""
        if self.labels is None:
            return list(np.asarray(self.numbers).tolist())
        if self.shares is None:
            return [{"label": label} for label in self.labels]
        names = [str(one) for one in self.classes]
        return [
            {"label": label, "probabilities": dict(zip(names, share, strict=True))}
            for label, share in zip(self.labels, np.asarray(self.shares).tolist(), strict=True)
        ]


def _of(shares: Any, classes: Sequence[Any]) -> dict[str, Any]:
    shares = np.asarray(shares)
    return {"labels": [classes[place] for place in shares.argmax(1)], "shares": shares, "classes": classes}


def _both(share: Any) -> Any:
    return np.column_stack([1 - share, share])


def lightgbm_binary(folder: Path) -> Case:
    import lightgbm

    fixed = {"verbosity": -1, "num_threads": 1, "objective": "binary"}
    booster = lightgbm.train(fixed, lightgbm.Dataset(X, Y2, feature_name=NAMES), 8)
    booster.save_model(str(folder / "model.txt"))
    return Case(NAMES, takes_nan=True, **_of(_both(booster.predict(ASKED)), [0, 1]))


def lightgbm_words(folder: Path) -> Case:
    """As the built-in training writes it: columns of words, classes by name."""
    import lightgbm

    words = np.where(X[:, 2] > 2, "much", "little")
    table = np.column_stack([X[:, :2], np.where(X[:, 2] > 2, 1.0, 0.0)])
    fixed = {"verbosity": -1, "num_threads": 1, "objective": "binary"}
    booster = lightgbm.train(fixed, lightgbm.Dataset(table, Y2, categorical_feature=[2]), 9)
    booster.save_model(str(folder / "model.txt"))
    columns = {"age": None, "income": None, "debt": ["little", "much"]}
    (folder / "scheme.json").write_text(json.dumps({"columns": columns, "classes": CLASSES}))
    rows = [[float(a), float(b), str(w)] for (a, b, _), w in zip(ASKED, words, strict=False)]
    return Case(NAMES, takes_nan=True, rows=rows, **_of(_both(booster.predict(table[:7])), CLASSES))


def lightgbm_many(folder: Path) -> Case:
    import lightgbm

    fixed = {"verbosity": -1, "num_threads": 1, "objective": "multiclass", "num_class": 3}
    booster = lightgbm.train(fixed, lightgbm.Dataset(X, Y3), 5)
    booster.save_model(str(folder / "model.txt"))
    return Case([f"Column_{n}" for n in range(3)], takes_nan=True, **_of(booster.predict(ASKED), [0, 1, 2]))


def lightgbm_numbers(folder: Path) -> Case:
    import lightgbm

    fixed = {"verbosity": -1, "num_threads": 1, "objective": "regression"}
    booster = lightgbm.train(fixed, lightgbm.Dataset(X, YR, feature_name=NAMES), 8)
    booster.save_model(str(folder / "model.txt"))
    return Case(NAMES, numbers=booster.predict(ASKED), takes_nan=True)


def xgboost_binary(folder: Path) -> Case:
    import xgboost

    data = xgboost.DMatrix(X, Y2, feature_names=NAMES)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 8)
    booster.save_model(str(folder / "model.json"))
    share = booster.predict(xgboost.DMatrix(ASKED, feature_names=NAMES))
    return Case(NAMES, takes_nan=True, **_of(_both(share), [0, 1]))


def xgboost_many(folder: Path) -> Case:
    """By its scikit-learn class with early stopping, and without names."""
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=60, learning_rate=0.9, early_stopping_rounds=2, n_jobs=1)
    model.fit(X[:100], Y3[:100], eval_set=[(X[100:], Y3[100:])], verbose=False)
    assert model.best_iteration < 58, "the best is not the last"
    model.save_model(str(folder / "model.ubj"))
    return Case(takes_nan=True, **_of(model.predict_proba(ASKED), [0, 1, 2]))


def xgboost_numbers(folder: Path) -> Case:
    import xgboost

    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(X, YR, feature_names=NAMES), 8)
    booster.save_model(str(folder / "model.json"))
    return Case(NAMES, numbers=booster.predict(xgboost.DMatrix(ASKED, feature_names=NAMES)), takes_nan=True)


def skops_pipeline(folder: Path) -> Case:
    import skops.io
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, np.array(CLASSES)[Y2])
    skops.io.dump(model, folder / "model.skops")
    (folder / "scheme.json").write_text(json.dumps({"columns": NAMES}))
    return Case(NAMES, **_of(model.predict_proba(ASKED), CLASSES))


def skops_svc(folder: Path) -> Case:
    """A classifier that knows no probabilities."""
    import skops.io
    from sklearn.svm import SVC

    model = SVC().fit(X, np.array(CLASSES)[Y2])
    skops.io.dump(model, folder / "model.skops")
    return Case(labels=model.predict(ASKED).tolist(), classes=CLASSES)


def skops_words(folder: Path) -> Case:
    """An encoder of words within a ColumnTransformer, columns by place."""
    import skops.io
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    words = np.where(X[:, 2] > 2, "much", "little")
    table = np.column_stack([X[:, :2].astype(object), words])
    turn = ColumnTransformer([("words", OneHotEncoder(), [2])], remainder="passthrough")
    model = make_pipeline(turn, LogisticRegression(max_iter=1000)).fit(table, Y2)
    skops.io.dump(model, folder / "model.skops")
    (folder / "scheme.json").write_text(json.dumps({"columns": NAMES}))
    rows = [[float(a), float(b), str(w)] for (a, b, _), w in zip(ASKED, words, strict=False)]
    return Case(NAMES, rows=rows, **_of(model.predict_proba(table[:7]), [0, 1]))


def joblib_forest(folder: Path) -> Case:
    import joblib  # type: ignore[import-untyped]
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(12, random_state=3, n_jobs=-1).fit(X, Y3)
    joblib.dump(model, folder / "model.joblib")
    return Case(takes_nan=True, **_of(model.predict_proba(ASKED), [0, 1, 2]))


def pickle_numbers(folder: Path) -> Case:
    import pickle

    from sklearn.linear_model import Ridge

    model = Ridge().fit(X, YR)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    return Case(numbers=model.predict(ASKED))


def pickle_texts(folder: Path) -> Case:
    import pickle

    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = ["good and warm", "cold and bad", "warm", "bad", "good", "cold"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["yes", "no"] * 3)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    return Case(["text"], rows=[[text] for text in texts], **_of(model.predict_proba(texts), CLASSES))


def onnx_linear(folder: Path) -> Case:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.array([[0.5], [-1.0], [2.0]], np.float32)
    one = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [one], [out],
                              [numpy_helper.from_array(weights, "w")])  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    helper.set_model_props(model, {"features": json.dumps(NAMES)})
    onnx.save(model, folder / "model.onnx")
    return Case(NAMES, numbers=(ASKED.astype(np.float32) @ weights)[:, 0], takes_nan=True, output="y")


SERVE = """\
import numpy as np
INPUTS = [{"name": "x", "datatype": "FP64", "shape": [-1, 3]}]

def build(tensors, folder):
    return tensors["w"].astype(np.float64), tensors["b"].astype(np.float64)

def predict(model, rows):
    return infer(model, {"x": np.array([[row["age"], row["income"], row["debt"]] for row in rows])})["predictions"]

def infer(model, tensors):
    return {"predictions": tensors["x"] @ model[0] + model[1]}
"""


def safetensors_class(folder: Path) -> Case:
    from safetensors.numpy import save_file

    weights, bias = np.array([0.25, -1.5, 3.0], np.float32), np.array([7.0], np.float16)
    save_file({"w": weights, "b": bias}, folder / "model.safetensors")
    return Case(NAMES, numbers=ASKED @ weights.astype(float) + 7, script=SERVE, takes_nan=True)


def torch_exported(folder: Path) -> Case:
    """Only where torch is."""
    import torch

    class Net(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(3, 1)

        def forward(self, x: Any) -> Any:
            return self.line(x)[:, 0]

    net, rows = Net().eval(), torch.tensor(ASKED, dtype=torch.float32)
    shapes = {"x": {0: torch.export.Dim("rows")}}
    torch.export.save(torch.export.export(net, (rows,), dynamic_shapes=shapes), folder / "model.pt2")
    (folder / "scheme.json").write_text(json.dumps({"columns": NAMES}))
    with torch.inference_mode():
        return Case(NAMES, numbers=net(rows).numpy(), takes_nan=True, output="output_0")


CASES: Mapping[str, Callable[[Path], Case]] = {
    make.__name__: make
    for make in (
        lightgbm_binary, lightgbm_words, lightgbm_many, lightgbm_numbers, xgboost_binary, xgboost_many, xgboost_numbers,
        skops_pipeline, skops_svc, skops_words, joblib_forest, pickle_numbers, pickle_texts, onnx_linear,
        safetensors_class, torch_exported,
    )
}  # fmt: skip


class Process:
    """A replica over a folder, with one connection."""

    def __init__(self, folder: Path, script: str = "", threads: int = 1) -> None:
        self.folder = folder
        (folder / "code").mkdir(exist_ok=True)
        (folder / "code/serve.py").write_text(script)
        told = {"service": "s", "model": "m", "version": "sha256:0", "script": "serve.py" if script else ""}
        (folder / "serve.json").write_text(json.dumps({**told, "threads": threads}))
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self.popen = subprocess.Popen(
            [sys.executable, "-P", "-m", "colonnade.app.wiring_replica", str(folder)],
            env=environment, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ready(self) -> Mapping[str, Any]:
        """What it says it is, once it answers."""
        until(lambda: (self.folder / SOCKET).exists() or self.popen.poll() is not None, 30, 0.02)
        assert self.popen.poll() is None, self.said()
        told = probe(self.folder)
        assert told is not None
        self._line = socket.socket(socket.AF_UNIX)
        folder = os.open(self.folder, os.O_PATH)
        self._line.connect(f"/proc/self/fd/{folder}/{SOCKET}")
        os.close(folder)
        self._line.settimeout(20)
        return told

    def ask(self, *items: Item) -> list[Item]:
        """One batch."""
        self._line.sendall(frame(items))
        frames = Frames()
        while data := self._line.recv(1 << 16):
            for answers in frames.feed(data):
                return answers
        raise AssertionError("the replica has gone")

    def rows(self, rows: Any) -> tuple[int, Any]:
        """Kind and value of one request of rows."""
        (found,) = self.ask(Item(ROWS, 0, json.dumps(rows).encode()))
        return found.kind, json.loads(found.data) if found.kind == 0 else found.data.decode()

    def infer(self, inputs: Sequence[Mapping[str, Any]]) -> tuple[int, Any]:
        """Kind and outputs by name (or the sentence) of one request of tensors."""
        (found,) = self.ask(Item(TENSORS, 0, json.dumps({"inputs": inputs}).encode()))
        if found.kind:
            return found.kind, found.data.decode()
        return 0, {one["name"]: one for one in json.loads(found.data)["outputs"]}

    def said(self) -> str:
        """What it said, once it has ended."""
        return self.popen.communicate(timeout=20)[1]

    def end(self) -> int:
        """SIGTERM; the exit status."""
        with contextlib.suppress(AttributeError):
            self._line.close()
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        with self.popen:
            return self.popen.wait(20)
