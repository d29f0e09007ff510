# SPDX-License-Identifier: Apache-2.0
"""A new version that asks for a person's word: listed, not the owner's to give, given with that person's own key, and
named afterwards in `why`. Real processes, the real command line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from colonnade.testing.project import Done, Project, until
from scripts.make_credit import HOME, batch, write

pytestmark = pytest.mark.slow
ROLLOUT = "{shadow: 100, canary: [25, 100], stage_requests: 100, quiet_s: 1, rehearse: 200, approve: [anna]}"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.copy_of(HOME.parent, tmp_path / "credit")
    declared = made.folder / "colonnade.yaml"
    text = declared.read_text().partition("services:")[0]
    groups = "access: {groups: {everyone: ['*'], risk: [anna, ben]}}\n"
    declared.write_text(
        f"{text}services:\n  credit: {{model: credit, serve: serve.py, rollout: {ROLLOUT}}}\n"
        f"{groups}gateway: {{port: 0}}\n"
    )
    yield made
    made.down()


def newest(project: Project) -> Any:
    return project.now()["models"]["credit"]["history"][0]


def key_for(project: Project, person: str) -> str:
    made = project.run("keys", "create", f"{person}s-own", "--for", person, "--json")
    assert made.code == 0, made.err
    return str(made.json["key"])


def approve(project: Project, *words: str, key: str = "") -> Done:
    project.environment["COLONNADE_KEY"] = key
    try:
        return project.run("approve", *words, "--json")
    finally:
        del project.environment["COLONNADE_KEY"]


def test_a_version_that_asks_waits_for_the_person_who_is_named_and_for_nobody_else(project: Project) -> None:
    project.up()
    first = project.status()["models"]["credit"]["live"]["version"]
    anna, ben = key_for(project, "anna"), key_for(project, "ben")
    write(project.folder / "data" / "2025-q3.csv", batch(range(180, 240), known_on=270))
    until(lambda: (newest(project)["rollout"] or {}).get("state") == "asked", 90, 0.2)
    trial = newest(project)["rollout"]
    assert (trial["exposed"], trial["share"]) == (0, 0), "nobody has seen an answer of it"
    assert trial["decide"] == f"colonnade approve {trial['ref']}"
    assert trial["decide"] in project.run("status").out

    [waits] = approve(project).json["waiting"]
    assert (waits["ref"], waits["persons"], waits["mine"]) == (trial["ref"], ["anna"], False)
    assert approve(project, key=ben).json["waiting"] == []
    assert [one["mine"] for one in approve(project, key=anna).json["waiting"]] == [True]

    for key in ("", ben):
        refused = approve(project, trial["ref"], key=key)
        assert refused.code == 3, refused.out
        assert "may_not_approve" in refused.out + refused.err
    assert newest(project)["rollout"]["state"] == "asked"

    said = approve(project, trial["ref"], key=anna)
    assert said.code == 0, said.err
    until(lambda: newest(project)["outcome"] == "promoted", 90, 0.2)
    assert project.status()["models"]["credit"]["live"]["version"] != first
    again = approve(project, trial["ref"], key=anna)
    assert again.code != 0, "it waits no longer"

    for ref in (trial["ref"], "model/credit"):  # what she allowed, and what became of it
        nodes = {node["ref"]: node for node in project.run("why", ref, "--json").json["nodes"]}
        said_by = {edge["to"] for edge in nodes[trial["ref"]]["edges"] if edge["role"] == "by"}
        assert "anna" in {nodes[ref].get("label") for ref in said_by}
