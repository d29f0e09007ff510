# SPDX-License-Identifier: Apache-2.0
"""The loop over real files: changes, renames, duplicates, bad names, bad moments, sources that come and go."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from colonnade.core.errors import Lost, StorageFull
from colonnade.knowledge.ingest.loop import YOUNG_LOOKS
from tests.ingest.ingest_room import MakeRoom, Room


def test_files_are_found_changed_renamed_and_removed(room: Room) -> None:
    file = room.write("docs/pump.md", "# Pump\n\nThe pump costs 410 euros.\n")
    assert room.settle() == 1
    assert room.paths("pump costs") == {"docs/pump.md"}
    embedded = room.embedded_total()
    before = room.state.now_ms()

    file.rename(room.folder / "docs/price.md")
    room.settle()
    assert room.paths("pump costs") == {"docs/price.md"}
    assert room.embedded_total() == embedded
    assert room.paths("pump costs", at_ms=before) == {"docs/pump.md"}

    room.write("docs/price.md", "# Pump\n\nThe pump costs 455 euros.\n")
    room.settle()
    assert room.embedded_total() == embedded + 1

    (room.folder / "docs/price.md").unlink()
    room.settle()
    assert room.paths("pump costs") == set()
    assert room.paths("pump costs", at_ms=before) == {"docs/pump.md"}


def test_at_rest_nothing_is_written_and_nothing_asked_twice(room: Room) -> None:
    room.write("docs/a.md", "Some words about a valve.\n")
    room.settle()
    entries = room.state.rows("entries_count")[0]["count"]
    for _ in range(5):
        assert room.loop.step() is False
    assert room.state.rows("entries_count")[0]["count"] == entries


def test_a_folder_of_many_files_is_renamed_without_embedding_anything(room: Room) -> None:
    for number in range(150):
        room.write(f"docs/old/{number}.md", f"Sheet {number} is about valve {number * 7}.\n")
    room.settle()
    embedded = room.embedded_total()
    documents = {known.document for known in room.loop.known().values()}
    (room.folder / "docs/old").rename(room.folder / "docs/new")
    room.settle()
    assert room.embedded_total() == embedded
    assert {known.document for known in room.loop.known().values()} == documents
    assert all(path.startswith("docs/new/") for path in room.loop.known())


def test_moved_to_another_source_a_file_gets_its_readers_and_leaves_its_past_behind(make_room: MakeRoom) -> None:
    room = make_room((("docs", "rds_all"), ("hr", "rds_hr")))
    file = room.write("hr/plan.md", "The secret plan names Orion.\n")
    room.settle()
    secret = room.state.now_ms()
    room.write("hr/plan.md", "The public plan names nobody.\n")
    room.settle()
    file.rename(room.folder / "docs/plan.md")
    room.settle()
    assert room.paths("public plan", "rds_all") == {"docs/plan.md"}
    assert room.paths("public plan", "rds_hr") == set()
    assert room.paths("secret plan Orion", "rds_all", at_ms=secret) == set()
    assert room.paths("secret plan Orion", "rds_hr", at_ms=secret) == {"hr/plan.md"}


def test_moved_out_of_what_all_may_read_a_file_is_gone_for_those_who_may_not(make_room: MakeRoom) -> None:
    room = make_room((("docs", "rds_all"), ("hr", "rds_hr")))
    file = room.write("docs/salaries.md", "Salaries of all fitters.\n")
    room.settle()
    file.rename(room.folder / "hr/salaries.md")
    room.settle()
    assert room.paths("salaries fitters", "rds_all") == set()
    assert room.paths("salaries fitters", "rds_hr") == {"hr/salaries.md"}


def test_a_source_within_another_belongs_to_its_own_readers_only(make_room: MakeRoom) -> None:
    room = make_room((("docs", "rds_all"), ("docs/hr", "rds_hr")))
    room.write("docs/a.md", "The plain note.\n")
    room.write("docs/hr/b.md", "The hidden note.\n")
    assert room.settle() == 1
    assert room.paths("note", "rds_all") == {"docs/a.md"}
    assert room.paths("note", "rds_hr") == {"docs/hr/b.md"}


def test_of_equal_files_each_reader_sees_the_one_that_they_may_read(make_room: MakeRoom) -> None:
    room = make_room((("docs", "rds_all"), ("hr", "rds_hr")))
    for path in ("docs/z.md", "hr/a.md"):
        room.write(path, "The same words twice.\n")
    room.settle()
    assert room.embedded_total() == 1
    assert room.paths("same words", "rds_all") == {"docs/z.md"}
    assert room.paths("same words", "rds_hr") == {"hr/a.md"}
    (room.folder / "docs/z.md").unlink()
    room.settle()
    assert room.paths("same words", "rds_all") == set()
    assert room.paths("same words", "rds_hr") == {"hr/a.md"}


NAMES = [
    pytest.param(b"plain.md", id="plain"),
    pytest.param(b"caf\xe9.md", id="invalid UTF-8"),
    pytest.param(b"two\nlines.md", id="a newline"),
    pytest.param(b"quote\"'\\.md", id="quotes"),
    pytest.param("ünïcödé 名前.md".encode(), id="letters of all kinds"),
    pytest.param(b"x" * 252 + b".md", id="as long as a name may be"),
]


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_are_read_kept_and_recognised_again(room: Room, name: bytes) -> None:
    room.write(b"docs/" + name, "The odd name has a lamp.\n")
    assert room.settle() == 1
    assert len(room.paths("odd lamp")) == 1
    assert room.settle() == 0
    room.restart()
    assert room.settle() == 0


@pytest.mark.parametrize("name", NAMES[1:4])
def test_odd_names_reach_the_parsers_children_too(room: Room, name: bytes) -> None:
    room.write(b"docs/" + name.replace(b".md", b".docx"), b"not a zip")
    room.settle()
    assert list(room.unreadable().values()) == ["corrupt"]


def test_a_path_longer_than_the_system_takes_stops_nothing(room: Room) -> None:
    deep = os.open(room.folder / "docs", os.O_RDONLY)
    for _ in range(18):
        os.mkdir("d" * 250, dir_fd=deep)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)
    room.write("docs/z.md", "A short path.\n")
    room.settle()
    assert room.paths("short path") == {"docs/z.md"}
    assert list(room.unreadable().values()) == ["unsupported"]
    shutil.rmtree(room.folder / "docs" / ("d" * 250), ignore_errors=True)


def test_empty_files_are_read_and_found_by_nothing(room: Room) -> None:
    room.write("docs/empty.md", "")
    room.write("docs/blank.txt", " \n\n")
    assert room.settle() == 1
    assert room.settle() == 0
    assert set(room.loop.known()) == {"docs/empty.md", "docs/blank.txt"}


def test_a_source_that_goes_away_is_told_and_nothing_is_forgotten(room: Room) -> None:
    room.write("docs/a.md", "The lamp is green.\n")
    room.settle()
    (room.folder / "docs").rename(room.folder / "elsewhere")
    room.settle()
    assert room.paths("lamp") == {"docs/a.md"}
    mark = room.state.rows("meta_get", key="ready/knw_1")[0]["value"]
    assert '"missing": {"docs"' in mark
    (room.folder / "elsewhere").rename(room.folder / "docs")
    room.settle()
    assert '"missing": {}' in room.state.rows("meta_get", key="ready/knw_1")[0]["value"]


def test_a_file_replaced_by_a_folder_and_back(room: Room) -> None:
    file = room.write("docs/a.md", "The lamp is green.\n")
    room.settle()
    file.unlink()
    room.write("docs/a.md/inner.md", "The lamp is red.\n")
    room.settle()
    assert room.paths("lamp") == {"docs/a.md/inner.md"}
    shutil.rmtree(file)
    room.write("docs/a.md", "The lamp is blue.\n")
    room.settle()
    assert room.paths("lamp") == {"docs/a.md"}


def test_a_source_undeclared_is_gone_and_comes_back_without_embedding_anew(make_room: MakeRoom) -> None:
    room = make_room((("docs", "rds_all"), ("more", "rds_all")))
    room.write("docs/a.md", "The lamp is green.\n")
    room.write("more/b.md", "The lamp is red.\n")
    room.settle()
    embedded, both = room.embedded_total(), room.loop.sources
    room.loop.sources = both[:1]
    room.settle()
    assert room.paths("lamp") == {"docs/a.md"}
    room.loop.sources = []
    room.settle()
    assert room.paths("lamp") == set()
    room.loop.sources = both
    room.settle()
    assert room.paths("lamp") == {"docs/a.md", "more/b.md"}
    assert room.embedded_total() == embedded


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        ((), (), {"a.md", "b.txt", "sub/c.md", "sub/deep/d.md"}),
        (("*.md",), (), {"a.md", "sub/c.md", "sub/deep/d.md"}),
        (("**/*.md",), ("sub/deep/**",), {"a.md", "sub/c.md"}),
        ((), ("sub/**",), {"a.md", "b.txt"}),
        (("sub/*.md",), (), {"sub/c.md"}),
        ((), ("*",), set()),
    ],
)
def test_include_and_exclude(room: Room, include: tuple[str, ...], exclude: tuple[str, ...], taken: set[str]) -> None:
    for path in ("a.md", "b.txt", "sub/c.md", "sub/deep/d.md"):
        room.write(f"docs/{path}", f"The note at {path}.\n")
    room.loop.sources = [room.source("docs", "rds_all", include=include, exclude=exclude)]
    room.settle()
    assert {path.removeprefix("docs/") for path in room.loop.known()} == taken


def test_a_file_still_being_written_is_not_read_half(room: Room) -> None:
    room.settle()
    room.write("docs/a.md", "Half of", age_s=0)
    assert room.loop.step() is False
    assert room.loop.known() == {}
    room.write("docs/a.md", "Half of it is not all of it.\n")
    assert room.settle() == 1
    assert room.paths("half") == {"docs/a.md"}


def test_a_file_that_never_comes_to_rest_is_read_all_the_same(room: Room) -> None:
    for number in range(YOUNG_LOOKS + 2):
        room.write("docs/log.txt", "line\n" * (number + 1), age_s=0)
        room.loop.step()
    assert set(room.loop.known()) == {"docs/log.txt"}


def test_what_an_unlistable_folder_held_is_not_lost(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.write("docs/sub/a.md", "The lamp is green.\n")
    room.settle()
    real = os.scandir

    def refusing(path: str) -> object:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", refusing)
    room.settle()
    assert room.unreadable() == {"docs/sub": "permission"}
    assert room.paths("lamp") == {"docs/sub/a.md"}
    monkeypatch.setattr(os, "scandir", real)
    room.settle()
    assert room.unreadable() == {}
    assert room.paths("lamp") == {"docs/sub/a.md"}


def test_a_full_disk_amid_a_batch_loses_nothing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        room.write(f"docs/{number}.md", f"The lamp number {number} is green.\n")
    monkeypatch.setattr(room.blobs, "put_many", _full)
    with pytest.raises(StorageFull):
        room.loop.step()
    room.loop.forget()
    monkeypatch.undo()
    room.settle()
    assert len(room.paths("lamp")) == 5
    assert room.runs() == ["failed", "done"]


def test_a_successor_goes_on_where_a_killed_daemon_was(room: Room, make_room: MakeRoom) -> None:
    other = make_room()
    for one in (room, other):
        for number in range(140):
            one.write(f"docs/{number}.md", f"The lamp number {number} is green.\n")
    other.settle()
    batches = []

    def dies() -> None:
        batches.append(1)
        if len(batches) == 2:
            raise KeyboardInterrupt

    room.loop.changed = dies
    with pytest.raises(KeyboardInterrupt):
        room.loop.step()
    room.restart()
    room.settle()
    assert room.loop.base.content_digest() == other.loop.base.content_digest()
    assert room.embedded_total() == other.embedded_total() == 140


def test_whoever_lost_the_lease_writes_nothing_more(room: Room) -> None:
    room.write("docs/a.md", "The lamp is green.\n")
    room.settle()
    room.write("docs/b.md", "The lamp is red.\n")
    with room.state.transaction() as tx:
        tx.run("leases_break")
        tx.run("lease_take", name="ingest/knw_1", holder="another", expires_ms=room.state.now_ms() + 99, now_ms=0)
        tx.run("lease_take", name="ingest/knw_1", holder="another", expires_ms=1 << 60, now_ms=1)
    with pytest.raises(Lost):
        room.loop.step()
    assert room.state.rows("versions_live", knowledge="knw_1").__len__() == 1
    assert room.loop.step() is False


def test_a_links_target_outside_is_told_and_not_read(room: Room, tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text("The outside lamp.\n")
    (room.folder / "docs/link.md").symlink_to(outside)
    (room.folder / "docs/dangling.md").symlink_to(tmp_path / "nowhere")
    (room.folder / "docs/loop.md").symlink_to(room.folder / "docs/loop.md")
    room.write("docs/inside.md", "The inside lamp.\n")
    (room.folder / "docs/again.md").symlink_to(room.folder / "docs/inside.md")
    room.settle()
    assert room.paths("lamp") == {"docs/inside.md"}
    assert room.unreadable() == {"docs/link.md": "outside"}


def _full(blobs: object) -> list[str]:
    raise StorageFull("no space left")


def test_a_renamed_folder_of_its_own_readers_is_not_opened_to_those_around_it(
    make_room: MakeRoom,
) -> None:
    room = make_room(((".", "rds_all"), ("hr", "rds_hr")))
    room.write("open.md", "The gate opens at noon.\n")
    room.write("hr/pay.md", "The pay of the gatekeeper is 4711.\n")
    room.settle()
    (room.folder / "hr").rename(room.folder / "hr-old")
    room.write("new.md", "The gate in Turin closes at nine.\n")
    room.settle()
    assert room.paths("pay of the gatekeeper") & {"hr-old/pay.md", "hr/pay.md"} == set()
    assert "hr/pay.md" in room.paths("pay of the gatekeeper", "rds_hr")
    assert "open.md" in room.paths("gate opens at noon")
    assert room.paths("Turin") & {"new.md"} == set()
    (room.folder / "hr-old").rename(room.folder / "hr")
    room.settle()
    assert "new.md" in room.paths("Turin")
    assert room.paths("pay of the gatekeeper") & {"hr-old/pay.md", "hr/pay.md"} == set()
