# SPDX-License-Identifier: Apache-2.0
"""Another embedding model: answers go on, the switch is at once, killed amid it it goes on; a model that is gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from colonnade.testing.project import SMALL, Project, until
from tests.models import bert_in_numpy

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "lamp", "green", "red", "hall", "number", "the", "of", "is", "."]
MANY = 300


def tiny_model(folder: Path) -> None:
    """A BERT of 32 dimensions that never saw a text."""
    (folder / "1_Pooling").mkdir(parents=True)
    weights = bert_in_numpy.random_weights(2, 32, 64, len(WORDS), 40)
    bert_in_numpy.write_safetensors(folder / "model.safetensors", weights)
    config = {
        "model_type": "bert",
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 40,
        "hidden_act": "gelu",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")


def declare(project: Project, embed_with: str) -> None:
    line = f"    embed_with: {embed_with}\n" if embed_with else ""
    project.write("colonnade.yaml", SMALL.replace("services:", line + "services:"))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A few hundred short files, embedded by the tiny model."""
    made = Project.small(tmp_path)
    tiny_model(tmp_path / "tiny")
    for number in range(MANY):
        made.write(f"docs/{number:03}.md", f"# Hall {number}\n\nThe lamp of hall {number} is number {number * 7}.\n")
    declare(made, "{folder: ./tiny}")
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_model_is_changed_beside_the_answers_and_back_again(project: Project) -> None:
    handbook = project.status()["knowledge"]["handbook"]
    tiny, digest, total = handbook["embedder"], handbook["content_digest"], handbook["embedded_total"]
    assert handbook["embedded"] == handbook["chunks"] == MANY
    question = "Which number is the lamp of hall 17?"
    declare(project, "")
    assert project.run("up").code == 0

    asked = 0
    while project.status()["knowledge"]["handbook"]["state"] != "ready" and asked < 40:
        assert "119" in project.ask(question)["answer"]
        asked += 1
        if asked == 2:
            project.kill()
            project.up(ready=0)
    assert project.run("status", "--wait", "120").code == 0
    handbook = project.status()["knowledge"]["handbook"]
    assert handbook["embedder"] != tiny
    assert handbook["embedded"] == MANY
    assert handbook["embedded_total"] == total + MANY
    assert handbook["content_digest"] != digest
    assert "119" in project.ask(question)["answer"]

    declare(project, "{folder: ./tiny}")
    assert project.run("up").code == 0
    until(lambda: project.now()["knowledge"]["handbook"]["embedder"] == tiny, 60)
    assert project.run("status", "--wait", "60").code == 0
    handbook = project.status()["knowledge"]["handbook"]
    assert (handbook["content_digest"], handbook["embedded_total"]) == (digest, total + MANY)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_model_that_is_gone_is_an_alarm_and_the_rest_goes_on(project: Project, tmp_path: Path) -> None:
    declare(project, "{folder: ./nowhere}")
    assert project.run("up").code == 0
    until(lambda: "model_unsupported" in {alarm["code"] for alarm in project.now()["alarms"]}, 60)
    project.write("docs/new.md", "# Yard\n\nThe lamp of the yard is number 9999.\n")
    until(lambda: "9999" in project.ask("Which number is the lamp of the yard?")["answer"], 60)
    shutil.copytree(tmp_path / "tiny", tmp_path / "nowhere")
    until(lambda: not project.now()["alarms"], 90)
    assert project.run("status", "--wait", "60").code == 0
    assert project.status()["knowledge"]["handbook"]["embedded"] == MANY + 1


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_children_are_started_again_and_work_goes_on(project: Project) -> None:
    import psutil

    def children() -> list[psutil.Process]:
        return psutil.Process(project.pid).children(recursive=True)

    declare(project, "")
    assert project.run("up").code == 0
    killed = 0
    for _ in range(40):
        for child in children():
            if killed < 3:
                os.kill(child.pid, signal.SIGKILL)
                killed += 1
        if killed >= 1 and project.status()["knowledge"]["handbook"]["state"] == "ready":
            break
    assert killed
    assert project.run("status", "--wait", "120").code == 0
    assert project.status()["knowledge"]["handbook"]["embedded"] == MANY
    assert project.status()["alarms"] == []
