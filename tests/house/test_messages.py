# SPDX-License-Identifier: Apache-2.0
"""What a person is told about a declaration: what is wrong where and what to write, what would change for whom, and
which folder is not there.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from colonnade.app.absent import absent_sources
from colonnade.app.plan import changes
from colonnade.app.settings.declaration import parse_declaration
from colonnade.core.errors import DeclarationError
from colonnade.testing.project import SMALL, Project, until

WRONG = [
    ("readers: [hr]", "readers: hr", "sources.1.readers must be a list", "`readers: [hr]`"),
    ("readers: [hr]", "readers: []", "a list with something in it", "`readers: [one, two]`"),
    ("{path: ./hr, readers: [hr]}", "./hr", "sources.1 must be a section", "`- {path: ., readers: [everyone]}`"),
    ("hr: [heidi]", "hr: [heidi h]", '"heidi h" cannot be a person\'s name', "one word"),
    ("hr: [heidi]", "hr: [yes]", "access.groups.hr.0 must be text, not true", "in quotes"),
    ("    hr: [", "    HR: [", '"HR" cannot be a name', "lower-case"),
    ("project: small", "project: small\ngateway: 8700", "gateway must be a section with keys", "beneath it"),
    ("project: small", 'project: small\ngateway: {port: "x"}', 'a whole number, not "x"', "`port: 8700`"),
    ("project: small", "project: small\ngateway: {port: 70000}", "at most 65535, not 70000", "at most 65535"),
    ("    sources:", '    watch: "no"\n    sources:', 'must be true or false, not "no"', "`watch: true`"),
    ("version: 1", "version: 2", "version cannot be 2", "write 1"),
    ("    hr: [", "\thr: [", "not valid YAML", "takes no tabs"),
]


@pytest.mark.parametrize(("right", "wrong", "message", "hint"), WRONG, ids=[w[1].split("\n")[-1] for w in WRONG])
def test_a_wrong_declaration_is_told_in_words_of_ours_with_what_to_write(
    right: str, wrong: str, message: str, hint: str
) -> None:
    assert right in SMALL
    with pytest.raises(DeclarationError) as caught:
        parse_declaration(SMALL.replace(right, wrong, 1), "colonnade.yaml")
    assert message in str(caught.value)
    assert hint in caught.value.hint
    assert "Input should" not in str(caught.value)


def test_a_plan_says_whose_reading_of_which_source_changes() -> None:
    before = parse_declaration(SMALL, "a").model_dump(mode="json")
    text = SMALL.replace("readers: [hr]", "readers: [everyone]").replace("./docs", "./papers")
    (change,) = changes(before, parse_declaration(text, "b").model_dump(mode="json"))
    assert change.why == "./docs: no longer read; ./hr: readers: [hr] -> [everyone]; ./papers: new, for [everyone]"


def test_a_source_that_is_not_there_is_told_with_what_waits_for_it(tmp_path: Path) -> None:
    declaration = parse_declaration(SMALL.replace("./docs", ".").replace("path: ./hr", "path: ./hrr"), "colonnade.yaml")
    (tmp_path / "hr").mkdir()
    (told,) = absent_sources(declaration, tmp_path)
    assert told.startswith("knowledge handbook: the source ./hrr is not there")
    assert "nothing new is read in ., which it lies within" in told
    (tmp_path / "hrr").mkdir()
    assert absent_sources(declaration, tmp_path) == []


@pytest.mark.slow
def test_a_strangers_slips_are_told_and_the_declaration_is_no_document(tmp_path: Path) -> None:
    project = Project.small(tmp_path / "project")
    project.write("docs/pumps.md", "# Pumps\nA pump is oiled every spring.\n")
    text = (project.folder / "colonnade.yaml").read_text()
    project.write("colonnade.yaml", text.replace("./docs", ".").replace("path: ./hr", "path: ./hrr"))
    assert "./hrr is not there" in project.run("plan").err
    try:
        handbook = project.up()["knowledge"]["handbook"]
        assert handbook["documents"] == 0, "a misspelt folder must not get the outer one's readers"
        assert {file["code"] for file in handbook["unreadable"]} == {"missing"}
        project.write("colonnade.yaml", text.replace("./docs", "."))
        handbook = project.up()["knowledge"]["handbook"]
        assert handbook["documents"] == 1, "the declaration is not read"
        made = project.run("keys", "create", "laptop", "--for", "ana")
        assert (made.code, "did you mean anna?" in made.err) == (0, True)
        known = project.run("keys", "create", "desk", "--for", "anna")
        assert "note:" not in known.err
        asked = project.run("ask", "how", "often", "is", "a", "pump", "oiled")
        assert "every spring" in asked.out
        assert "?start=" in asked.out
        assert "docs/pumps.md" in project.run("why", "docs/pumps.md").out
        assert asked.err.partition("answer/")[2].split()[0] in project.run("impact", "document/docs/pumps.md").out
        missing = project.run("evaluate", "--questions", "none.yaml")
        assert (missing.code, "there is no file none.yaml" in missing.err) == (2, True)
        early = project.run("ask", "How often is a pump oiled?", "--as-of", "2020-01-01")
        assert "asked of what stood there at 2020-01-01" in early.err
    finally:
        project.down()


@pytest.mark.slow
def test_ctrl_c_in_the_foreground_is_answered_at_once_and_shows_no_traceback(tmp_path: Path) -> None:
    project = Project.small(tmp_path / "project")
    project.write("docs/pumps.md", "# Pumps\nA pump is oiled every spring.\n")
    running = project.start("up", "--port", "0")
    until(lambda: (project.home / "daemon.url").exists(), 30)
    assert project.run("status", "--wait", "60").code == 0
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert err.index("stopping: ") < err.index("\nstopped")
    assert "Traceback" not in err
