# SPDX-License-Identifier: Apache-2.0
"""Erasing through the real command line: nothing before a second person's word, nothing left after it."""

from __future__ import annotations

import contextlib
import json
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from colonnade.testing.project import Project

MARKER = "Zanzibarquokka"
TEXT = f"# Cards\n\nThe {MARKER} badge opens the archive on floor seven.\n\nIt is renewed every May.\n"
OTHER = "# Leave\n\nEvery person has thirty days of leave a year.\n"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    small = Project.small(tmp_path)
    small.write("docs/cards.md", TEXT)
    small.write("docs/leave.md", OTHER)
    small.write("hr/none.md", "# Pay\n\nSalaries are paid on the 25th.\n")
    small.up()
    yield small
    small.down()


def key_of(project: Project, person: str) -> str:
    done = project.run("keys", "create", f"key-of-{person}", "--for", person, "--json")
    assert done.code == 0, done.err
    return str(done.json["key"])


def as_person(project: Project, key: str, *words: str) -> tuple[int, dict[str, object]]:
    before = dict(project.environment)
    project.environment["COLONNADE_KEY"] = key
    try:
        done = project.run(*words, "--json")
    finally:
        project.environment.clear()
        project.environment.update(before)
    return done.code, json.loads(done.out)


def found_in(home: Path, marker: str) -> list[str]:
    """Files of the state directory that hold the marker: plain, as UTF-16, or within a zlib stream."""
    forms = [marker.encode(), marker.lower().encode(), marker.encode("utf-16-le"), marker.encode("utf-16-be")]
    hits = []
    for path in sorted(home.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        streams = [data]
        for head in (b"\x78\x01", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b"):
            at = data.find(head)
            while at >= 0:
                with contextlib.suppress(zlib.error):
                    streams.append(zlib.decompressobj(47).decompress(data[at:], 1 << 20))
                at = data.find(head, at + 1)
        if any(form in stream for stream in streams for form in forms):
            hits.append(path.name)
    return hits


def test_a_document_is_erased_only_after_a_second_persons_word_and_then_nothing_of_it_is_left(project: Project) -> None:
    heidi = key_of(project, "heidi")
    asked = project.run("ask", f"What does the {MARKER} badge open?", "--as", "anna", "--json").json
    assert asked["status"] == "answered", asked
    then = project.run("ask", "How many days of leave does a person have?", "--json").json
    document = asked["citations"][0]["document"]
    instant = project.run("why", asked["ref"], "--json")
    assert instant.code == 0
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    first = project.run("erase", f"document/{document}", "--json")
    assert first.code == 3, first.err
    plan = first.json
    assert plan["state"] == "asked"
    assert asked["ref"] in plan["answers"]
    assert plan["files"] == ["docs/cards.md"] or plan["files"][0].endswith("cards.md")
    assert project.run("erase", f"document/{document}", "--json").code == 3
    assert project.run("approve", plan["ref"], "--json").code == 3, "the owner who asked cannot approve"
    assert project.run("ask", f"What does the {MARKER} badge open?", "--json").json["status"] == "answered"

    code, done = as_person(project, heidi, "approve", plan["ref"])
    assert code == 0, done
    assert done["state"] == "done"
    assert found_in(project.home, MARKER) == []

    after = project.run("erase", f"document/{document}", "--json")
    assert after.code == 0, after.err
    assert after.json["proof"]["keys_destroyed"] >= 3
    assert project.run("ask", f"What does the {MARKER} badge open?", "--json").json["status"] == "abstained"
    past = project.run("ask", f"What does the {MARKER} badge open?", "--as-of", moment, "--json")
    assert past.json["status"] == "abstained"
    status = project.run("status", "--wait", "60", "--json").json
    held = status["knowledge"]["handbook"]["unreadable"]
    assert [(one["code"], Path(one["path"]).name) for one in held] == [("erased", "cards.md")]

    project.write("docs/another-name.md", TEXT)
    project.run("status", "--wait", "60")
    deadline = time.monotonic() + 30
    while len(held) < 2 and time.monotonic() < deadline:
        held = project.run("status", "--wait", "60", "--json").json["knowledge"]["handbook"]["unreadable"]
    assert sorted(Path(one["path"]).name for one in held) == ["another-name.md", "cards.md"]

    why = project.run("why", asked["ref"], "--json").json
    assert any(node["ref"] == f"document/{document}" and node.get("erased") for node in why["nodes"])
    touched = project.run("impact", f"document/{document}", "--json").json
    assert {asked["ref"], plan["ref"]} <= {node["ref"] for node in touched["nodes"]}
    verified = project.run("verify", "--json")
    assert verified.code == 0, verified.out
    again = project.run("ask", "How many days of leave does a person have?", "--json").json
    assert again["answer"] == then["answer"]
    project.down()
    assert found_in(project.home, MARKER) == []
    assert project.run("verify", "--json").code == 0


def test_a_person_is_erased_with_every_word_of_theirs_while_the_daemon_runs_and_after_a_kill(project: Project) -> None:
    word = "Wolpertinger"
    anna = key_of(project, "anna")
    heidi = key_of(project, "heidi")
    mine = project.run("ask", f"How many days of leave does {word} have?", "--as", "anna", "--json").json
    asked = project.run("erase", "person/anna", f"document/{document_of(project, 'cards.md')}", "--json")
    assert asked.code == 3, asked.err
    assert mine["ref"] in asked.json["answers"]
    assert any("anna stands in the declaration" in line for line in asked.json["left"])
    listed = project.run("approve", "--json").json["waiting"]
    assert [one["ref"] for one in listed] == [asked.json["ref"]]
    code, done = as_person(project, heidi, "approve", asked.json["ref"])
    assert code == 0, done
    project.kill()
    assert found_in(project.home, word) == []
    assert found_in(project.home, MARKER) == []
    assert found_in(project.home, "key-of-anna") == []
    project.up()
    again = project.run("erase", "person/anna", "--json")
    assert again.code == 0, again.out
    code, refused = as_person(project, anna, "approve")
    assert code != 0, refused
    assert project.run("ask", "Who?", "--as", "anna").code == 2
    why = project.run("why", mine["ref"], "--json").json
    assert {node["kind"] for node in why["nodes"] if node.get("erased")} >= {"person", "answer"}
    assert project.run("verify", "--json").code == 0
    project.write("colonnade.yaml", (project.folder / "colonnade.yaml").read_text().replace("anna, ", ""))
    assert project.run("up", "--detach").code == 0
    assert project.run("ask", "How many days of leave does a person have?", "--json").json["status"] == "answered"


def document_of(project: Project, name: str) -> str:
    found = project.run("search", "badge archive floor", "--json").json
    rows = found.get("passages") or found.get("results") or found["hits"]
    return next(str(row["document"]) for row in rows if row["path"].endswith(name))
