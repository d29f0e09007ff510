# SPDX-License-Identifier: Apache-2.0
"""Notices of a whole daemon that is killed: what happened before is told after. Real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from colonnade.testing.project import Project, until
from scripts.make_credit import HOME, batch, shuffled, write
from tests.notify.receiver import Receiver, receiving

pytestmark = pytest.mark.slow


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Out of order at first."""
    with receiving(*[503] * 3) as made:
        yield made


@pytest.fixture
def project(tmp_path: Path, receiver: Receiver) -> Iterator[Project]:
    made = Project.copy_of(HOME.parent, tmp_path / "credit")
    made.environment["HOOK_URL"] = f"{receiver.url}/hook"
    declared = made.folder / "colonnade.yaml"
    text = declared.read_text().partition("services:")[0]
    declared.write_text(text + "notify:\n  - {url_env: HOOK_URL, on: [promoted, refused]}\ngateway: {port: 0}\n")
    yield made
    made.down()


def test_killed_before_anybody_took_a_notice_it_is_told_by_the_next_daemon(
    project: Project, receiver: Receiver
) -> None:
    project.up()
    until(lambda: receiver.got, 60)
    told = next(one for one in project.status()["notices"])
    assert (told["to"], told["sent"], told["waiting"]) == ("$HOOK_URL", 0, 1)
    assert "notices to $HOOK_URL: 0 sent, 1 wait (answers 503)" in project.run("status").out
    assert [alarm["code"] for alarm in project.status()["alarms"]] == ["notify_failed"]
    project.kill()
    project.up()
    until(receiver.taken, 60)
    [first] = receiver.taken()
    assert (first["event"], first["model"], first["project"]) == ("promoted", "credit", "credit")
    assert first["version"] == project.status()["models"]["credit"]["live"]["version"]
    assert len({body for _, body, _ in receiver.got}) == 1, "the same notice at every try"
    until(lambda: project.now()["alarms"] == [], 60)

    write(project.folder / "data" / "broken.csv", shuffled(batch(range(180, 250), known_on=300)))
    until(lambda: len(receiver.taken()) == 2, 60)
    refused = receiver.taken()[1]
    assert (refused["event"], refused["url"]) == ("refused", f"{project.url}/models/credit")
    assert "roc_auc is 0." in refused["reason"]
    assert project.status()["notices"][0]["sent"] == 2
