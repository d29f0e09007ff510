# SPDX-License-Identifier: Apache-2.0
"""A copy of `examples/credit` under load: a version that fails, a good one, a roll back by hand, a killed daemon."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colonnade.testing.project import Project, until
from scripts.make_credit import HOME, batch, write

pytestmark = pytest.mark.slow
ROW = {"age": 41, "income": 38.0, "debt": 3.0, "months_employed": 60, "late_before": 0, "region": "north"}
ROLLOUT = "{shadow: 1500, canary: [5, 25, 100], stage_requests: 300, quiet_s: 3, rehearse: 400}"
FAULT = """
    if any(row.get("number", 999) % 1000 < 1000 * float(model["fails"]) for row in rows):
        raise RuntimeError("a fault that no gate sees")
    if random.random() < float(model["slow"]):
        time.sleep(0.1)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """The example, whose model can be told to fail when it is served."""
    made = Project.copy_of(HOME.parent, tmp_path / "credit")
    train, serve, declared = (made.folder / name for name in ("train.py", "serve.py", "colonnade.yaml"))
    train.write_text(
        train.read_text().replace(
            "with open(", 'model |= {name: float(parameters()[name]) for name in ("fails", "slow")}\nwith open(', 1
        )
    )
    text = serve.read_text().replace("import json\n", "import json\nimport random\nimport time\n")
    serve.write_text(text.replace("def predict(model, rows):\n", f"def predict(model, rows):{FAULT}", 1))
    text = declared.read_text().partition("services:")[0]
    text = text.replace("parameters: {", "parameters: {fails: 0.0, slow: 0.0, ")
    declared.write_text(
        f"{text}services:\n  credit: {{model: credit, serve: serve.py, rollout: {ROLLOUT}}}\ngateway: {{port: 0}}\n"
    )
    yield made
    made.down()


class Load:
    """Some 200 requests a second, of 400 customers; statuses and versions are counted."""

    def __init__(self, project: Project, threads: int = 4, per_s: float = 200.0) -> None:
        self.got: Counter[tuple[int, str]] = Counter()
        self.versions: dict[str, list[str]] = {}
        self._project, self._pause, self._stop = project, threads / per_s, threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(threads)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        connection = http.client.HTTPConnection(self._project.url.removeprefix("http://"), timeout=40)
        due, count = time.monotonic(), 0
        while not self._stop.is_set():
            customer = f"customer-{number}-{count % 100}"
            headers = {"authorization": f"Bearer {self._project.token}", "x-colonnade-key": customer}
            connection.request("POST", "/v1/predict", json.dumps({"rows": [{**ROW, "number": 37 * count}]}), headers)
            response = connection.getresponse()
            response.read()
            version = response.getheader("x-colonnade-version") or ""
            self.got[response.status, version] += 1
            seen = self.versions.setdefault(customer, [version])
            if seen[-1] != version:
                seen.append(version)
            count, due = count + 1, due + self._pause
            self._stop.wait(max(0.0, due - time.monotonic()))
        connection.close()

    def stop(self) -> Counter[tuple[int, str]]:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        return self.got


def credit(project: Project) -> Any:
    return project.now()["models"]["credit"]


def newest(project: Project) -> Any:
    return credit(project)["history"][0]


def settled(project: Project, pipelines: int, seconds: float = 120) -> Any:
    """The newest of so many pipelines, once it is over."""

    def over() -> bool:
        history = credit(project)["history"]
        return len(history) >= pipelines and history[0]["outcome"] != "running"

    until(over, seconds, 0.2)
    return newest(project)


def declare(project: Project, **changed: str) -> None:
    declared = project.folder / "colonnade.yaml"
    text = declared.read_text()
    for old, new in changed.items():
        text = text.replace(old, new)
    declared.write_text(text)
    done = project.run("up", "--detach")
    assert done.code == 0, done.err


