# SPDX-License-Identifier: Apache-2.0
"""Who may track, what browsers and strangers get, how wrong requests are answered."""

from __future__ import annotations

import http.client
import inspect
import json
import os
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import requests

from colonnade.app.tracking import Tracking
from colonnade.gateway.mlflow.routes import ROOT, ROUTES
from colonnade.testing.project import Project
from tests.tracking.conftest import Tracked, declared


def key_of(project: Project, person: str) -> str:
    made = project.run("keys", "create", f"{person}-{os.urandom(3).hex()}", "--for", person, "--json")
    assert made.code == 0, made.err
    return str(made.json["key"])


def error_of(response: requests.Response) -> tuple[int, str]:
    told = response.json()
    assert set(told) == {"error_code", "message"}
    return response.status_code, told["error_code"]


def test_every_field_of_a_request_is_a_parameter_of_the_operation_that_it_names(tracked: Tracked) -> None:
    from colonnade.app import tracking

    class Anything:
        def __getattr__(self, name: str) -> Any:
            raise AttributeError(name)

    rooms = {name: getattr(tracking, name) for name in
             ("Experiments", "Runs", "RunSearch", "Logging", "Listing", "Models", "Registry", "Versions")}  # fmt: skip
    plain, acted = tracking._operations(*rooms.values())
    assert not plain.keys() & acted.keys()
    for _, path, operation, kind, _ in ROUTES:
        call = {**plain, **acted}[operation or path]
        names = {one.name for one in msgspec.structs.fields(kind)} | set(_between(path))
        known = set(inspect.signature(call).parameters) - {"self", "actor"}
        assert names <= known, (path, names - known)


def _between(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def test_who_runs_the_daemon_needs_no_key_and_a_browser_page_never_goes_for_them(tracked: Tracked) -> None:
    assert tracked.post("experiments/search", {}).status_code == 200
    named = tracked.url.replace("127.0.0.1", "localhost")
    assert requests.post(f"{named}{ROOT}experiments/search", json={}, timeout=20).status_code == 200
    for headers in (
        {"origin": tracked.url},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"referer": f"{tracked.url}/"},
        {"cookie": "a=b"},
        {"user-agent": "Mozilla/5.0"},
        {"x-forwarded-for": "10.0.0.1"},
        {"via": "1.1 proxy"},
        {"forwarded": "for=10.0.0.1"},
    ):
        assert error_of(tracked.post("experiments/search", {}, **headers)) == (401, "UNAUTHENTICATED"), headers
    assert error_of(tracked.post("experiments/search", {}, origin="http://evil.test"))[0] == 403
    assert error_of(tracked.post("experiments/search", {}, host="evil.test"))[0] == 421


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_of_the_machine_is_nobody_without_a_key(tracked: Tracked) -> None:
    port = urlsplit(tracked.url).port
    program = (
        "import encodings.idna, http.client, os, sys; os.setuid(65534);"
        "c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]));"
        "c.request('POST', '/api/2.0/mlflow/experiments/search', '{}'); print(c.getresponse().status)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(port)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "401", done.stderr


def test_a_key_counts_as_bearer_and_as_password_and_a_wrong_one_never_falls_back(tracked: Tracked) -> None:
    key = key_of(tracked.project, "anna")
    url = f"{tracked.url}/api/2.0/mlflow/experiments/search"
    assert requests.post(url, json={}, headers={"authorization": f"Bearer {key}"}, timeout=20).status_code == 200
    assert requests.post(url, json={}, auth=("anyone", key), timeout=20).status_code == 200
    assert error_of(requests.post(url, json={}, auth=("anna", "no"), timeout=20)) == (401, "UNAUTHENTICATED")
    assert error_of(requests.post(url, json={}, headers={"authorization": "Bearer no"}, timeout=20))[0] == 401


def test_a_person_who_may_not_track_finds_nothing_and_changes_nothing(tracked: Tracked) -> None:
    before = tracked.post("experiments/search", {}).json()
    headers = {"authorization": f"Bearer {key_of(tracked.project, 'bert')}"}
    base = f"{tracked.url}/api/2.0"
    answers = [
        requests.get(f"{base}/mlflow/experiments/get", params={"experiment_id": "0"}, headers=headers, timeout=20),
        requests.get(f"{base}/mlflow/experiments/get", params={"experiment_id": "77"}, headers=headers, timeout=20),
        requests.post(f"{base}/mlflow/experiments/search", json={}, headers=headers, timeout=20),
        requests.post(f"{base}/mlflow/experiments/create", json={"name": "bert's"}, headers=headers, timeout=20),
        requests.put(f"{base}/mlflow-artifacts/artifacts/0/x/artifacts/a", data=b"a", headers=headers, timeout=20),
        requests.get(f"{base}/mlflow-artifacts/artifacts/0/x/artifacts/a", headers=headers, timeout=20),
        requests.get(f"{base}/mlflow-artifacts/artifacts", headers=headers, timeout=20),
    ]
    assert {(one.status_code, one.content) for one in answers} == {(404, answers[0].content)}
    assert error_of(answers[0]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert tracked.post("experiments/search", {}).json() == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/2.0/mlflow/model-versions/transition-stage"),
        ("POST", "/api/2.0/mlflow-artifacts/mpu/create/0/x"),
        ("GET", "/api/2.0/mlflow-artifacts/presigned/0/x"),
        ("POST", "/api/3.0/mlflow/traces"),
        ("PATCH", "/api/2.0/mlflow/traces/x/tags"),
        ("DELETE", "/api/3.0/mlflow/scorers/delete"),
        ("GET", "/ajax-api/2.0/mlflow/gateway-proxy"),
    ],
)
def test_what_is_not_served_answers_501_with_a_hint(tracked: Tracked, method: str, path: str) -> None:
    response = requests.request(method, tracked.url + path, timeout=20)
    assert error_of(response) == (501, "NOT_IMPLEMENTED")
    assert "track-with-mlflow.md" in response.json()["message"]


