# SPDX-License-Identifier: Apache-2.0
"""Models in their libraries' own files behind the real gateway: by JSON and by the official client; shares of one
device; more replicas under load."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colonnade.testing.project import until
from tests.serving.format_cases import CASES, Case
from tests.serving.served_project import EVALUATE, Served

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).parents[1] / "gateway/scripts/triton_tables.py"
FORMATS = ("lightgbm_words", "xgboost_many", "skops_pipeline", "pickle_numbers")
COPY = """\
import os, shutil
shutil.copytree({folder!r}, os.environ["COLONNADE_OUTPUT"], dirs_exist_ok=True)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Served]:
    """Not up yet: the test writes the declaration."""
    made = Served.make(tmp_path, script=True)
    yield made
    made.end()


def declared(names: tuple[str, ...], service: str = "{model: NAME}", more: str = "") -> str:
    models = "".join(
        f"  {n}: {{data: ./d.csv, label: y, train: ./train_{n}.py, evaluate: ./evaluate.py}}\n" for n in names
    )
    services = "".join(f"  {name}: {service.replace('NAME', name)}\n" for name in names)
    return f"version: 1\nproject: served\n{more}models:\n{models}services:\n{services}"


def test_files_of_four_libraries_answer_as_the_libraries_do(
    project: Served, client_python: Callable[[str], Path]
) -> None:
    cases: dict[str, Case] = {}
    for name in FORMATS:
        folder = project.folder / "made" / name
        folder.mkdir(parents=True)
        cases[name] = CASES[name](folder)
        project.write(f"train_{name}.py", COPY.format(folder=str(folder)))
    project.write("evaluate.py", EVALUATE)
    project.write("d.csv", "a,y\n" + "".join(f"{number},1\n" for number in range(60)))
    project.write("colonnade.yaml", declared(FORMATS))
    project.up()
    until(lambda: all(one["state"] == "ready" for one in project.now()["services"].values()), 60, 0.2)

    for name, case in cases.items():
        status, _, body = project.call("POST", "/v1/predict", {"service": name, "rows": case.asked()})
        assert status == 200, body
        expected = case.expected()
        if case.labels is None:
            np.testing.assert_allclose(body["predictions"], expected, rtol=1e-6)
        else:
            assert [one["label"] for one in body["predictions"]] == [one["label"] for one in expected]
    status, _, body = project.call(
        "POST", "/v1/predict", {"service": "lightgbm_words", "rows": [{"age": 1, "Income": 2}]}
    )
    assert (status, body["error"]["code"]) == (400, "invalid_value")
    assert "'income', 'debt'; is it 'Income'?" in body["error"]["message"]

    told = {name: (case.names or [], case.rows) for name, case in cases.items()}
    python = client_python("triton2")
    done = subprocess.run(
        [str(python), str(SCRIPT), project.url, project.token, json.dumps(told)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    for name, case in cases.items():
        for way in ("binary", "json"):
            found = seen[f"{name}/{way}"]
            if case.labels is None:
                np.testing.assert_allclose(found["predictions"], case.numbers, rtol=1e-6)
            else:
                assert found["label"] == list(case.labels)
                np.testing.assert_allclose(found["probabilities"], case.shares, rtol=1e-6)
    assert seen["skops_pipeline/platform"] == "sklearn_skops"


def test_replicas_share_one_device_by_fractions_and_grow_with_the_load(project: Served) -> None:
    project.write("train_credit.py", (project.folder / "train.py").read_text())
    project.write("d.csv", "slope,a,y\n" + "".join(f"2,{number},1\n" for number in range(60)))
    service = (
        "{model: NAME, serve: ./serve.py, replicas: {min: 2, max: 3, waiting: 1}, gpu: 0.25, gpu_memory: 4GiB, "
        "cpu: 1, queue: online}"
    )
    more = "compute: {devices: 'simulated://1xH100-80GB', queues: {online: {guaranteed: 1}}}\n"
    project.write("colonnade.yaml", declared(("credit",), service, more))
    project.up()
    until(lambda: project.predict({"a": 1, "b": 1})[0] == 200, 30, 0.1)
    got: Counter[int] = Counter()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            got[project.call("POST", "/v1/predict", {"rows": [{"a": 1, "b": 1, "sleep": 0.1}]})[0]] += 1

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: sum(one["state"] == "ready" for one in project.service()["replicas"]) == 3, 40, 0.2)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(got) == {200}, got
    told: Any = project.run("gpu", "--json").json
    leases = [one for one in told["leases"] if one["state"] == "held"]
    assert [one["gpu_milli"] for one in leases] == [250] * 3
    assert len({str(one["device"]) for one in leases}) == 1
    assert told["devices"][0]["used_milli"] == 750
