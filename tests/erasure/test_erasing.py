# SPDX-License-Identifier: Apache-2.0
"""Whatever is erased, and wherever the house is killed amid it: keys, rows, files and index entries are gone, nothing
of anybody else's changes, and every proof holds.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colonnade.app import erased
from colonnade.core.errors import Refused, UnknownName, UsageError
from tests.erasure.erasing_room import Killed, Room

CARDS = "# Cards\n\nThe quokka badge opens the archive on floor seven.\n"
LEAVE = "# Leave\n\nEvery person has thirty days of leave a year.\n"


@pytest.fixture
def make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Room]]:
    monkeypatch.setenv("COLONNADE_KEYS", str(tmp_path / "keys"))
    rooms: list[Room] = []

    def made() -> Room:
        rooms.append(Room(tmp_path / f"room-{len(rooms)}"))
        return rooms[-1]

    yield made
    for room in rooms:
        room.dies_in = None
        room.close()


@pytest.fixture
def room(make_room: Callable[[], Room]) -> Room:
    one = make_room()
    one.write("cards.md", CARDS)
    one.write("leave.md", LEAVE)
    one.ingest()
    return one


def sealed_of(room: Room, document: str) -> list[bytes]:
    """The wrapped keys and sealed bytes of a document, as they lie in the store."""
    state = room.house.state
    rows = state.rows("versions_of_document", document=document)
    found = [row["path_sealed"] for row in rows]
    for content in {row["content"] for row in rows}:
        kept = state.rows("content_get", id=content)[0]
        found += [kept["title"], kept["body"], state.rows("subject_key_get", subject=content)[0]["wrapped"]]
    return [*found, state.rows("subject_key_get", subject=document)[0]["wrapped"]]


def test_not_even_sealed_bytes_and_wrapped_keys_are_left_in_any_file_of_the_store(room: Room) -> None:
    answer = room.ask("What does the quokka badge open?")
    sealed = sealed_of(room, room.documents()["cards.md"])
    sealed.append(room.house.state.rows("answer_get", id=answer.ref[7:])[0]["sealed"])
    names = [path.name for path in room.places.home.iterdir() if path.name.startswith("state.db")]
    assert len(names) >= 2, "the write-ahead log is there"

    def held() -> list[int]:
        whole = b"".join((room.places.home / name).read_bytes() for name in names)
        return [place for place, data in enumerate(sealed) if data[-64:] in whole]

    assert held() == list(range(len(sealed)))
    room.erase("document/docs/cards.md")
    assert held() == []


def nothing_left(room: Room, document: str, contents: list[str], blobs: list[str]) -> None:
    """No key, row, sealed file or index entry."""
    state = room.house.state
    for one in (document, *contents):
        assert state.rows("subject_key_get", subject=one)[0]["wrapped"] is None
    assert not state.rows("versions_of_document", document=document)
    assert not any(state.rows("content_get", id=one) for one in contents)
    assert not set(blobs) & set(room.house.blobs.digests())
    index = room.house.loops["handbook"].base.index
    assert not set(contents) & set(index._spans)
    assert index.sizes().chunks == len(index._rows.alive), "gaps are closed"


def about(room: Room, document: str) -> tuple[list[str], list[str]]:
    """(contents, sealed files) of a document."""
    contents = [row["content"] for row in room.house.state.rows("versions_of_document", document=document)]
    rows = [room.house.state.rows("content_get", id=one)[0] for one in contents]
    return contents, [blob for row in rows for blob in (row["raw"], row["text"]) if blob]


def test_who_asked_never_decides_and_the_owner_never_does(room: Room) -> None:
    asked = room.erasing.erase(room.asker("owner"), ["document/docs/cards.md"], dry_run=False)
    ident = asked["ref"].removeprefix("erasure/")
    assert asked["state"] == "asked"
    assert sorted(asked["approvers"]) == ["anna", "heidi"]
    with pytest.raises(Refused):
        room.erasing.decide(ident, room.house.owner, allow=True)
    mine = room.erasing.erase(room.asker("anna"), ["person/anna"], dry_run=False)
    with pytest.raises(Refused):
        room.erasing.decide(mine["ref"].removeprefix("erasure/"), room.person("anna"), allow=True)
    with pytest.raises(Refused):
        room.erasing.erase(room.asker("anna"), ["person/heidi"], dry_run=False)
    with pytest.raises(Refused):
        room.erasing.erase(room.asker("anna"), ["document/docs/cards.md"], dry_run=False)
    room.erasing.decide(ident, room.person("heidi"), allow=False)
    assert room.documents().keys() == {"cards.md", "leave.md"}
    with pytest.raises(UsageError):
        room.erasing.decide(ident, room.person("heidi"), allow=True)


def test_a_dry_run_asks_nobody_and_shows_the_whole_plan(room: Room) -> None:
    answer = room.ask("What does the quokka badge open?")
    plan = room.erasing.erase(room.asker("owner"), ["document/docs/cards.md"], dry_run=True)
    assert plan["state"] == "planned"
    assert plan["answers"] == [answer.ref]
    assert plan["files"] == ["docs/cards.md"]
    assert plan["indexes"][0]["chunks"] >= 1
    assert room.erasing.waiting() == []
    json.dumps(plan)


def test_what_is_no_document_and_no_person_is_not_erased(room: Room) -> None:
    for ref in (f"knowledge/{room.house.loops['handbook'].base.id}", f"person/{room.house.owner}"):
        with pytest.raises(UsageError):
            room.erasing.erase(room.asker("owner"), [ref], dry_run=False)
    with pytest.raises(UnknownName):
        room.erasing.erase(room.asker("owner"), ["document/nowhere.md"], dry_run=False)


def test_other_answers_keep_their_text_and_those_that_were_given_it_lose_it(room: Room) -> None:
    lost, kept = room.ask("What does the quokka badge open?", "anna"), room.ask("How many days of leave has a person?")
    document = room.documents()["cards.md"]
    contents, blobs = about(room, document)
    done = room.erase(f"document/{document}")
    assert done["state"] == "done"
    assert lost.ref in done["answers"]
    nothing_left(room, document, contents, blobs)
    rows = {one.ref: room.house.state.rows("answer_get", id=one.ref[7:])[0] for one in (lost, kept)}
    assert rows[lost.ref]["sealed"] is None
    if kept.ref not in done["answers"]:
        assert room.house.recording.open(rows[kept.ref]).answer.answer == kept.answer
    assert room.ask("What does the quokka badge open?").status == "abstained"
    room.ingest()
    assert room.held() == {"cards.md"}
    assert room.verified()


def test_bytes_that_another_document_holds_stay_there_and_only_there(room: Room) -> None:
    room.write("copy.md", CARDS)
    room.ingest()
    before = room.documents()
    plan = room.erasing.erase(room.asker("owner"), ["document/docs/cards.md"], dry_run=True)
    assert any(before["copy.md"] in line for line in plan["left"])
    assert plan["contents"] == []
    room.erase("document/docs/cards.md")
    room.ingest()
    (room.folder / "docs" / "copy.md").touch()
    room.ingest()
    assert room.held() == {"cards.md"}
    assert room.documents()["copy.md"] == before["copy.md"]
    assert room.ask("What does the quokka badge open?").status == "answered"
    room.erase("document/docs/copy.md")
    room.write("third.md", CARDS)
    room.ingest()
    assert room.held() == {"cards.md", "copy.md", "third.md"}
    assert room.ask("What does the quokka badge open?").status == "abstained"
    assert room.verified()


def test_every_version_of_a_document_goes(room: Room) -> None:
    room.write("cards.md", CARDS.replace("seven", "eight"))
    room.ingest()
    document = room.documents()["cards.md"]
    contents, blobs = about(room, document)
    assert len(set(contents)) == 2
    room.erase("document/docs/cards.md")
    nothing_left(room, document, contents, blobs)
    room.write("cards.md", CARDS)
    room.ingest()
    assert room.held() == {"cards.md"}


def test_a_person_goes_with_what_they_asked_their_keys_and_their_name(room: Room) -> None:
    anna = room.person("anna")
    answer = room.ask("How many days of leave has a person?", "anna")
    with room.house.state.transaction() as tx:
        room.house.api_keys.create(tx, anna, "annas-laptop", actor=room.house.owner)
    done = room.erase("person/anna")
    assert done["state"] == "done"
    assert answer.ref in done["answers"]
    state, project = room.house.state, room.house.project
    assert room.house.people.find("anna") is None
    assert anna not in room.house.people.names()
    assert not [row for row in state.rows("members_of_project", project=project) if row["principal"] == anna]
    held = [row for row in state.rows("api_keys_of_project", project=project) if row["principal"] == anna]
    assert [(row["name"], row["revoked_ms"] is not None) for row in held] == [("(erased)", True)]
    assert state.rows("answer_get", id=answer.ref[7:])[0]["sealed"] is None
    assert b"annas-laptop" not in room.places.state_file.read_bytes()
    assert room.ask("How many days of leave has a person?", "heidi").status == "answered"
    assert room.verified()
    room.kill()
    room.open()
    assert room.house.people.find("anna") is None, "the same declaration does not bring them back"


@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_it_goes_on_before_the_house_serves(make_room: Callable[[], Room], after: bool) -> None:
    for step in range(12):
        room = make_room()
        room.write("cards.md", CARDS)
        room.write("leave.md", LEAVE)
        room.ingest()
        answer = room.ask("What does the quokka badge open?")
        document = room.documents()["cards.md"]
        contents, blobs = about(room, document)
        asked = room.erasing.erase(room.asker("owner"), [f"document/{document}"], dry_run=False)
        ident = asked["ref"].removeprefix("erasure/")
        room.dies_in, room.after = step, after
        try:
            room.erasing.decide(ident, room.person("heidi"), allow=True)
        except Killed:
            room.kill()
            room.open()
        else:
            assert step >= 4, "an erasure has at least the word, the taking away, two files and the end"
            return
        row = room.house.state.rows("erasure_get", id=ident)[0]
        if row["state"] == "asked":
            assert step == 0
            assert not after
            continue
        assert row["state"] == "done"
        nothing_left(room, document, contents, blobs)
        assert room.house.state.rows("answer_get", id=answer.ref[7:])[0]["sealed"] is None
        entries = [one["kind"] for one in room.house.state.rows("entries_of_subject", subject=ident)]
        assert entries.count("erasure.done") == 1
        room.ingest()
        assert room.held() == {"cards.md"}
        assert room.verified()
    raise AssertionError("an erasure has fewer steps")


def test_an_answer_that_was_in_the_making_keeps_no_text(room: Room) -> None:
    answer = room.ask("What does the quokka badge open?")
    room.erase("document/docs/cards.md")
    late = answer.__class__(
        **{**{f: getattr(answer, f) for f in answer.__slots__}, "ref": f"answer/{room.house.state.new_id('ans')}"}
    )
    row = room.house.state.rows("answer_get", id=answer.ref[7:])[0]
    with room.house.state.transaction() as tx:
        room.house.recording.answer(
            tx,
            room.asker("owner"),
            row["service"],
            "What does it open?",
            late,
            row["epoch"],
            row["decision"],
            way="extractive",
        )
    assert room.house.state.rows("answer_get", id=late.ref[7:])[0]["sealed"] is None
    assert room.house.state.rows("subject_key_get", subject=late.ref[7:])[0]["wrapped"] is None


def test_a_state_that_is_older_than_an_erasure_is_brought_up_to_it(room: Room, tmp_path: Path) -> None:
    document = room.documents()["cards.md"]
    contents, blobs = about(room, document)
    room.kill()
    shutil.copytree(room.places.home, tmp_path / "old")
    room.open()
    done = room.erase("document/docs/cards.md")
    room.kill()
    shutil.rmtree(room.places.home)
    shutil.copytree(tmp_path / "old", room.places.home)
    room.open()
    nothing_left(room, document, contents, blobs)
    room.ingest()
    assert room.held() == {"cards.md"}
    again = room.erasing.erase(room.asker("owner"), [done["ref"]], dry_run=False)
    assert again["state"] == "done"
    assert room.verified()


@pytest.mark.parametrize("denied_first", [False, True])
def test_a_backup_from_before_the_word_was_said_is_brought_up_too(
    room: Room, tmp_path: Path, denied_first: bool
) -> None:
    document = room.documents()["cards.md"]
    contents, blobs = about(room, document)
    asked = room.erasing.erase(room.asker("owner"), [f"document/{document}"], dry_run=False)
    room.kill()
    shutil.copytree(room.places.home, tmp_path / "old")
    room.open()
    if denied_first:
        room.erasing.decide(asked["ref"].removeprefix("erasure/"), room.person("heidi"), allow=False)
    done = room.erase(f"document/{document}")
    assert (done["ref"] == asked["ref"]) != denied_first
    room.kill()
    shutil.rmtree(room.places.home)
    shutil.copytree(tmp_path / "old", room.places.home)
    room.open()
    nothing_left(room, document, contents, blobs)
    assert room.erasing.waiting() == []
    assert room.erasing.erase(room.asker("owner"), [done["ref"]], dry_run=False)["state"] == "done"


def test_a_list_of_erasures_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "log.erased"
    line = erased.Line("ers_1", 5, ("doc_1",), (b"\x01" * 32,))
    erased.append(path, line)
    erased.append(path, erased.Line("ers_1", 6, ("doc_1",), (b"\x02" * 32,)))
    whole = path.read_text()
    path.write_text(whole + whole[:20])
    assert erased.read(path) == (erased.Line("ers_1", 6, ("doc_1",), (b"\x01" * 32, b"\x02" * 32)),)
    path.write_text("nonsense\n" + whole)
    with pytest.raises(Exception, match="damaged"):
        erased.read(path)
    assert erased.read(tmp_path / "none") == ()


NAMES = ["a.md", "b.md", "c.md"]
TEXTS = [
    f"# Room {n}\n\nThe {animal} badge opens room {n}.\n"
    for n, animal in enumerate(("quokka", "lemur", "tapir", "otter"))
]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(NAMES), st.sampled_from(TEXTS)),
        st.tuples(st.just("remove"), st.sampled_from(NAMES), st.just("")),
        st.tuples(st.just("erase"), st.sampled_from(NAMES), st.just("")),
        st.tuples(st.just("kill"), st.integers(0, 6), st.booleans()),
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_writing_erasing_and_killing_in_any_order_leaves_what_was_not_erased_and_nothing_else(
    make_room: Callable[[], Room], steps: list[tuple[str, str | int, str | bool]]
) -> None:
    room = make_room()
    lying: dict[str, str] = {}
    gone: set[str] = set()
    placed: set[tuple[str, str]] = set()
    for what, name, value in steps:
        if what == "write":
            lying[str(name)] = str(value)
            room.write(str(name), str(value))
        elif what == "remove":
            lying.pop(str(name), None)
            room.remove(str(name))
        elif what == "kill":
            room.dies_in, room.after = int(name), bool(value)
        try:
            room.ingest()
            if what == "erase" and str(name) in room.documents():
                _expect(room, str(name), gone, placed)
                room.erase(f"document/docs/{name}")
        except Killed:
            room.kill()
            room.open()
            if what == "erase" and (room.erasing.waiting() or str(name) in room.documents()):
                room.erase(f"document/docs/{name}")
        room.dies_in = None
    room.ingest()
    readable = {n for n, text in lying.items() if text not in gone and (n, text) not in placed}
    assert set(room.documents()) == readable
    assert room.held() == set(lying) - readable
    assert room.verified()


def _expect(room: Room, name: str, gone: set[str], placed: set[tuple[str, str]]) -> None:
    """What an erasure of this document will hold back: texts, or texts at its place where others hold them."""
    state = room.house.state
    document = room.documents()[name]
    for row in state.rows("versions_of_document", document=document):
        text = room.house.loops["handbook"].base.shelf.get(row["content"]).text
        holders = {one["document"] for one in state.rows("content_holders", content=row["content"])}
        if holders == {document}:
            gone.add(text)
        else:
            placed.add((name, text))
