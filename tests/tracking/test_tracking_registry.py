# SPDX-License-Identifier: Apache-2.0
"""MLflow's client registers models here; versions never change, aliases are Names and stand in `why`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from tests.tracking.conftest import Client, Tracked

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


def a_model(client: Client, name: str, text: str = "weights") -> tuple[str, str]:
    """(run, version) of a new registered model with one file, `model/weights.txt`."""
    run = client.create_run("0")
    client.log_text(run.info.run_id, text, "model/weights.txt")
    client.create_registered_model(name)
    version = client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
    return run.info.run_id, version.version


def test_names_are_registered_once_described_tagged_renamed_and_deleted(client: Client) -> None:
    made = client.create_registered_model("lives", {"key": "value", "number": 5}, "first")
    assert (made.tags, made.description, made.latest_versions) == ({"key": "value", "number": "5"}, "first", [])
    with pytest.raises(MlflowException, match=r"Registered Model .+ already exists"):
        client.create_registered_model("lives")
    client.set_registered_model_tag("lives", "key", "")
    client.delete_registered_model_tag("lives", "number")
    client.update_registered_model("lives", "second")
    client.rename_registered_model("lives", "lives 2")
    with pytest.raises(MlflowException, match="Registered Model with name=lives not found"):
        client.get_registered_model("lives")
    found = client.get_registered_model("lives 2")
    assert (found.tags, found.description) == ({"key": ""}, "second")
    client.delete_registered_model("lives 2")
    with pytest.raises(MlflowException, match="not found"):
        client.get_registered_model("lives 2")
    with pytest.raises(MlflowException, match="INVALID_PARAMETER_VALUE"):
        client.create_registered_model("a/b")


def test_a_version_keeps_the_files_of_its_registration(client: Client, tmp_path: Path) -> None:
    run, version = a_model(client, "pinned", "first")
    client.log_text(run, "second", "model/weights.txt")
    again = client.create_model_version("pinned", client.get_model_version("pinned", version).source, run)
    texts = {}
    for number in (version, again.version):
        uri = client.get_model_version_download_uri("pinned", number)
        folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / number)))
        texts[number] = (folder / "weights.txt").read_text()
    assert texts == {"1": "first", "2": "second"}


def test_versions_are_numbered_on_described_tagged_searched_and_deleted(client: Client) -> None:
    run, _ = a_model(client, "versions")
    for _ in range(2):
        client.create_model_version("versions", "s3://bucket/model", "elsewhere", {"a": "b"})
    client.update_model_version("versions", "2", "described")
    client.set_model_version_tag("versions", "2", "c", "d")
    client.delete_model_version_tag("versions", "2", "a")
    found = client.get_model_version("versions", "2")
    assert (found.description, found.tags, found.source, found.run_id) == (
        "described",
        {"c": "d"},
        "s3://bucket/model",
        "elsewhere",
    )
    assert client.get_model_version_download_uri("versions", "2") == "s3://bucket/model"

    def numbers(text: str, **more: Any) -> list[str]:
        return [one.version for one in client.search_model_versions(f"name = 'versions' AND {text}", **more)]

    assert numbers(f"run_id = '{run}'") == ["1"]
    assert numbers("version_number >= 2", order_by=["version_number ASC"]) == ["2", "3"]
    assert numbers("tags.c = 'd'") == ["2"]
    assert numbers("source_path LIKE 's3://%'", order_by=["version_number DESC"]) == ["3", "2"]
    client.delete_model_version("versions", "3")
    with pytest.raises(MlflowException, match=r"Model Version .+ not found"):
        client.get_model_version("versions", "3")
    assert client.create_model_version("versions", "s3://x/y").version == "4"
    assert [one.version for one in client.get_latest_versions("versions")] == ["4"]
    with pytest.raises(MlflowException, match="Parameter 'version' must be an integer"):
        client.get_model_version("versions", "one")


def test_a_copied_version_is_read_from_where_the_first_one_lies(client: Client) -> None:
    client.create_registered_model("copied")
    client.create_model_version(
        "copied", "runs:/nowhere/model", "nowhere", description="dummy", tags={"hello": "world"}
    )
    client.set_registered_model_alias("copied", "it", "1")
    copy = client.copy_model_version("models:/copied@it", "copied")
    assert (copy.version, copy.source, copy.run_id, copy.tags) == (
        "2",
        "models:/copied/1",
        "nowhere",
        {"hello": "world"},
    )
    assert client.get_model_version_download_uri("copied", "2") == "runs:/nowhere/model"


def test_a_path_of_some_machine_is_no_source(client: Client) -> None:
    client.create_registered_model("local")
    for source in ("/etc", "file:///etc", "model"):
        with pytest.raises(MlflowException, match="Invalid model version source"):
            client.create_model_version("local", source)


@pytest.mark.parametrize(
    "source",
    ["mlflow-artifacts://host:9000/models/../../x", "https://host/a/..", "s3://bucket/..%2f..%2fx", "http://h/a%00"],
)
def test_a_source_with_a_way_up_in_it_is_refused(client: Client, source: str) -> None:
    with pytest.raises(MlflowException, match="If supplying a source as an http, https,"):
        client.create_model_version("local", source)


def test_a_source_on_this_server_must_be_somebodys_files(client: Client) -> None:
    with pytest.raises(MlflowException, match=r"INVALID_PARAMETER_VALUE.+lies in no run or model"):
        client.create_model_version("local", "mlflow-artifacts:/models/foo")


def test_registered_models_are_searched_in_pages(client: Client) -> None:
    names = [f"Paged{number:02}" for number in range(5)]
    for name in names:
        client.create_registered_model(name)
    seen, token = [], None
    while True:
        page = client.search_registered_models("name ILIKE 'paged%'", max_results=2, page_token=token)
        seen += [one.name for one in page]
        token = page.token
        if not token:
            break
    assert seen == names
    assert client.search_registered_models("name LIKE 'paged%'") == []


def test_aliases_move_and_go_and_their_history_stands_in_why(client: Client, tracked: Tracked) -> None:
    run, _ = a_model(client, "aliased")
    client.log_text(run, "better", "model/weights.txt")
    client.create_model_version("aliased", client.get_model_version("aliased", "1").source, run)
    client.set_registered_model_alias("aliased", "champion", "1")
    client.set_registered_model_alias("aliased", "champion", "2")
    assert client.get_model_version_by_alias("aliased", "champion").version == "2"
    assert client.get_registered_model("aliased").aliases == {"champion": "2"}
    assert client.get_model_version("aliased", "2").aliases == ["champion"]
    assert client.get_model_version_by_alias("aliased", "latest").version == "2"

    why = tracked.project.run("why", "model/aliased", "--json").json
    alias = next(node for node in why["nodes"] if node["kind"] == "alias")
    assert alias["label"] == "aliased@champion"
    assert {"kind": "run", "ref": f"run/{run}"}.items() <= next(n for n in why["nodes"] if n["kind"] == "run").items()
    of_alias = tracked.project.run("why", "alias/aliased@champion", "--json").json
    assert of_alias["ref"] == alias["ref"]
    assert [edge["role"] for edge in of_alias["nodes"][0]["edges"]].count("model") == 2
    assert "aliased@champion" in tracked.project.run("why", "model/aliased").out
    assert tracked.project.run("impact", f"run/{run}").out.count("aliased@champion") == 1
    assert tracked.project.status()["tracking"]["models"]["aliased"]["aliases"] == {"champion": "2"}

    client.delete_registered_model_alias("aliased", "champion")
    with pytest.raises(MlflowException, match="alias champion not found"):
        client.get_model_version_by_alias("aliased", "champion")
    client.set_registered_model_alias("aliased", "champion", "1")
    client.delete_model_version("aliased", "1")
    assert client.get_registered_model("aliased").aliases == {}
    assert tracked.project.run("verify").code == 0


@pytest.mark.parametrize("alias", ["latest", "v1", "a b", "a/b"])
def test_words_that_mean_something_else_are_no_aliases(client: Client, alias: str) -> None:
    with pytest.raises(MlflowException, match=r"[Aa]lias|INVALID"):
        client.set_registered_model_alias("aliased", alias, "2")


def test_a_renamed_model_keeps_its_aliases(client: Client) -> None:
    a_model(client, "before")
    client.set_registered_model_alias("before", "it", "1")
    client.rename_registered_model("before", "after")
    assert client.get_model_version_by_alias("after", "it").version == "1"
    client.set_registered_model_alias("after", "it", "1")
    client.delete_registered_model("after")


def test_prompts_are_kept_apart_from_models(client: Client, tracked: Tracked) -> None:
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    assert tracked.post("registered-models/create", {"name": "a-prompt", "tags": tags}).status_code == 200
    assert "a-prompt" not in {one.name for one in client.search_registered_models()}
    found = client.search_registered_models("tags.`mlflow.prompt.is_prompt` = 'true'")
    assert [one.name for one in found] == ["a-prompt"]
