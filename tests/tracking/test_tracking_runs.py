# SPDX-License-Identifier: Apache-2.0
"""MLflow's client keeps experiments, runs, series and files here, and finds them again."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

from tests.tracking.conftest import Client, Tracked

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


def a_run(client: Client, experiment: str) -> tuple[str, str]:
    """(experiment, run): both new."""
    group = client.create_experiment(experiment)
    return group, client.create_run(group).info.run_id


def test_a_script_that_names_no_experiment_lands_in_the_default_one(client: Client) -> None:
    with mlflow.start_run(run_name="plain") as run:
        mlflow.log_param("lr", 0.1)
    assert client.get_run(run.info.run_id).info.experiment_id == "0"
    assert client.get_experiment("0").name == "Default"


def test_experiments_are_made_found_renamed_tagged_deleted_and_restored(client: Client) -> None:
    made = client.create_experiment("one", tags={"a": "1"})
    assert client.get_experiment_by_name("one").experiment_id == made
    assert client.get_experiment_by_name("nowhere") is None
    with pytest.raises(MlflowException, match="RESOURCE_ALREADY_EXISTS"):
        client.create_experiment("one")
    client.rename_experiment(made, "two")
    client.set_experiment_tag(made, "b", "several\nlines")
    client.delete_experiment_tag(made, "a")
    found = client.get_experiment(made)
    assert (found.name, found.tags, found.artifact_location) == (
        "two",
        {"b": "several\nlines"},
        f"mlflow-artifacts:/{made}",
    )
    run = client.create_run(made).info.run_id
    client.delete_experiment(made)
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    assert made not in {one.experiment_id for one in client.search_experiments()}
    assert made in {one.experiment_id for one in client.search_experiments(view_type=ViewType.DELETED_ONLY)}
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        client.create_run(made)
    client.restore_experiment(made)
    assert client.get_run(run).info.lifecycle_stage == "active"


def test_experiments_are_searched_by_name_tag_and_time_in_pages(client: Client) -> None:
    for name, tags in (("sa", {"key": "value"}), ("sab", {"key": "vaLue"}), ("Sabc", {})):
        client.create_experiment(name, tags=tags)

    def names(filter_string: str, **more: Any) -> list[str]:
        return [one.name for one in client.search_experiments(filter_string=filter_string, **more)]

    assert names("name LIKE 'sa%'") == ["sab", "sa"]
    assert names("name ILIKE 'SA%'", order_by=["name DESC"]) == ["sab", "sa", "Sabc"]
    assert names("tags.key = 'value'") == ["sa"]
    assert names("tag.key != 'value' AND name LIKE 'sa%'") == ["sab"]
    assert names("tag.key IS NULL AND name ILIKE 'sa%'") == ["Sabc"]
    page = client.search_experiments(filter_string="name ILIKE 'sa%'", max_results=2)
    rest = client.search_experiments(filter_string="name ILIKE 'sa%'", max_results=2, page_token=page.token)
    assert ([one.name for one in page], [one.name for one in rest], rest.token) == (["Sabc", "sab"], ["sa"], None)


def test_what_is_logged_is_read_again_with_nan_infinities_and_history(client: Client) -> None:
    _, run = a_run(client, "logged")
    client.log_metric(run, "metric", 123.456, timestamp=789, step=2)
    client.log_metric(run, "nan", math.nan)
    client.log_metric(run, "inf", math.inf)
    client.log_metric(run, "-inf", -math.inf)
    client.log_param(run, "p", "")
    client.log_batch(
        run,
        metrics=[Metric("metric", 2.0, 800, -3), Metric("metric", 9.0, 799, 5)],
        params=[Param("q", "x")],
        tags=[RunTag("t", "")],
    )
    found = client.get_run(run).data
    assert found.metrics["metric"] == 9.0
    assert math.isnan(found.metrics["nan"])
    assert (found.metrics["inf"], found.metrics["-inf"]) == (math.inf, -math.inf)
    assert found.params == {"p": "", "q": "x"}
    assert found.tags["t"] == ""
    history = [(m.timestamp, m.step, m.value) for m in client.get_metric_history(run, "metric")]
    assert history == [(789, 2, 123.456), (799, 5, 9.0), (800, -3, 2.0)]
    assert client.get_metric_history(run, "never") == []


def test_a_point_that_is_sent_twice_is_kept_once(client: Client) -> None:
    _, run = a_run(client, "twice")
    points = [Metric("m", 1.0, 1, 1), Metric("m", 1.0, 1, 1), Metric("n", math.nan, 1, 1)]
    client.log_batch(run, metrics=points)
    client.log_batch(run, metrics=points)
    assert len(client.get_metric_history(run, "m")) == len(client.get_metric_history(run, "n")) == 1


def test_the_newest_value_of_a_series_is_by_step_then_time_then_value(client: Client) -> None:
    _, run = a_run(client, "newest")
    for value, at, step in ((1.0, 9, 1), (2.0, 1, 3), (3.0, 1, 3), (0.5, 1, 3), (9.0, 99, 2)):
        client.log_metric(run, "m", value, at, step)
    assert client.get_run(run).data.metrics["m"] == 3.0


def test_a_parameter_never_changes_and_a_batch_is_kept_whole_or_not_at_all(client: Client) -> None:
    _, run = a_run(client, "param")
    client.log_param(run, "a", 1)
    client.log_param(run, "a", 1)
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        client.log_param(run, "a", 2)
    with pytest.raises(MlflowException, match="Changing param values is not allowed"):
        client.log_batch(run, metrics=[Metric("m", 1.0, 1, 1)], params=[Param("b", "1"), Param("a", "2")])
    assert client.get_run(run).data.params == {"a": "1"}
    assert client.get_run(run).data.metrics == {}
    with pytest.raises(MlflowException, match="Duplicate parameter keys"):
        client.log_batch(run, params=[Param("c", "1"), Param("c", "1")])


def test_runs_end_go_on_are_renamed_deleted_and_restored(client: Client) -> None:
    group, run = a_run(client, "lives")
    assert client.get_run(run).info.end_time is None
    client.set_terminated(run, "FAILED")
    assert client.get_run(run).info.status == "FAILED"
    client.update_run(run, status="RUNNING", name="again")
    found = client.get_run(run)
    assert (found.info.status, found.info.run_name, found.data.tags["mlflow.runName"]) == ("RUNNING", "again", "again")
    client.set_tag(run, "mlflow.runName", "third")
    assert client.get_run(run).info.run_name == "third"
    client.delete_run(run)
    with pytest.raises(MlflowException, match=f"The run {run} must be in the 'active' state"):
        client.log_metric(run, "m", 1)
    assert client.search_runs([group]) == []
    assert len(client.search_runs([group], run_view_type=ViewType.ALL)) == 1
    client.restore_run(run)
    client.delete_tag(run, "mlflow.runName")
    with pytest.raises(MlflowException, match="No tag with name: nothing"):
        client.delete_tag(run, "nothing")
    with pytest.raises(MlflowException, match=r"RESOURCE_DOES_NOT_EXIST.+Run .+ not found"):
        client.get_run("0" * 32)


def test_runs_are_found_by_filters_and_sorted_with_what_is_absent_last(client: Client) -> None:
    group = client.create_experiment("searched")
    made = {}
    for name, loss, lr, team in (("a", 0.1, "0.1", "blue"), ("b", 0.2, "0.2", "red"), ("c", math.nan, "0.1", "bluish"),
                                 ("d", None, "0.3", None)):  # fmt: skip
        made[name] = client.create_run(group, run_name=name, start_time=1).info.run_id
        client.log_param(made[name], "lr rate", lr)
        if loss is not None:
            client.log_metric(made[name], "val/loss", loss)
        if team:
            client.set_tag(made[name], "team", team)

    def found(text: str, **more: Any) -> list[str]:
        return [run.info.run_name for run in client.search_runs([group], text, **more)]

    assert sorted(found("")) == ["a", "b", "c", "d"]
    assert found("metrics.`val/loss` <= 0.1") == ["a"]
    assert sorted(found("metrics.`val/loss` != 0.1")) == ["b", "c"]
    assert sorted(found("""params."lr rate" = '0.1' and tags.team LIKE 'blu%'""")) == ["a", "c"]
    assert found("tags.team ILIKE 'BLUE'") == ["a"]
    assert found("tags.team IS NULL") == ["d"]
    assert sorted(found("tags.team IS NOT NULL AND attributes.run_name != 'a'")) == ["b", "c"]
    assert found(f"attributes.run_id IN ('{made['b']}', 'x')") == ["b"]
    assert sorted(found(f"run_id NOT IN ('{made['b']}')")) == ["a", "c", "d"]
    assert found("attributes.status = 'FINISHED'") == []
    assert found("", order_by=["metrics.`val/loss` DESC"]) == ["b", "a", "c", "d"]
    assert found("", order_by=["metrics.`val/loss`"]) == ["a", "b", "c", "d"]
    assert found("", order_by=["tags.team ASC"])[-1] == "d"


def test_searching_runs_comes_in_pages_newest_first_and_by_id(client: Client) -> None:
    group = client.create_experiment("paged")
    ids = sorted(client.create_run(group, start_time=1).info.run_id for _ in range(7))
    seen, token = [], None
    while True:
        page = client.search_runs([group], max_results=3, page_token=token)
        seen += [run.info.run_id for run in page]
        token = page.token
        if token is None:
            break
    assert seen == ids


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metrics.a > 'x'", "Expected numeric value"),
        ("params.a = 3", "Expected a quoted string"),
        ("nothing.a = 'b'", "Invalid entity type"),
        ("attribute.nothing = 'b'", "Invalid attribute key"),
        ("metrics.a LIKE 'b'", "Expected numeric value"),
        ("params.a > 'b'", "Invalid comparator"),
        ("params.a = 'b' OR params.c = 'd'", "Join comparisons by AND"),
        ("run_id IN ()", "list"),
        ("params.a =", "quoted"),
        ("'a' = 'b'", "expected a comparison"),
        ("params.a = 'b' ; DROP TABLE runs", "Invalid clause"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_with_what_is_wrong(client: Client, text: str, said: str) -> None:
    with pytest.raises(MlflowException, match=f"INVALID_PARAMETER_VALUE.+{said}"):
        client.search_runs(["0"], text)


def test_data_sets_that_a_run_read_are_kept_once_and_searched_by(client: Client, tracked: Tracked) -> None:
    group, run = a_run(client, "data")
    data = Dataset("iris", "d1", "local", "{}", "schema", "profile")
    given = DatasetInput(data, [InputTag("mlflow.data.context", "train")])
    client.log_inputs(run, [given])
    client.log_inputs(run, [given])
    found = client.get_run(run).inputs.dataset_inputs
    assert [(one.dataset.name, one.dataset.digest, one.tags[0].value) for one in found] == [("iris", "d1", "train")]
    assert len(client.search_runs([group], "dataset.name = 'iris' AND dataset.context = 'train'")) == 1
    assert client.search_runs([group], "dataset.digest = 'd2'") == []
    told = tracked.post("experiments/search-datasets", {"experiment_ids": [group]}).json()["dataset_summaries"]
    assert told == [{"experiment_id": group, "name": "iris", "digest": "d1", "context": "train"}]


def test_files_go_up_are_listed_and_come_down_again(client: Client, tmp_path: Path) -> None:
    _, run = a_run(client, "files")
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "a b.txt").write_text("Hello")
    (source / "deep" / "er" / "ü.bin").write_bytes(bytes(range(256)))
    (source / "empty").write_bytes(b"")
    client.log_artifacts(run, str(source))
    client.log_artifact(run, str(source / "a b.txt"), "deep")
    assert [one.path for one in client.list_artifacts(run)] == ["a b.txt", "deep", "empty"]
    assert [(one.path, one.is_dir) for one in client.list_artifacts(run, "deep")] == [
        ("deep/a b.txt", False),
        ("deep/er", True),
    ]
    assert client.list_artifacts(run, "a b.txt") == []
    here = Path(client.download_artifacts(run, "", str(tmp_path)))
    assert (here / "deep" / "er" / "ü.bin").read_bytes() == bytes(range(256))
    assert (here / "empty").read_bytes() == b""
    (source / "a b.txt").write_text("Other")
    client.log_artifact(run, str(source / "a b.txt"))
    assert Path(client.download_artifacts(run, "a b.txt", str(tmp_path))).read_text() == "Other"


def test_child_runs_stand_below_their_parent(client: Client, tracked: Tracked) -> None:
    with mlflow.start_run() as parent, mlflow.start_run(nested=True) as child:
        pass
    assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == parent.info.run_id
    told = tracked.project.run("logs", f"run/{parent.info.run_id}", "--json")
    assert told.json["state"] == "done"


def test_an_experiment_may_keep_its_files_elsewhere(client: Client) -> None:
    group = client.create_experiment("elsewhere", artifact_location="s3://bucket/place")
    run = client.create_run(group).info
    assert run.artifact_uri == f"s3://bucket/place/{run.run_id}/artifacts"
