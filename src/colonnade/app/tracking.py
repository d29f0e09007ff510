# SPDX-License-Identifier: Apache-2.0
"""The house's tracking, put together from `lifecycle.tracking`: who may use it, and which operation is whose.

What an operation does is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from colonnade.core.answers import Asker
from colonnade.core.errors import UnknownName
from colonnade.lifecycle.artifacts import Artifacts
from colonnade.lifecycle.tracking.experiments import Experiments
from colonnade.lifecycle.tracking.files import Files
from colonnade.lifecycle.tracking.listing import Listing
from colonnade.lifecycle.tracking.logging import Logging
from colonnade.lifecycle.tracking.models import Models
from colonnade.lifecycle.tracking.registry import Registry
from colonnade.lifecycle.tracking.runs import Runs
from colonnade.lifecycle.tracking.search import RunSearch
from colonnade.lifecycle.tracking.things import Things
from colonnade.lifecycle.tracking.versions import Versions

if TYPE_CHECKING:
    from colonnade.app.house import House
    from colonnade.app.settings.declaration import Declaration

Operation = Callable[..., Mapping[str, Any]]
SHOWN = frozenset({"runs/create", "runs/update", "runs/delete", "runs/restore", "registered-models/set-alias"})
"""Operations after which `status` tells something else at once."""


class Tracking:
    """Implements `gateway.mlflow.backend.TrackingBackend`."""

    def __init__(self, house: House) -> None:
        self._house = house
        artifacts = Artifacts(house.state, house.blobs, house.keys, house.project)
        things = Things(house.state, house.keys, house.journal, artifacts, house.clock.wall_ms)
        experiments = Experiments(things)
        runs, files = Runs(things, experiments), Files(things)
        models = Models(things, experiments, files)
        versions = Versions(things, files, models)
        self._files, self._groups, self._declared = files, frozenset[str](), frozenset[str]()
        self.most_file_bytes = 0
        rooms = (experiments, runs, RunSearch(things, runs), Logging(things, runs), Listing(runs, files), models,
                 Registry(things, versions, lambda name: name in self._declared), versions)  # fmt: skip
        self._plain, self._acted = _operations(*rooms)

    def apply(self, declaration: Declaration) -> None:
        """Who may track, how large a file may be, which models have their names from the declaration."""
        self._groups = frozenset(declaration.tracking.groups)
        self._declared = frozenset(declaration.models)
        self.most_file_bytes = declaration.tracking.max_file_mib << 20

    def call(self, asker: Asker, operation: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `TrackingBackend.call`."""
        self._admit(asker)
        plain = self._plain.get(operation)
        if plain is not None:
            return plain(**fields)
        done = self._acted[operation](asker.acting_for or asker.principal, **fields)
        if operation in SHOWN:
            self._house.on_change()
        return done

    def put_file(self, asker: Asker, path: str, data: bytes) -> None:
        """See `TrackingBackend.put_file`."""
        self._admit(asker)
        self._files.put(path, data)

    def get_file(self, asker: Asker, path: str) -> bytes:
        """See `TrackingBackend.get_file`."""
        self._admit(asker)
        return self._files.get(path)

    def drop_file(self, asker: Asker, path: str) -> None:
        """See `TrackingBackend.drop_file`."""
        self._admit(asker)
        self._files.drop(path)

    def _admit(self, asker: Asker) -> None:
        """Raises UnknownName for who may not: there is nothing for them."""
        if not (asker.owner or asker.groups & self._groups):
            raise UnknownName("There is no such thing here, or you may not see it.")


def _operations(
    experiments: Experiments, runs: Runs, search: RunSearch, logging: Logging, listing: Listing, models: Models,
    registry: Registry, versions: Versions,
) -> tuple[dict[str, Operation], dict[str, Operation]]:  # fmt: skip
    """(operations, operations that are told who acts) by the names that the routes give them."""
    plain: dict[str, Operation] = {
        "experiments/create": experiments.create,
        "experiments/get": experiments.get,
        "experiments/get-by-name": experiments.get_by_name,
        "experiments/search": experiments.search,
        "experiments/update": experiments.update,
        "experiments/delete": experiments.delete,
        "experiments/restore": experiments.restore,
        "experiments/set-experiment-tag": experiments.set_tag,
        "experiments/delete-experiment-tag": experiments.delete_tag,
        "experiments/search-datasets": search.datasets,
        "runs/get": runs.get,
        "runs/delete": runs.delete,
        "runs/restore": runs.restore,
        "runs/search": search.search,
        "runs/log-metric": logging.metric,
        "runs/log-parameter": logging.param,
        "runs/log-batch": logging.batch,
        "runs/set-tag": logging.tag,
        "runs/delete-tag": logging.delete_tag,
        "runs/log-inputs": logging.read_by,
        "runs/outputs": logging.given_by,
        "runs/log-model": logging.model,
        "metrics/get-history": logging.history,
        "metrics/get-history-bulk": logging.histories,
        "metrics/get-history-bulk-interval": logging.sampled,
        "artifacts/list": listing.of_run,
        "files/list": listing.of_path,
        "files/allowed": dict,
        "logged-models/create": models.create,
        "logged-models/search": models.search,
        "logged-models/get": models.get,
        "logged-models/delete": models.delete,
        "logged-models/set-tags": models.set_tags,
        "logged-models/delete-tag": models.delete_tag,
        "logged-models/log-params": models.log_params,
        "logged-models/list": models.list_files,
        "registered-models/create": registry.create,
        "registered-models/get": registry.get,
        "registered-models/rename": registry.rename,
        "registered-models/update": registry.update,
        "registered-models/search": registry.search,
        "registered-models/get-latest-versions": registry.latest,
        "registered-models/set-tag": registry.set_tag,
        "registered-models/delete-tag": registry.delete_tag,
        "registered-models/by-alias": versions.by_alias,
        "model-versions/get": versions.get,
        "model-versions/update": versions.update,
        "model-versions/search": versions.search,
        "model-versions/get-download-uri": versions.download_uri,
        "model-versions/set-tag": versions.set_tag,
        "model-versions/delete-tag": versions.delete_tag,
    }
    acted: dict[str, Operation] = {
        "runs/create": runs.create,
        "runs/update": runs.update,
        "logged-models/finalize": models.finalize,
        "registered-models/delete": registry.delete,
        "registered-models/set-alias": versions.set_alias,
        "registered-models/delete-alias": versions.delete_alias,
        "model-versions/create": versions.create,
        "model-versions/delete": versions.delete,
    }
    return plain, acted