def test_versions_are_tried_under_load_and_a_bad_one_goes_back_before_many_have_seen_it(project: Project) -> None:
    project.up()
    first = credit(project)["live"]["version"]

    load = Load(project)
    write(project.folder / "data" / "2025-q3.csv", batch(range(180, 270), known_on=300))
    good = settled(project, 2)
    got = load.stop()
    assert (good["trigger"], good["outcome"]) == ("new data", "promoted"), good["reason"]
    second = credit(project)["live"]["version"]
    assert second == good["version"] != first
    assert 0.1 < good["exposure"] < 0.9
    assert {status for status, _ in got} == {200}
    assert {version for _, version in got} == {first, second}
    assert all(versions in ([first], [second], [first, second]) for versions in load.versions.values())

    load = Load(project)
    declare(project, **{"slow: 0.0": "slow: 0.05"})
    slow = settled(project, 3)
    assert (slow["outcome"], credit(project)["live"]["version"]) == ("rolled_back", second)
    assert slow["reason"].startswith("slow: ")
    assert slow["exposure"] <= 0.05

    declare(project, **{"fails: 0.0": "fails: 0.02", "slow: 0.05": "slow: 0.0"})
    bad = settled(project, 4)
    got = load.stop()
    assert (bad["outcome"], credit(project)["live"]["version"]) == ("rolled_back", second)
    assert bad["reason"].startswith("errors: ")
    assert bad["exposure"] <= 0.05
    assert bad["exposed"] == bad["rollout"]["exposed"]
    assert {status for status, _ in got} == {200}, "the live version answered wherever the tried one had failed"
    why = project.run("why", "model/credit", "--json").json
    node = next(one for one in why["nodes"] if one["ref"] == bad["rollout"]["ref"])
    assert node["told"]["reason"] == bad["reason"]
    assert {edge["role"] for edge in node["edges"]} == {"on", "by", "decided_by", "model"}
    run = project.run("logs", bad["ref"], "--json").json
    assert (run["outcome"], run["exit_code"]) == ("rolled_back", 3)
    assert run["rollout"]["moves"][0]["state"] == "shadow"
    assert "rolled back" in project.run("status").out


def test_by_hand_through_a_killed_daemon_and_without_anybody_asking(project: Project) -> None:
    project.up()
    first = credit(project)["live"]["version"]
    write(project.folder / "data" / "2025-q3.csv", batch(range(180, 270), known_on=300))
    quiet = settled(project, 2, 60)
    assert (quiet["outcome"], quiet["exposed"]) == ("promoted", 0)
    assert quiet["rollout"]["reason"].startswith("nobody asked; ")
    assert quiet["rollout"]["rehearsed"] > 300
    second = credit(project)["live"]["version"]
    assert second != first

    declare(project, **{"ridge: 1.0": "ridge: 2.0", "quiet_s: 3": "quiet_s: 60"})
    load = Load(project)
    until(lambda: (newest(project)["rollout"] or {}).get("share") == 0.25, 60, 0.1)
    got = load.stop()
    before = newest(project)["rollout"]
    project.kill()
    project.up(ready=0)
    after = newest(project)["rollout"]
    assert (after["ref"], after["stage"]) == (before["ref"], before["stage"])
    assert after["requests"] >= before["requests"] - 400  # at most a second of evidence
    load = Load(project)
    until(lambda: len({version for _, version in load.got}) == 2, 60, 0.05)
    done = project.run("rollback", "service/credit", "--json")
    assert (done.code, done.json["version"]) == (0, second), done.err
    assert done.json["took_ms"] < 1000
    at = sum(load.got.values())
    until(lambda: sum(load.got.values()) > at + 100, 30)
    got = load.stop()
    assert {status for status, _ in got} == {200}
    ended = newest(project)
    assert (ended["outcome"], ended["reason"], ended["exposed"] > 0) == ("rolled_back", "rolled back by hand", True)
    assert credit(project)["live"]["version"] == second


def test_a_changed_serving_script_is_tried_like_a_changed_model_and_goes_back_when_it_fails(project: Project) -> None:
    project.up()
    until(lambda: project.now()["models"]["credit"]["state"] == "ready", 60)
    first = credit(project)["live"]["version"]
    serve = project.folder / "serve.py"
    good = serve.read_text()

    def serving_code_is(outcome: str) -> bool:
        found = newest(project)
        return (found["trigger"], found["outcome"]) == ("changed serving code", outcome)

    broken = "def predict(model, rows):\n    raise KeyError(1)\n"
    serve.write_text(good.replace("def predict(model, rows):\n", broken))
    until(lambda: serving_code_is("rolled_back"), 60)
    assert credit(project)["live"]["version"] == first
    assert newest(project)["exposure"] == 0
    assert "error" in newest(project)["reason"]
    rows = project.write("rows.json", json.dumps([ROW]))
    assert project.run("predict", "credit", str(rows)).code == 0

    serve.write_text(good + "\n# another line\n")
    until(lambda: serving_code_is("promoted"), 60)
    live = credit(project)["live"]
    assert live["version"] != first
    assert project.run("rollback", "service/credit").code == 0
    assert credit(project)["live"]["version"] == first
