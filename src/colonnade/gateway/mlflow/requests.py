# SPDX-License-Identifier: Apache-2.0
"""The bodies of MLflow's REST API 2.0 that are read, field by field as in its protocol buffers. Unknown fields are left
out, integers may be strings, `NaN` and `Infinity` too (proto3's JSON). What a field means is not known here.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

ViewType = Literal["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]


class Pair(Struct, omit_defaults=True):
    """A tag or a parameter."""

    key: str = ""
    value: str = ""


class Metric(Struct, omit_defaults=True):
    """A measurement."""

    key: str = ""
    value: float | None = None
    timestamp: int | None = None
    step: int = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class Data(Struct, omit_defaults=True):
    """A data set, in its program's words."""

    name: str = ""
    digest: str = ""
    source_type: str = ""
    source: str = ""
    schema: str = ""
    profile: str = ""


class DataInput(Struct, omit_defaults=True):
    """A data set that a run read."""

    dataset: Data | None = None
    tags: list[Pair] = []


class ModelAt(Struct, omit_defaults=True):
    """A model that a run read or gave."""

    model_id: str = ""
    step: int = 0


class Experiment(Struct, omit_defaults=True):
    """Which experiment."""

    experiment_id: str


class ExperimentName(Struct, omit_defaults=True):
    """Which experiment, by name."""

    experiment_name: str


class NewExperiment(Struct, omit_defaults=True):
    """`experiments/create`."""

    name: str
    artifact_location: str = ""
    tags: list[Pair] = []


class RenameExperiment(Struct, omit_defaults=True):
    """`experiments/update`."""

    experiment_id: str
    new_name: str = ""


class ExperimentTag(Struct, omit_defaults=True):
    """`experiments/set-experiment-tag`."""

    experiment_id: str
    key: str
    value: str = ""


class ExperimentTagKey(Struct, omit_defaults=True):
    """`experiments/delete-experiment-tag`."""

    experiment_id: str
    key: str


class Search(Struct, omit_defaults=True):
    """A search over registered models or versions."""

    filter: str = ""
    max_results: int | None = None
    order_by: list[str] = []
    page_token: str = ""


class SearchExperiments(Search, omit_defaults=True):
    """`experiments/search`."""

    view_type: ViewType = "ACTIVE_ONLY"


class SearchRuns(Search, omit_defaults=True):
    """`runs/search`."""

    experiment_ids: list[str] = []
    run_view_type: ViewType = "ACTIVE_ONLY"


class ExperimentIds(Struct, omit_defaults=True):
    """`experiments/search-datasets`."""

    experiment_ids: list[str] = []


class NewRun(Struct, omit_defaults=True):
    """`runs/create`."""

    experiment_id: str = ""
    user_id: str = ""
    run_name: str = ""
    start_time: int | None = None
    tags: list[Pair] = []


class Run(Struct, omit_defaults=True):
    """Which run; `run_uuid` is the field's name of before."""

    run_id: str = ""
    run_uuid: str = ""


class RunId(Struct, omit_defaults=True):
    """Which run."""

    run_id: str


class UpdateRun(Run, omit_defaults=True):
    """`runs/update`."""

    status: str = ""
    end_time: int | None = None
    run_name: str = ""


class LogMetric(Metric, omit_defaults=True):
    """`runs/log-metric`."""

    run_id: str = ""
    run_uuid: str = ""


class RunPair(Run, omit_defaults=True):
    """`runs/log-parameter`, `runs/set-tag`."""

    key: str = ""
    value: str = ""


class RunKey(Struct, omit_defaults=True):
    """`runs/delete-tag`."""

    run_id: str
    key: str


class LogBatch(Struct, omit_defaults=True):
    """`runs/log-batch`."""

    run_id: str
    metrics: list[Metric] = []
    params: list[Pair] = []
    tags: list[Pair] = []


class LogModel(Struct, omit_defaults=True):
    """`runs/log-model`."""

    run_id: str
    model_json: str = ""


class LogInputs(Struct, omit_defaults=True):
    """`runs/log-inputs`."""

    run_id: str
    datasets: list[DataInput] = []
    models: list[ModelAt] = []


class LogOutputs(Struct, omit_defaults=True):
    """`runs/outputs`."""

    run_id: str
    models: list[ModelAt] = []


class History(Run, omit_defaults=True):
    """`metrics/get-history`."""

    metric_key: str = ""
    page_token: str = ""
    max_results: int | None = None


class Histories(Struct, omit_defaults=True):
    """`metrics/get-history-bulk`."""

    run_id: list[str] = []
    metric_key: str = ""
    max_results: int | None = None


class Sampled(Struct, omit_defaults=True):
    """`metrics/get-history-bulk-interval`."""

    run_ids: list[str] = []
    metric_key: str = ""
    start_step: int | None = None
    end_step: int | None = None
    max_results: int | None = None


class ListFiles(Run, omit_defaults=True):
    """`artifacts/list`."""

    path: str = ""
    page_token: str = ""


class Path(Struct, omit_defaults=True):
    """`mlflow-artifacts/artifacts`."""

    path: str = ""


class NewModel(Struct, omit_defaults=True):
    """`logged-models`."""

    experiment_id: str = ""
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[Pair] = []
    tags: list[Pair] = []


class Nothing(Struct, omit_defaults=True):
    """Everything stands in the path."""


class Finalize(Struct, omit_defaults=True):
    """`logged-models/ID`."""

    status: str = "LOGGED_MODEL_READY"


class Tags(Struct, omit_defaults=True):
    """`logged-models/ID/tags`."""

    tags: list[Pair] = []


class Params(Struct, omit_defaults=True):
    """`logged-models/ID/params`."""

    params: list[Pair] = []


class ModelFiles(Struct, omit_defaults=True):
    """`logged-models/ID/artifacts/directories`."""

    artifact_directory_path: str = ""


class OnData(Struct, omit_defaults=True):
    """A data set that a search is about."""

    dataset_name: str = ""
    dataset_digest: str = ""


class ModelOrder(OnData, omit_defaults=True):
    """What models are sorted by."""

    field_name: str = ""
    ascending: bool = True


class SearchModels(Struct, omit_defaults=True):
    """`logged-models/search`."""

    experiment_ids: list[str] = []
    filter: str = ""
    datasets: list[OnData] = []
    max_results: int | None = None
    order_by: list[ModelOrder] = []
    page_token: str = ""
