# SPDX-License-Identifier: Apache-2.0
"""Models that answer: real processes, the real gateway, through kills, new versions and roll backs under load."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from colonnade.testing.project import until
from tests.serving.served_project import Served

pytestmark = pytest.mark.slow
Make = Callable[..., Served]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A served project that is up and answers."""
    made: list[Served] = []

    def up(**options: Any) -> Served:
        made.append(Served.make(tmp_path, **options))
        made[0].up()
        return made[0]

    yield up
    for project in made:
        project.end()


class Load:
    """Requests one after another in threads, each on one connection; what they got is counted."""

    def __init__(self, project: Served, threads: int = 2) -> None:
        self.got: Counter[tuple[int, Any]] = Counter()
        self._project, self._stop = project, threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._project.url.removeprefix("http://"), timeout=40)
        body = json.dumps({"rows": [{"a": 10, "b": 1}]})
        headers = {"authorization": f"Bearer {self._project.token}"}
        while not self._stop.is_set():
            connection.request("POST", "/v1/predict", body, headers)
            response = connection.getresponse()
            data = json.loads(response.read())
            self.got[response.status, str(data.get("predictions", data))] += 1
            self._stop.wait(0.004)
        connection.close()

    def stop(self) -> Counter[tuple[int, Any]]:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.got


def test_an_onnx_model_answers_rolls_over_and_back_under_load_and_survives_kills(make: Make) -> None:
    project = make()
    service = project.service()
    assert (service["state"], service["model"]) == ("ready", "credit")
    status, headers, body = project.call("POST", "/v1/predict", {"rows": [{"a": 3, "b": 1}, {"b": 0, "a": 1}]})
    assert (status, body["predictions"]) == (200, [7.0, 2.0])
    assert headers["x-colonnade-version"] == body["version"] == service["version"]
    assert headers["x-request-id"] == body["ref"]
    first = body["version"]

    load = Load(project)
    project.slope(3)
    second = project.live(3)
    assert second != first
    done = project.run("rollback", "service/credit", "--json")
    assert done.code == 0, done.err
    assert (done.json["from"], done.json["version"]) == (second, first)
    assert done.json["took_ms"] < 1000
    assert project.predict({"a": 10, "b": 1})[1:] == ([21.0], first)
    os.kill(project.replicas()[0], signal.SIGKILL)
    os.kill(project.replicas()[-1], signal.SIGKILL)
    for _ in range(20):
        assert project.predict({"a": 10, "b": 1}) == (200, [21.0], first)
    got = load.stop()
    assert set(got) == {(200, "[21.0]"), (200, "[31.0]")}, got
    assert project.run("rollback", "service/credit").code == 2
    assert project.run("rollback", "model/credit", "--to", second[7:15]).code == 0
    assert project.predict({"a": 10, "b": 1})[1:] == ([31.0], second)
    why = project.run("why", "model/credit", "--json").json
    assert {edge["role"] for node in why["nodes"] for edge in node["edges"]} >= {"model", "decided_by"}

    until(lambda: project.service()["state"] == "ready", 60)
    pids = set(project.replicas())
    project.kill()
    project.up()
    assert set(project.replicas()) <= pids
    assert project.predict({"a": 10, "b": 1})[1:] == ([31.0], second)


