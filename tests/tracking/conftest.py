# SPDX-License-Identifier: Apache-2.0
"""A running daemon for MLflow's own client: real processes, real sockets, no mock."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from colonnade.testing.project import Project

with warnings.catch_warnings():  # theirs, on import
    warnings.simplefilter("ignore")
    import mlflow
    from mlflow import MlflowClient

Client = Any
"""`MlflowClient`, whose types say None where a test knows better."""
DECLARED = """\
version: 1
project: tracked
access: {groups: {everyone: ["*"], ml: [anna]}}
tracking: {groups: [ml]}
gateway: {port: 0}
"""


@dataclass
class Tracked:
    """A project whose daemon runs, and MLflow's client for it."""

    project: Project

    @property
    def url(self) -> str:
        return self.project.url

    @property
    def client(self) -> Client:
        return MlflowClient(self.url, self.url)

    def post(self, path: str, body: Any, /, **headers: str) -> requests.Response:
        return requests.post(f"{self.url}/api/2.0/mlflow/{path}", json=body, headers=headers, timeout=20)

    def get(self, path: str, /, **query: Any) -> requests.Response:
        return requests.get(f"{self.url}/api/2.0/mlflow/{path}", params=query, timeout=20)


def declared(folder: Path, text: str = DECLARED) -> Project:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "colonnade.yaml").write_text(text)
    return Project(folder)


@pytest.fixture(scope="package")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracked]:
    project = declared(tmp_path_factory.mktemp("tracked"))
    done = project.run("up", "--detach")
    assert done.code == 0, done.err
    mlflow.set_tracking_uri(project.url)
    yield Tracked(project)
    project.down()


@pytest.fixture
def client(tracked: Tracked) -> Client:
    return tracked.client
