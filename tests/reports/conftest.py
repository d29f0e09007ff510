# SPDX-License-Identifier: Apache-2.0
"""The lender's example, trained once by real processes and stopped again: what the reports of these tests are of."""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path
from typing import Any

import pytest

from colonnade.app.settings.environment import Places, places_of
from colonnade.testing.project import Project, until
from scripts.make_credit import HEADER, HOME, batch

USED = ("age", "income", "debt", "months_employed", "late_before", "region", "customer", "group")


@pytest.fixture(scope="session")
def lender(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One version live, a training that changed nothing, thirty requests answered; then down."""
    project = Project.copy_of(HOME.parent, tmp_path_factory.mktemp("reports") / "credit")
    declared = project.folder / "colonnade.yaml"
    declared.write_text(declared.read_text() + "\ngateway: {port: 0}\n")
    assert project.run("up", "--detach").code == 0
    until(lambda: project.now()["models"]["credit"]["live"], 60)
    assert project.run("status", "--wait", "60").code == 0
    _ask(project, batch(range(180, 183), known_on=999)[:30])
    assert project.run("train", "credit").code == 0
    project.down()
    return project


def _ask(project: Project, rows: list[list[str]]) -> None:
    connection = http.client.HTTPConnection(project.url.removeprefix("http://"), timeout=40)
    told = [{name: value for name, value in zip(HEADER, row, strict=True) if name in USED} for row in rows]
    connection.request(
        "POST", "/v1/predict", json.dumps({"rows": told}), {"authorization": f"Bearer {project.token}"}
    )  # fmt: skip
    assert connection.getresponse().status == 200
    connection.close()


@pytest.fixture
def places(lender: Project, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Where the lender's state and keys lie."""
    monkeypatch.setenv("COLONNADE_KEYS", str(lender.folder / ".keys"))
    monkeypatch.delenv("COLONNADE_HOME", raising=False)
    return places_of(Path(lender.folder) / "colonnade.yaml")


@pytest.fixture
def key(places: Places) -> str:
    """The log's verifier key, as an auditor has it."""
    from colonnade.app.evidence import signed_checkpoint

    return signed_checkpoint(places).key.text()


@pytest.fixture
def resealed(places: Places) -> Any:
    """A report sealed again by the log's owner: what follows is found by its proofs alone."""
    from colonnade.app import wiring
    from colonnade.app.reporting import seal
    from colonnade.app.stored import reading

    def again(document: dict[str, Any]) -> dict[str, Any]:
        with reading(places) as (state, keys):
            return {**document, "seal": seal(document, wiring.log_key(places, state), keys)}

    assert os.environ["COLONNADE_KEYS"]
    return again