def test_a_users_script_answers_refuses_what_is_too_much_and_survives_a_request_that_kills_it(make: Make) -> None:
    project = make(script=True, more=", limit: 4")
    assert project.predict({"a": 3, "b": 1}) == (200, [7.0], project.service()["version"])
    status, error, _ = project.predict({"a": 3})
    assert (status, error["code"]) == (500, "model_failed")
    assert project.call("POST", "/v1/predict", {"rows": 3})[0] == 400
    assert project.call("POST", "/v1/predict", {"rows": [], "service": "nobody"})[0] == 404
    assert project.call("POST", "/v1/predict", {"rows": []}, key="")[0] == 401
    assert project.call("GET", "/v2/health/ready", key="")[2] == {"ready": True}

    answers: list[tuple[int, dict[str, str]]] = []

    def ask() -> None:
        status, headers, _ = project.call("POST", "/v1/predict", {"rows": [{"a": 1, "b": 1, "sleep": 0.3}]})
        answers.append((status, headers))

    threads = [threading.Thread(target=ask) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = Counter(status for status, _ in answers)
    assert set(statuses) == {200, 429}
    assert statuses[200] >= 4
    assert all(headers["retry-after"] == "1" for status, headers in answers if status == 429)

    status, error, _ = project.predict({"a": 1, "b": 1, "die": True})
    assert (status, error["code"]) == (503, "service_unready")
    until(lambda: project.predict({"a": 3, "b": 1})[0] == 200, 60)

    project.write("rows.csv", "a,b\n1,2\n3,4\n")
    done = project.run("predict", "credit", str(project.folder / "rows.csv"), "--json")
    assert done.json["predictions"] == [4.0, 10.0]


def test_a_model_that_holds_a_foreign_global_is_never_loaded(tmp_path: Path, make: Make) -> None:
    project = Served.make(tmp_path, script=True)
    sentinel = tmp_path / "executed"
    project.write(
        "train.py",
        "import os, pickle\n"
        "class Bad:\n"
        f"    def __reduce__(self): return (os.system, ('touch {sentinel}',))\n"
        "pickle.dump(Bad(), open(os.environ['COLONNADE_OUTPUT'] + '/model.pkl', 'wb'))\n",
    )
    declared = (tmp_path / "colonnade.yaml").read_text()
    project.write("colonnade.yaml", declared.partition("services:")[0])
    try:
        project.up()
        project.write("colonnade.yaml", declared)
        done = project.run("up", "--detach", "--json")
        assert done.code == 3, done.out + done.err
        assert done.json["error"]["code"] == "unsafe_pickle"
    finally:
        project.down()
    done = project.run("up", "--detach", "--port", "0")
    assert done.code == 3, done.err
    assert not sentinel.exists()


def test_up_says_that_a_service_has_nothing_but_a_model_that_may_not_be_loaded_until_its_script_is_mended(
    tmp_path: Path,
) -> None:
    project, sentinel = Served.make(tmp_path, script=True), tmp_path / "executed"
    good = (tmp_path / "train.py").read_text()
    project.write(
        "train.py",
        "import os, pickle\n"
        "class Bad:\n"
        f"    def __reduce__(self): return (os.system, ('touch {sentinel}',))\n"
        "pickle.dump(Bad(), open(os.environ['COLONNADE_OUTPUT'] + '/model.pkl', 'wb'))\n",
    )
    try:
        assert project.run("up", "--detach", "--port", "0").code == 0, "nobody knows yet"
        until(lambda: [one["outcome"] for one in project.now()["models"]["credit"]["history"]] == ["refused"], 30)
        done = project.run("up", "--detach", "--json")
        assert (done.code, done.json["error"]["code"]) == (3, "unsafe_pickle")
        assert project.now()["daemon"] == "running"
        project.write("train.py", good)
        until(lambda: project.now()["models"]["credit"]["live"], 30)
        assert project.run("up", "--detach").code == 0
    finally:
        project.down()
    assert not sentinel.exists()


def test_a_candidate_that_may_not_be_loaded_is_refused_and_another_script_answers_without_a_failed_request(
    make: Make,
) -> None:
    project = make(script=True)
    first = project.service()["version"]
    train = (project.folder / "train.py").read_text()
    project.write(
        "train.py",
        train + "import pickle\npickle.dump(print, open(os.environ['COLONNADE_OUTPUT'] + '/more.pkl', 'wb'))\n",
    )
    until(lambda: project.now()["models"]["credit"]["history"][0]["outcome"] == "refused", 30)
    newest = project.status()["models"]["credit"]["history"][0]
    assert newest["reason"].startswith("unsafe_pickle: more.pkl")
    assert newest["decision"]
    assert project.predict({"a": 10, "b": 1}) == (200, [21.0], first)

    load = Load(project, threads=1)
    serve = (project.folder / "serve.py").read_text()
    project.write("serve.py", serve.replace("model * row", "-model * row"))
    until(lambda: project.predict({"a": 10, "b": 1})[1] == [-19.0], 60)
    until(lambda: len(load.got) > 1, 60)  # those who ask all the time have seen it, too
    got = load.stop()
    assert set(got) == {(200, "[21.0]"), (200, "[-19.0]")}, got


def test_down_after_a_kill_of_the_daemon_ends_its_replicas(make: Make) -> None:
    project = make()
    pids = project.replicas()
    project.kill()
    assert all(psutil.pid_exists(pid) for pid in pids)
    done = project.run("down", "--json")
    assert done.code == 0, done.err
    assert done.json["swept"] >= 1
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids), 30)
