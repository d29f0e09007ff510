# SPDX-License-Identifier: Apache-2.0
"""Small attacks on a house in this process: ids with line breaks, names that nobody may have, other ports."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from colonnade.app.backend import HouseBackend
from colonnade.app.house import House
from colonnade.app.runtime import Runtime
from colonnade.app.settings.declaration import parse_declaration
from colonnade.app.settings.environment import places_of
from colonnade.core.answers import Asker
from colonnade.core.errors import UsageError
from colonnade.core.ids import is_id
from colonnade.testing.project import SMALL

ID = "doc_00d0rh86r000000000000000000000000000"


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HouseBackend]:
    monkeypatch.setenv("COLONNADE_KEYS", str(tmp_path / "keys"))
    (tmp_path / "colonnade.yaml").write_text(SMALL, "utf-8")
    for name in ("docs", "hr"):
        (tmp_path / name).mkdir()
    house = House(places_of(tmp_path / "colonnade.yaml"), holder="test")
    house.apply(parse_declaration(SMALL, "colonnade.yaml"))
    runtime = Runtime(house)
    yield HouseBackend(house, runtime, 8700)
    runtime.stop()
    house.close()


def owner_of(backend: HouseBackend) -> Asker:
    house = backend._house
    return Asker(house.owner, house.project, "owner", frozenset(), frozenset(), owner=True)


def entries_of(backend: HouseBackend, kind: str) -> list[dict[str, Any]]:
    rows = backend._house.state.rows("entries_newest", seq=1 << 62, limit=1000)
    return [json.loads(row["bytes"]) for row in rows if row["kind"] == kind]


@pytest.mark.parametrize("tail", ["\n", "\r\n", "\nSet-Cookie: a=b", " "])
def test_an_id_with_something_behind_it_is_no_id(tail: str) -> None:
    assert is_id(ID)
    assert not is_id(ID + tail)


@pytest.mark.parametrize("person", ["", "*", "a\nb", "colonnade", "x" * 200])
def test_a_key_is_made_only_for_whom_a_declaration_could_name(backend: HouseBackend, person: str) -> None:
    with pytest.raises(UsageError):
        backend.create_key(owner_of(backend), "laptop", person, None)


@pytest.mark.parametrize("expires_ms", [-5, 0, 1, 1 << 60])
def test_a_key_ends_in_the_future_and_at_a_time_that_can_be_written(backend: HouseBackend, expires_ms: int) -> None:
    with pytest.raises(UsageError):
        backend.create_key(owner_of(backend), "laptop", "anna", expires_ms)


def test_a_page_on_another_port_is_another_site(backend: HouseBackend) -> None:
    assert {"127.0.0.1:8700", "localhost:8700", "[::1]:8700"} <= backend.snapshot().hosts
    assert "[::1]" not in backend.snapshot().hosts


def test_what_an_owner_does_as_somebody_is_recorded_as_the_owners(backend: HouseBackend) -> None:
    owner = owner_of(backend)
    heidi = replace(backend.snapshot().people["heidi"], acting_for=owner.principal)
    for _ in range(2):
        backend.search(heidi, "handbook", "leave", mode="lexical")
    answer = backend.ask(heidi, "assistant", "How long is the leave?")
    assert backend.feedback(heidi, answer.ref, "wrong", "")
    looked = [e for e in entries_of(backend, "decision.made") if e["is"]["action"] == "impersonate"]
    assert [["by", owner.principal] in e["refs"] for e in looked] == [True, True], (
        "one for the base, one for the service"
    )
    given = entries_of(backend, "feedback.given")
    assert [e["actor"] for e in given] == [owner.principal]


def test_a_document_that_goes_between_search_and_citation_is_left_out(backend: HouseBackend) -> None:
    house = backend._house
    (house.places.folder / "docs" / "safe.md").write_text("The safe opens with 4711.\n", "utf-8")
    os.utime(house.places.folder / "docs" / "safe.md", (1_700_000_000, 1_700_000_000))
    loop, anna = house.loops["handbook"], backend.snapshot().people["anna"]
    assert loop.step()
    assert [f.path for f in backend.search(anna, "handbook", "safe", mode="lexical")] == ["docs/safe.md"]
    index = loop.base.index
    found = index.search("safe", None, readers=anna.readers, mode="lexical")
    index.drop_visibility(house.state.rows("documents_of_knowledge", knowledge=loop.base.id)[0]["id"])
    with pytest.MonkeyPatch.context() as at_once:
        at_once.setattr(index, "search", lambda *_, **__: found)
        assert backend.search(anna, "handbook", "safe", mode="lexical") == []


def test_a_walk_that_the_asker_may_not_see_is_never_walked(backend: HouseBackend) -> None:
    people = backend.snapshot().people
    answer = backend.ask(people["heidi"], "assistant", "How long is the leave?")
    assert backend.why(people["heidi"], answer.ref) is not None
    with pytest.MonkeyPatch.context() as at_once:
        for verb in ("why", "impact"):
            at_once.setattr(f"colonnade.app.pages.{verb}", None)
        assert backend.why(people["anna"], answer.ref) is None
        assert backend.impact(people["anna"], answer.ref) is None
        assert backend.impact(people["anna"], "person/heidi") is None


def test_what_came_of_a_document_tells_a_reader_nothing_of_what_others_asked(backend: HouseBackend) -> None:
    house, people = backend._house, backend.snapshot().people
    (house.places.folder / "docs" / "lamp.md").write_text("The lamp is lit at nine.\n", "utf-8")
    os.utime(house.places.folder / "docs" / "lamp.md", (1_700_000_000, 1_700_000_000))
    assert house.loops["handbook"].step()
    asked = {name: backend.ask(people[name], "assistant", "When is the lamp lit?") for name in ("anna", "heidi")}
    document = f"document/{asked['heidi'].given[0]}"
    walk = backend.impact(people["anna"], document)
    assert walk is not None
    assert [node["ref"] for node in walk.nodes if node["kind"] == "answer"] == [asked["anna"].ref]
    owner = replace(people["anna"], owner=True)
    everything = backend.impact(owner, document)
    assert everything is not None
    assert {answer.ref for answer in asked.values()} <= {node["ref"] for node in everything.nodes}


def test_when_a_key_was_last_used_is_known_to_the_minute(backend: HouseBackend) -> None:
    made = backend.create_key(replace(backend.snapshot().people["anna"], owner=True), "laptop", "anna", None)
    for _ in range(3):
        backend.used(made["id"])
    backend._runtime.writer.submit(lambda _: None).result(10)
    row = next(key for key in backend.keys() if key["id"] == made["id"])  # noqa: SIM118  (no mapping)
    assert row["last_used_ms"] is not None
    assert row["last_used_ms"] <= backend.now_ms()
