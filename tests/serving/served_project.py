# SPDX-License-Identifier: Apache-2.0
"""A project whose model is trained from two numbers in its data and served: as an ONNX graph, or by a script."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

from colonnade.testing.project import Project, until

DECLARATION = """\
version: 1
project: served
models:
  credit:
    data: ./data/*.csv
    label: y
    train: ./train.py
    evaluate: ./evaluate.py
services:
  credit: {{model: credit, rollout: none{more}}}
"""
ONNX = """\
import csv, json, os
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
rows = list(csv.DictReader(open(os.environ["COLONNADE_INPUT"] + "/train.csv")))
slope = float(rows[0]["slope"])
one = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
weights = numpy_helper.from_array(np.array([[slope], [1.0]], np.float32), "w")
graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [one], [out], [weights])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
model.ir_version = 8
helper.set_model_props(model, {"features": json.dumps(["a", "b"])})
onnx.save(model, os.environ["COLONNADE_OUTPUT"] + "/model.onnx")
"""
JSON = """\
import csv, json, os
rows = list(csv.DictReader(open(os.environ["COLONNADE_INPUT"] + "/train.csv")))
json.dump(float(rows[0]["slope"]), open(os.environ["COLONNADE_OUTPUT"] + "/model.json", "w"))
"""
EVALUATE = """\
import json, os
json.dump({"score": 1.0}, open(os.environ["COLONNADE_OUTPUT"] + "/metrics.json", "w"))
"""
SERVE = """\
import json, os, time

def load(folder):
    return json.load(open(os.path.join(folder, "model.json")))

def predict(model, rows):
    time.sleep(max((row.get("sleep", 0) for row in rows), default=0))
    if any(row.get("die") for row in rows):
        os._exit(9)
    return [model * row["a"] + row["b"] for row in rows]
"""


class Served(Project):
    """The project, with the few calls that these tests make."""

    @classmethod
    def make(cls, folder: Path, *, script: bool = False, more: str = "") -> Served:
        """Not up yet; the slope is 2."""
        more = f"{', serve: ./serve.py' if script else ''}{more}"
        (folder / "colonnade.yaml").write_text(DECLARATION.format(more=more))
        (folder / "train.py").write_text(JSON if script else ONNX)
        (folder / "evaluate.py").write_text(EVALUATE)
        (folder / "serve.py").write_text(SERVE)
        project = cls(folder)
        project.slope(2)
        return project

    def slope(self, slope: int) -> None:
        """Data from which another version is made."""
        rows = [f"{slope},{number},{number}" for number in range(60)]
        (self.folder / "data").mkdir(exist_ok=True)
        (self.folder / "data/one.csv").write_text("\n".join(["slope,a,y", *rows]) + "\n")

    def service(self) -> Any:
        return self.status()["services"]["credit"]

    def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, dict[str, str], Any]:
        """Status, headers, JSON of one request by the owner."""
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=40)
        with contextlib.closing(connection):
            data = None if body is None else json.dumps(body)
            given = {"authorization": f"Bearer {key or self.token}"} if key != "" else {}
            connection.request(method, path, data, given)
            response = connection.getresponse()
            text = response.read()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, json.loads(text)

    def predict(self, *rows: dict[str, Any]) -> tuple[int, Any, str]:
        """Status, predictions (or the error), version."""
        status, headers, body = self.call("POST", "/v1/predict", {"service": "credit", "rows": list(rows)})
        return status, body.get("predictions", body.get("error")), headers.get("x-colonnade-version", "")

    def replicas(self) -> list[int]:
        """Process ids of the replicas, from the leases."""
        state = sqlite3.connect(f"file:{self.home / 'state.db'}?mode=ro", uri=True)
        with contextlib.closing(state):
            rows = state.execute(
                "SELECT l.pid FROM replicas r JOIN leases l ON l.id = r.lease WHERE l.state <> 'ended' AND l.pid"
            ).fetchall()
        return [row[0] for row in rows]

    def live(self, slope: int, seconds: float = 60) -> str:
        """Wait until the version of that slope answers; its digest."""

        def answers() -> bool:
            status, got, _ = self.predict({"a": 10, "b": 1})
            return status == 200 and got == [10 * slope + 1]

        until(answers, seconds, 0.1)
        return self.predict({"a": 1, "b": 1})[2]

    def end(self) -> None:
        """Down; whatever is left is ended, and told."""
        pids = self.replicas() if (self.home / "state.db").exists() else []
        self.down()
        left = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left, "down left replicas behind"
