# SPDX-License-Identifier: Apache-2.0
"""What `up` tells to try next, and when `status --wait` stops waiting for a daemon that nobody starts."""

from __future__ import annotations

import time
from argparse import Namespace
from pathlib import Path

import pytest

from colonnade.app import presence
from colonnade.app.settings.declaration import parse_declaration
from colonnade.app.settings.environment import places_of
from colonnade.cli import status
from colonnade.cli.up import next_words

MODEL = "version: 1\nproject: one\nmodels:\n  churn: {data: [d.csv], label: left, train: a.py, evaluate: b.py}\n"


def test_a_project_without_knowledge_is_not_told_to_ask() -> None:
    served = parse_declaration(f"{MODEL}services:\n  churn: {{model: churn}}\n", "colonnade.yaml")
    assert next_words(served) == ["predict churn FILE.csv", "why model/churn"]
    assert next_words(parse_declaration(MODEL, "colonnade.yaml")) == ["why model/churn"]
    assert next_words(parse_declaration("version: 1\nproject: one\n", "colonnade.yaml")) == []


def test_a_project_with_knowledge_is_told_to_ask_and_which_service_where_there_are_two() -> None:
    text = "version: 1\nproject: one\nknowledge:\n  k: {sources: [{path: d, readers: [everyone]}]}\n"
    one = parse_declaration(f"{text}services:\n  a: {{knowledge: k}}\n", "colonnade.yaml")
    assert next_words(one) == ['ask "..."']
    two = parse_declaration(f"{text}services:\n  a: {{knowledge: k}}\n  b: {{knowledge: k}}\n", "colonnade.yaml")
    assert next_words(two) == ['ask "..." --service a']


def test_waiting_ends_where_no_daemon_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "COMING_S", 0.0)
    (tmp_path / "colonnade.yaml").write_text("version: 1\nproject: one\n")
    began = time.monotonic()
    assert status.run(Namespace(folder=str(tmp_path), wait=600.0, json=True)) == 1
    assert time.monotonic() - began < 300
    told = capsys.readouterr()
    assert '"daemon":"stopped"' in told.out.replace(" ", "")
    assert "`colonnade up` starts one" in told.err


def test_waiting_asks_for_a_look_at_the_data_that_began_after_it(tmp_path: Path) -> None:
    places = places_of(tmp_path / "colonnade.yaml")
    places.home.mkdir()
    assert presence.has_looked(places, 7), "a daemon that does not tell holds nobody up"
    presence.tell_looked(places, 6)
    assert not presence.has_looked(places, 7)
    presence.tell_looked(places, 7)
    assert presence.has_looked(places, 7)
