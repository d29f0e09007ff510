# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged is there after a kill, `status` agrees with MLflow's own search, and an unmodified script lands
here whole.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import mlflow
import pytest
import requests

from tests.tracking.conftest import Client, Tracked, declared

HERE = Path(__file__).parent
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


def test_a_kill_amid_batches_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    project = declared(tmp_path / "killed")
    assert project.run("up", "--detach").code == 0
    base = f"{project.url}/api/2.0/mlflow"
    run = requests.post(f"{base}/runs/create", json={}, timeout=20).json()["run"]["info"]["run_id"]
    acknowledged: list[int] = []

    def log() -> None:
        with requests.Session() as session:
            for step in range(100_000):
                metrics = [{"key": f"m{n}", "value": step + n, "timestamp": 1, "step": step} for n in range(5)]
                body = {"run_id": run, "metrics": metrics, "params": [{"key": f"p{step}", "value": str(step)}]}
                try:
                    if session.post(f"{base}/runs/log-batch", json=body, timeout=5).status_code != 200:
                        return
                except requests.RequestException:
                    return
                acknowledged.append(step)

    writer = threading.Thread(target=log)
    writer.start()
    while len(acknowledged) < 30:
        writer.join(0.01)
    project.kill()
    writer.join(30)
    try:
        assert project.run("up", "--detach").code == 0
        told = requests.get(f"{project.url}/api/2.0/mlflow/runs/get", params={"run_id": run}, timeout=20).json()["run"]
        params = {int(one["value"]) for one in told["data"]["params"]}
        assert set(acknowledged) <= params <= {*acknowledged, len(acknowledged)}
        for name in ("m0", "m4"):
            query = {"run_id": run, "metric_key": name}
            found = requests.get(f"{project.url}/api/2.0/mlflow/metrics/get-history", params=query, timeout=20).json()
            assert {one["step"] for one in found["metrics"]} == params
        assert told["info"]["status"] == "RUNNING"
        assert project.run("verify").code == 0
    finally:
        project.down()


def test_status_tells_what_mlflow_finds(client: Client, tracked: Tracked) -> None:
    mlflow.set_experiment("agree")
    for lr in (0.1, 0.2):
        with mlflow.start_run(run_name=f"lr {lr}"):
            mlflow.log_param("lr", lr)
            mlflow.log_metric("loss", lr * 2)
    mlflow.set_experiment("Default")
    group = client.get_experiment_by_name("agree").experiment_id
    found = {f"run/{run.info.run_id}": run for run in client.search_runs([group])}
    status = tracked.project.status()["tracking"]
    assert {"id": group, "name": "agree", "runs": 2, "running": 0} in status["experiments"]
    told = {run["ref"]: run for run in status["runs"] if run["experiment"] == group}
    assert told.keys() == found.keys()
    for ref, run in told.items():
        data = found[ref].data
        assert (run["params"], run["metrics"], run["state"]) == (data.params, data.metrics, "succeeded")
    assert "tracking:" in tracked.project.run("status").out


def test_a_logged_model_is_ready_found_and_registered_with_its_run(
    client: Client, tracked: Tracked, tmp_path: Path
) -> None:
    run = client.create_run("0").info.run_id
    model = client.create_logged_model("0", "net", run, {"a": "b"}, {"depth": "3"}, "regressor")
    assert str(model.status) == "PENDING"
    (tmp_path / "MLmodel").write_text("flavors: {}")
    client.log_model_artifacts(model.model_id, str(tmp_path))
    ready = client.finalize_logged_model(model.model_id, "READY")
    assert (str(ready.status), ready.name, ready.params, ready.tags) == ("READY", "net", {"depth": "3"}, {"a": "b"})
    client.log_metric(run, "loss", 0.5, 1, 1, dataset_name="iris", dataset_digest="d", model_id=model.model_id)
    client.log_outputs(run, [mlflow.entities.LoggedModelOutput(model.model_id, 1)])
    client.set_logged_model_tags(model.model_id, {"c": "d"})
    client.delete_logged_model_tag(model.model_id, "a")

    def found(text: str) -> list[str]:
        return [one.model_id for one in client.search_logged_models(["0"], text)]

    assert found("metrics.loss < 1 AND params.depth = '3' AND tags.c = 'd'") == [model.model_id]
    assert found("name = 'net' AND metrics.loss > 1") == []
    data = [{"dataset_name": "iris", "dataset_digest": "d"}]
    ordered = client.search_logged_models(["0"], datasets=data, order_by=[{"field_name": "metrics.loss"}])
    assert [(one.model_id, one.metrics[0].value) for one in ordered] == [(model.model_id, 0.5)]
    assert client.get_run(run).outputs.model_outputs[0].model_id == model.model_id
    client.create_registered_model("nets")
    version = client.create_model_version("nets", f"models:/{model.model_id}", run, model_id=model.model_id)
    assert version.run_id == run
    folder = Path(mlflow.artifacts.download_artifacts("models:/nets/1", dst_path=str(tmp_path / "down")))
    assert (folder / "MLmodel").read_text() == "flavors: {}"
    why = tracked.project.run("why", "model/nets", "--json").json
    assert f"run/{run}" in {node["ref"] for node in why["nodes"]}
    client.delete_logged_model(model.model_id)
    assert found("name = 'net'") == []


def ran(tracked: Tracked, script: str) -> str:
    """The run of a script that is told nothing but where to log."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": tracked.url, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, str(HERE / "scripts" / script)], env=environment,
                          capture_output=True, text=True, timeout=110, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


@pytest.mark.slow
def test_an_unmodified_script_lands_here(client: Client, tracked: Tracked) -> None:
    run = client.get_run(ran(tracked, "train_and_log.py"))
    assert (run.info.status, run.info.run_name, run.data.params["loss"]) == ("FINISHED", "sgd", "hinge")
    history = client.get_metric_history(run.info.run_id, "accuracy")
    assert [point.step for point in history] == [0, 1, 2, 3, 4]
    assert run.data.metrics["accuracy"] == history[-1].value
    assert [one.path for one in client.list_artifacts(run.info.run_id, "model")] == ["model/coefficients.csv"]
    told = tracked.project.status()["tracking"]
    shown = next(one for one in told["runs"] if one["ref"] == f"run/{run.info.run_id}")
    assert (shown["metrics"], shown["params"]) == (run.data.metrics, run.data.params)


@pytest.mark.slow
def test_an_unmodified_script_with_autologging_lands_here(client: Client, tracked: Tracked) -> None:
    run = client.get_run(ran(tracked, "train_with_autolog.py"))
    assert (run.info.status, run.data.params["max_iter"]) == ("FINISHED", "2000")
    assert 0.8 < run.data.metrics["training_accuracy_score"] <= 1
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert str(model.status) == "READY"
    assert "MLmodel" in {one.path for one in client.list_logged_model_artifacts(model.model_id)}
    client.create_registered_model("iris")
    client.create_model_version("iris", f"models:/{model.model_id}", run.info.run_id)
    client.set_registered_model_alias("iris", "champion", "1")
    assert "iris@champion" in tracked.project.run("why", "model/iris").out