def test_the_ways_of_mlflows_own_pages_answer_like_those_of_its_clients(tracked: Tracked) -> None:
    run = tracked.post("runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    other = tracked.post("runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    points = [{"key": "m", "value": value, "timestamp": 1, "step": step} for value, step in ((1.5, 1), (2.5, 2))]
    for one in (run, other):
        assert tracked.post("runs/log-batch", {"run_id": one, "metrics": points}).status_code == 200
    url = f"{tracked.url}/ajax-api/2.0/mlflow/metrics/get-history-bulk"
    found = requests.get(url, params={"run_id": [run, other], "metric_key": "m"}, timeout=20).json()["metrics"]
    assert found == [{**point, "run_id": one} for one in sorted([run, other]) for point in points]
    assert requests.get(url, params={"metric_key": "m"}, timeout=20).status_code == 400
    points = [{"key": "n", "value": 1.0, "timestamp": 1, "step": step} for step in range(100)]
    assert tracked.post("runs/log-batch", {"run_id": run, "metrics": points}).status_code == 200
    asked: dict[str, Any] = {"run_ids": [run], "metric_key": "n", "start_step": 10, "end_step": 90, "max_results": 5}
    few = requests.get(f"{url}-interval", params=asked, timeout=20).json()["metrics"]
    assert [one["step"] for one in few] == [10, 30, 50, 70, 90]
    assert requests.get(f"{url}-interval", params={**asked, "end_step": 9}, timeout=20).status_code == 400
    assert requests.get(f"{tracked.url}/version", timeout=20).text == "3.17.2"
    assert requests.get(f"{tracked.url}/health", timeout=20).text == "OK"


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("experiments/create", {"name": 123}, "Invalid value 123 for parameter 'name' supplied"),
        ("experiments/create", {}, "Missing value for required parameter 'name'"),
        ("experiments/create", {"name": "x", "tags": "5"}, "Invalid value \"5\" for parameter 'tags' supplied"),
        ("runs/log-metric", {"run_id": 31, "key": "m", "value": 4, "timestamp": 5}, "value 31 for parameter 'run_id'"),
        ("runs/log-metric", {"run_id": None, "key": "m", "value": 4, "timestamp": 5}, "required parameter 'run_id'"),
        ("runs/log-metric", {"run_id": "x", "value": 4, "timestamp": 5}, "Missing value for required parameter 'key'"),
        ("runs/log-metric", {"run_id": "x", "key": "m", "timestamp": 5}, "value for required parameter 'value'"),
        ("runs/create", {"run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]}, "with different values"),
        ("runs/log-metric", {"run_id": "x", "key": "m", "value": 4, "timestamp": ""}, "\"\" for parameter 'timestamp'"),
        ("runs/log-metric", {"run_id": "x", "key": "m", "value": 4, "timestamp": -1}, "nonnegative"),
        ("runs/log-metric", {"run_id": "x", "key": "../m", "value": 4, "timestamp": 1}, "must not resolve to other"),
        ("runs/set-tag", {"run_id": "x", "key": "k", "value": 41}, "Invalid value 41 for parameter 'value' supplied"),
        ("runs/set-tag", {"run_id": "x", "value": "v"}, "Missing value for required parameter 'key'"),
        ("runs/log-batch", {"run_id": "x", "metrics": "foo"}, "Invalid value \"foo\" for parameter 'metrics' supplied"),
        ("runs/log-batch", {"run_id": "x", "metrics": [{"key": "mae", "value": 2.5}]},
         "Invalid value [{\"key\":\"mae\",\"value\":2.5}] for parameter 'metrics' supplied"),
        ("runs/log-batch", {"run_id": "x", "params": [{"key": str(n)} for n in range(101)]}, "at most 100 params"),
        ("runs/search", {"experiment_ids": ["0"], "max_results": 123456789}, "123456789 for parameter 'max_results'"),
        ("runs/search", {"experiment_ids": ["0"], "page_token": "xx"}, "Invalid page token"),
        ("runs/search", {"experiment_ids": ["a"]}, "Invalid experiment ID"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_told_what_is_wrong_in_mlflows_words(
    tracked: Tracked, path: str, body: Any, said: str
) -> None:
    response = tracked.post(path, body)
    assert error_of(response) == (400, "INVALID_PARAMETER_VALUE")
    assert said in response.json()["message"]


def test_numbers_may_come_as_words_and_nulls_count_as_absent(tracked: Tracked) -> None:
    run = tracked.post("runs/create", {"experiment_id": "0", "start_time": "12", "run_name": None}).json()["run"][
        "info"
    ]
    assert run["start_time"] == 12
    body = {"run_uuid": run["run_id"], "key": "m", "value": "NaN", "timestamp": "5", "step": None, "unknown": {}}
    assert tracked.post("runs/log-metric", body).json() == {}
    told = tracked.get("metrics/get-history", run_id=run["run_id"], metric_key="m").json()["metrics"]
    assert told == [{"key": "m", "value": "NaN", "timestamp": 5, "step": 0}]
    answer = requests.post(f"{tracked.url}{ROOT}runs/log-metric", data=b"{", timeout=20)
    assert error_of(answer) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "%2e%2e/x", "a/%252e%252e/x", "/", "a\\b", "C:/x", "a//b", "./a"]
)
def test_no_path_leaves_its_run(tracked: Tracked, path: str) -> None:
    run = tracked.post("runs/create", {"experiment_id": "0"}).json()["run"]["info"]
    below = f"/api/2.0/mlflow-artifacts/artifacts/0/{run['run_id']}/artifacts/"
    connection = http.client.HTTPConnection(urlsplit(tracked.url).netloc, timeout=20)
    connection.request("PUT", below + path, b"data")
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error_code"]) in {
        (400, "INVALID_PARAMETER_VALUE"),
        (404, "RESOURCE_DOES_NOT_EXIST"),
    }
    connection.close()
    assert tracked.get("artifacts/list", run_id=run["run_id"]).json()["files"] == []
    refused = tracked.get("artifacts/list", run_id=run["run_id"], path="../path")
    assert (refused.status_code, refused.json()) == (
        400,
        {"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid path"},
    )


def test_the_consoles_pages_call_a_tracked_run_by_its_name(tracked: Tracked) -> None:
    run = tracked.post("runs/create", {"run_name": "shown by name"}).json()["run"]["info"]["run_id"]
    with requests.Session() as browser:
        browser.get(f"{tracked.url}/", params={"token": tracked.project.token}, timeout=20)
        assert "shown by name" in browser.get(f"{tracked.url}/runs", timeout=20).text
        page = browser.get(f"{tracked.url}/runs/{run}", headers={"accept": "text/html"}, timeout=20)
        assert (page.status_code, "shown by name" in page.text) == (200, True)


def test_a_file_of_somebody_is_never_a_page_of_ours(tracked: Tracked) -> None:
    run = tracked.post("runs/create", {"experiment_id": "0"}).json()["run"]["info"]
    url = f"{tracked.url}/api/2.0/mlflow-artifacts/artifacts/0/{run['run_id']}/artifacts/page.html"
    assert requests.put(url, data=b"<script>", timeout=20).json() == {}
    got = requests.get(url, timeout=20)
    assert (got.content, got.headers["content-type"]) == (b"<script>", "application/octet-stream")
    assert (got.headers["content-disposition"], got.headers["x-content-type-options"]) == ("attachment", "nosniff")


def test_the_declaration_may_ask_for_keys_of_everybody_and_bounds_files(tmp_path: Any) -> None:
    tracking = "{without_key: nobody, max_file_mib: 1}"
    models = "{credit: {data: ./none.csv, label: y, train: ./t.py, evaluate: ./e.py, watch: false}}"
    text = f"version: 1\nproject: strict\ntracking: {tracking}\nmodels: {models}\ngateway: {{port: 0}}\n"
    project = declared(tmp_path / "strict", text)
    assert project.run("up", "--detach").code == 0
    try:
        base = f"{project.url}/api/2.0"
        assert error_of(requests.post(f"{base}/mlflow/runs/create", json={}, timeout=20)) == (401, "UNAUTHENTICATED")
        with requests.Session() as session:
            session.auth = ("anybody", project.token)
            run = session.post(f"{base}/mlflow/runs/create", json={}, timeout=20).json()["run"]["info"]["run_id"]
            url = f"{base}/mlflow-artifacts/artifacts/0/{run}/artifacts/big"
            assert session.put(url, data=bytes(1 << 20), timeout=20).status_code == 200
            refused = session.put(url, data=bytes((1 << 20) + 1), timeout=20)
            assert (refused.status_code, "tracking.max_file_mib" in refused.json()["message"]) == (413, True)
            assert len(session.get(url, timeout=20).content) == 1 << 20
            check_declared(project, session)
    finally:
        project.down()


def check_declared(project: Project, session: requests.Session) -> None:
    """A registered model is the declared one of its name: its aliases stand in `why model/NAME`, its name is ours."""
    base = f"{project.url}/api/2.0/mlflow/"
    session.post(f"{base}registered-models/create", json={"name": "credit"}, timeout=20).raise_for_status()
    version = {"name": "credit", "source": "s3://bucket/model"}
    session.post(f"{base}model-versions/create", json=version, timeout=20).raise_for_status()
    alias = {"name": "credit", "alias": "challenger", "version": "1"}
    session.post(f"{base}registered-models/alias", json=alias, timeout=20).raise_for_status()
    assert "credit@challenger" in project.run("why", project.status()["models"]["credit"]["ref"]).out
    renamed = session.post(f"{base}registered-models/rename", json={"name": "credit", "new_name": "x"}, timeout=20)
    assert error_of(renamed) == (400, "INVALID_PARAMETER_VALUE")


def test_nothing_that_a_person_wrote_stands_in_the_ledger_or_in_the_open(tracked: Tracked) -> None:
    secret = "Anna-Marias-salary"
    made = tracked.post("experiments/create", {"name": secret, "tags": [{"key": "k", "value": secret}]}).json()
    run = tracked.post("runs/create", {"experiment_id": made["experiment_id"], "run_name": secret}).json()["run"][
        "info"
    ]
    point = {"key": secret, "value": 1.0, "timestamp": 1}
    tracked.post(
        "runs/log-batch", {"run_id": run["run_id"], "metrics": [point], "params": [{"key": "p", "value": secret}]}
    )
    url = f"{tracked.url}/api/2.0/mlflow-artifacts/artifacts/{made['experiment_id']}/{run['run_id']}/artifacts/{secret}"
    requests.put(url, data=secret.encode(), timeout=20)
    tracked.post("runs/update", {"run_id": run["run_id"], "status": "FINISHED"})
    for file in tracked.project.home.rglob("*"):
        if file.is_file() and not file.is_symlink() and "logs" not in file.parts:
            assert secret.encode() not in file.read_bytes(), file


def test_the_tracking_of_a_house_is_what_the_gateway_asks_for() -> None:
    from colonnade.gateway.mlflow.backend import TrackingBackend

    wanted = {name for name in vars(TrackingBackend) if not name.startswith("_")}
    assert wanted - {"most_file_bytes"} <= set(dir(Tracking))
