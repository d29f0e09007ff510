# SPDX-License-Identifier: Apache-2.0
"""Files change while the daemon watches; the past can be asked, with the rights of now (Seen from outside 4)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from colonnade.sdk import Client
from colonnade.testing.project import Project, until

SOON_S = 20
"""Patience on a busy machine; bench/ingestion.py measures how soon it really is."""
QUESTION = "How much does the Orion pump cost?"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A small project, up and ready."""
    made = Project.small(tmp_path)
    made.write("docs/prices.md", "# Prices\n\nThe Orion pump costs 410 euros.\n")
    made.write("docs/office.md", "# Office\n\nThe office in Lyon opens at eight in the morning.\n")
    made.write("hr/bonus.md", "# Bonus\n\nThe yearly bonus of a fitter is 1,200 euros.\n")
    made.up()
    yield made
    made.down()


def now() -> str:
    """RFC 3339."""
    return datetime.now(UTC).isoformat()


@pytest.mark.slow
def test_written_renamed_edited_and_deleted_files_are_followed_within_seconds(project: Project) -> None:
    def cites(question: str, path: str, words: str = "") -> bool:
        answer = project.ask(question)
        return words in answer["answer"] and path in {citation["path"] for citation in answer["citations"]}

    where = "How many spaces does the garage in Turin have?"
    project.write("docs/garage.md", "# Garage\n\nThe garage in Turin has 42 spaces.\n")
    until(lambda: cites(where, "docs/garage.md"), SOON_S)
    project.run("status", "--wait", "20")
    embedded = project.status()["knowledge"]["handbook"]["embedded_total"]
    (project.folder / "docs/garage.md").rename(project.folder / "docs/parking.md")
    until(lambda: cites(where, "docs/parking.md"), SOON_S)
    assert project.status()["knowledge"]["handbook"]["embedded_total"] == embedded

    before = now()
    project.write("docs/prices.md", "# Prices\n\nThe Orion pump costs 455 euros.\n")
    until(lambda: cites(QUESTION, "docs/prices.md", "455"), SOON_S)
    assert "410" in project.ask(QUESTION, "--as-of", before)["answer"]

    (project.folder / "docs/parking.md").unlink()
    until(lambda: not cites(where, "docs/parking.md"), SOON_S)
    assert "docs/parking.md" not in {c["path"] for c in project.ask(where)["citations"]}
    assert "42" in project.ask(where, "--as-of", before)["answer"]


@pytest.mark.slow
def test_a_right_taken_away_is_gone_at_once_and_in_the_past_as_well(project: Project) -> None:
    question = "What is the yearly bonus of a fitter?"
    before = now()
    assert project.ask(question, "--as", "heidi")["status"] == "answered"
    assert project.ask(question, "--as", "anna")["status"] == "abstained"
    declaration = project.folder / "colonnade.yaml"
    declaration.write_text(declaration.read_text().replace("hr: [heidi]", "hr: [anna]"))
    assert project.run("up").code == 0
    assert project.ask(question, "--as", "heidi")["status"] == "abstained"
    assert project.ask(question, "--as", "heidi", "--as-of", before)["status"] == "abstained"
    assert project.ask(question, "--as", "anna")["status"] == "answered"


@pytest.mark.slow
def test_readers_of_a_source_can_be_changed(project: Project) -> None:
    question = "When does the office in Lyon open?"
    declaration = project.folder / "colonnade.yaml"
    declaration.write_text(declaration.read_text().replace("./docs, readers: [everyone]", "./docs, readers: [hr]"))
    assert {c["ref"] for c in project.run("plan", "--json").json["changes"]} == {"knowledge/handbook"}
    assert project.run("up").code == 0
    assert project.ask(question, "--as", "anna")["status"] == "abstained"
    assert project.ask(question, "--as", "heidi")["status"] == "answered"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_each_past_instant_equals_a_project_of_that_instants_files(project: Project, tmp_path: Path) -> None:
    steps: list[Callable[[], object]] = [
        lambda: project.write("docs/prices.md", "# Prices\n\nThe Orion pump costs 455 euros.\n"),
        lambda: (project.folder / "docs/office.md").rename(project.folder / "docs/lyon.md"),
        lambda: (project.folder / "docs/prices.md").rename(project.folder / "hr/prices.md"),
        lambda: (project.folder / "docs/lyon.md").unlink(),
    ]

    def moved(old: str) -> bool:
        return project.now()["knowledge"]["handbook"]["content_digest"] not in {None, old}

    instants = []
    for number, step in enumerate([lambda: None, *steps]):
        before = project.status()["knowledge"]["handbook"]["content_digest"]
        step()
        if number:
            until(partial(moved, before), 30)
        instants.append(now())
        then = tmp_path / f"then{number}"
        for name in ("docs", "hr"):
            shutil.copytree(project.folder / name, then / name)
        shutil.copy(project.folder / "colonnade.yaml", then)

    def seen(of: Project, as_of: str | None = None) -> list[object]:
        client = Client(of.url, of.token)
        found: list[object] = []
        for person in ("anna", "heidi"):
            for question in (QUESTION, "When does the office in Lyon open?"):
                hits = client.search(question, acting_as=person, as_of=as_of)["hits"]
                found.append([(hit["path"], hit["start"], round(hit["score"], 6)) for hit in hits])
                answer = client.ask(question, acting_as=person, as_of=as_of)
                found.append((answer["status"], [(c["path"], c["quote"]) for c in answer["citations"]]))
        return found

    for number, instant in enumerate(instants):
        fresh = Project(tmp_path / f"then{number}")
        try:
            fresh.up()
            assert seen(project, instant) == seen(fresh), number
        finally:
            fresh.down()
