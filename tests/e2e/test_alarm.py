# SPDX-License-Identifier: Apache-2.0
"""Nobody at the keyboard: what is served goes wrong, an alarm rings, the model is trained anew on the time since,
passes its gates and is tried. Real processes, the real command line.
"""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from colonnade.testing.project import Project, until
from scripts.make_credit import HEADER, HOME, batch

pytestmark = pytest.mark.slow
WORDS = {"customer", "group", "region"}
SMALL = {"income", "debt"}
Labels = list[dict[str, Any]]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.copy_of(HOME.parent, tmp_path / "credit")
    declaration = made.folder / "colonnade.yaml"
    text = declaration.read_text().replace("    watch: true\n", "")
    text = text.replace("    parameters:", "    retrain: {cooldown: 2s, rows: 500}\n    parameters:")
    declaration.write_text(text + "\ngateway: {port: 0}\n")
    yield made
    made.down()


class Caller:
    """The owner, over HTTP."""

    def __init__(self, project: Project) -> None:
        self.key, self._address = project.token, project.url.removeprefix("http://")

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and JSON."""
        with contextlib.closing(http.client.HTTPConnection(self._address, timeout=40)) as connection:
            connection.request("POST", path, json.dumps(body), {"authorization": f"Bearer {self.key}"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def ask(self, rows: Sequence[Sequence[str]]) -> Labels:
        """A request for each row; its truth, as it may be told later."""
        labels = []
        for row in rows:
            status, answer = self.post("/v1/predict", {"service": "credit", "rows": [_typed(row)]})
            assert status == 200, answer
            labels.append({"ref": answer["ref"], "label": int(row[-1])})
        return labels

    def tell(self, labels: Labels) -> Any:
        """Truths; what became of them."""
        status, told = self.post("/v1/labels", {"service": "credit", "labels": labels})
        assert status == 200, told
        return told


def _typed(row: Sequence[str]) -> dict[str, Any]:
    given = dict(zip(HEADER, row, strict=True))
    return {
        name: value if name in WORDS else float(value) if name in SMALL else int(value)
        for name, value in given.items()
        if name != "default"
    }


def known(days: range) -> list[list[str]]:
    """People who ask on these days, with what became of them."""
    return batch(days, known_on=10**6)


def test_what_is_served_goes_wrong_and_the_model_renews_itself(project: Project) -> None:
    project.up()
    caller = Caller(project)
    good = caller.ask(known(range(185, 225)))
    told = caller.tell(good)
    assert (told["count"], told["unknown"]) == (len(good), 0)
    assert caller.tell(good)["same"] == len(good)
    assert project.status()["alarms"] == []

    days = iter(range(245, 345, 4))
    while not project.now()["alarms"]:
        day = next(days)
        caller.tell(caller.ask(known(range(day, day + 4))))
    alarm = project.status()["alarms"][0]
    assert (alarm["code"], alarm["service"]) == ("alarm_wrong", "credit")
    assert alarm["observed"] > alarm["tolerated"]
    assert "alarm service/credit: wrong answers" in project.run("status").out

    def newest() -> Any:
        return project.now()["models"]["credit"]["history"][0]

    while newest()["alarm"] is None:
        day = next(days)
        caller.tell(caller.ask(known(range(day, day + 4))))
    until(lambda: newest()["decision"], 60)
    candidate = newest()
    assert candidate["trigger"].startswith("alarm: wrong answers")
    assert (candidate["alarm"], candidate["outcome"]) == (alarm["ref"], "running")
    assert next(gate for gate in candidate["gates"] if gate["metric"] == "brier")["high"] < 0
    found = project.run("why", candidate["ref"], "--json").json
    assert {"alarm", "run"} <= {node["kind"] for node in found["nodes"]}

    asked = project.run("why", good[0]["ref"], "--json").json
    assert asked["request"]["truths"] == [{"row": 0, "label": good[0]["label"]}]
    assert {"request", "service", "capture", "model", "decision", "run", "lease", "dataset", "step"} <= {
        node["kind"] for node in asked["nodes"]
    }
    nothing = project.run("why", "request/" + "0" * 24)
    assert (nothing.code, "not among the requests that are kept" in nothing.err) == (2, True)

    project.kill()
    project.up()
    assert project.run("why", good[0]["ref"], "--json").json["request"]["service"] == "credit"
    assert Caller(project).tell(good)["same"] == len(good)


def test_labels_that_come_with_new_data_find_their_predictions_and_a_key_without_the_right_may_not_tell(
    project: Project,
) -> None:
    project.up()
    caller = Caller(project)
    rows = known(range(182, 190))
    asked = caller.ask(rows)
    lines = [",".join(HEADER), *(",".join(row) for row in rows)]
    (project.folder / "data" / "2025-q3.csv").write_text("\n".join(lines) + "\n")

    def joined() -> bool:
        return bool(project.run("why", asked[-1]["ref"], "--json").json["request"]["truths"])

    until(joined, 60)
    assert project.run("why", asked[0]["ref"], "--json").json["request"]["truths"][0]["label"] == str(asked[0]["label"])

    truths = project.folder / "truths.csv"
    truths.write_text("\n".join(["ref,label", *(f"{one['ref']},{one['label']}" for one in asked), "request/none,1"]))
    told = project.run("label", "credit", str(truths), "--json")
    assert (told.code, told.json["same"], told.json["unknown"]) == (1, len(asked), 1)
    assert project.run("label", "credit", str(project.folder / "data" / "2025-q3.csv")).code == 2

    key = project.run("keys", "create", "app", "--for", "anna", "--json").json["key"]
    caller.key = key
    status, said = caller.post("/v1/labels", {"service": "credit", "labels": asked[:1]})
    assert (status, said["error"]["code"]) == (403, "refused")
    assert caller.post("/v1/labels", {"service": "nobody", "labels": asked[:1]})[0] == 404
    assert caller.post("/v1/labels", {"service": "credit", "labels": []})[0] == 400
