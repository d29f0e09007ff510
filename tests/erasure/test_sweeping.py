# SPDX-License-Identifier: Apache-2.0
"""What is kept no longer goes, what anybody needs stays, and a dry run touches nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colonnade.app.settings.declaration import parse_declaration
from colonnade.app.sweeping import GRACE_MS, Sweeping
from colonnade.core.errors import DeclarationError
from colonnade.govern.erasure.needed import Rows, needed
from colonnade.lifecycle.artifacts import Artifacts
from tests.erasure.erasing_room import DECLARATION, Room

LIVE, BACK, TRIED, OLD = (f"sha256:{digit * 64}" for digit in "abcd")


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setenv("COLONNADE_KEYS", str(tmp_path / "keys"))
    one = Room(tmp_path / "room")
    one.write("leave.md", "# Leave\n\nEvery person has thirty days of leave a year.\n")
    one.ingest()
    yield one
    one.close()


def keep(room: Room, **retention: str) -> Sweeping:
    text = DECLARATION + "retention: " + json.dumps(retention) + "\n"
    room.house.declaration = parse_declaration(text, "colonnade.yaml")
    return Sweeping(room.house)


def counts(sweeping: Sweeping, room: Room, *, dry_run: bool) -> Mapping[str, int]:
    found: Mapping[str, int] = sweeping.sweep(room.house.owner, dry_run=dry_run)["counts"]
    return found


def age(path: Path) -> None:
    then = path.stat().st_mtime - 2 * GRACE_MS / 1000
    os.utime(path, (then, then))


def test_without_retention_nothing_goes_but_what_a_kill_left(room: Room) -> None:
    answer = room.ask("How many days of leave has a person?")
    orphan = room.house.blobs.put(b"left by a kill")
    sweeping = Sweeping(room.house)
    assert not any(counts(sweeping, room, dry_run=True).values()), "it is young: it may be about to be named"
    path = room.places.blobs / orphan[7:9] / orphan[7:]
    age(path)
    for blob in room.house.blobs.digests():
        age(room.places.blobs / blob[7:9] / blob[7:])
    assert counts(sweeping, room, dry_run=True)["blobs"] == 1
    assert path.exists()
    assert counts(sweeping, room, dry_run=False) == {
        **dict.fromkeys(counts(sweeping, room, dry_run=True), 0),
        "blobs": 1,
        "bytes": 14,
    }
    assert not path.exists()
    assert room.house.recording.open(room.house.state.rows("answer_get", id=answer.ref[7:])[0]).answer.ref == answer.ref
    assert room.ask("How many days of leave has a person?").status == "answered"
    assert not sweeping.is_due()


def test_old_answers_lose_their_text_and_keep_their_place_in_the_ledger(room: Room) -> None:
    answer = room.ask("How many days of leave has a person?")
    sweeping = keep(room, answers="1s")
    assert sweeping.is_due()
    assert counts(sweeping, room, dry_run=False)["answers"] == 0
    before = sweeping._before
    sweeping._before = lambda what: (before(what) or 0) + 3_600_000 if what == "answers" else before(what)  # type: ignore[method-assign]
    assert counts(sweeping, room, dry_run=True)["answers"] == 1
    assert room.house.state.rows("answer_get", id=answer.ref[7:])[0]["sealed"] is not None
    assert counts(sweeping, room, dry_run=False)["answers"] == 1
    assert room.house.state.rows("answer_get", id=answer.ref[7:])[0]["sealed"] is None
    assert room.house.state.rows("entries_of_subject", subject=answer.ref[7:])
    assert not sweeping.is_due()
    swept = [json.loads(r["bytes"]) for r in room.house.state.rows("entries_newest", seq=1 << 62, limit=9)]
    assert [one["n"]["answers"] for one in swept if one["kind"] == "state.swept"] == [1]
    assert room.verified()


def test_an_artifact_goes_with_its_bytes_unless_a_name_leads_to_it(room: Room) -> None:
    house = room.house
    shelf = Artifacts(house.state, house.blobs, house.keys, house.project)
    data = shelf.put("dataset", {"rows.csv": b"a,b\n1,2\n", "shared.csv": b"shared"}, {})
    model = shelf.put("model", {"model.bin": b"weights"}, {"trained_on": data.digest})
    refused = shelf.put("model", {"model.bin": b"worse", "shared.csv": b"shared"}, {"trained_on": "sha256:" + "0" * 64})
    with house.state.transaction() as tx:
        tx.run("name_create", project=house.project, kind="model/champion", name="credit", digest=model.digest)
    sweeping = keep(room, artifacts="1s")
    sweeping._before = lambda what: house.state.now_ms() + 1000 if what == "artifacts" else None  # type: ignore[method-assign]
    told = counts(sweeping, room, dry_run=True)
    assert (told["artifacts"], told["blobs"]) == (1, 1)
    assert shelf.get(refused.digest)
    assert counts(sweeping, room, dry_run=False) == told
    for kept in (data, model):
        assert all(shelf.read(entry) for entry in shelf.get(kept.digest).files)
    with pytest.raises(Exception, match="not here"):
        shelf.get(refused.digest)
    again = shelf.put("model", {"model.bin": b"worse"}, {})
    assert shelf.read(again.files[0]) == b"worse"


def test_how_long_things_are_kept_is_checked(room: Room) -> None:
    with pytest.raises(DeclarationError):
        keep(room, answers="soon")
    with pytest.raises(DeclarationError):
        keep(room, everything="1d")


def rows(**changed: Any) -> Rows:
    empty: dict[str, Any] = {name: [] for name in Rows.__slots__ if name != "before_ms"}
    return Rows(**{**empty, "before_ms": 100, **changed})


def test_live_ways_back_and_open_rollouts_are_needed_and_what_they_name(room: Room) -> None:
    manifests = {LIVE: f'{{"about": {{"data": "{OLD}"}}}}', BACK: "{}", TRIED: "{}", OLD: "{}"}
    kinds, made = dict.fromkeys(manifests, "model"), dict.fromkeys(manifests, 0)
    assert needed(rows(), manifests, kinds, made) == set()
    names = [{"kind": "model", "name": "m", "digest": LIVE}]
    assert needed(rows(names=names), manifests, kinds, made) == {LIVE, OLD}
    assert needed(rows(rollbacks=[{"was": BACK, "version": TRIED}]), manifests, kinds, made) == {BACK, TRIED}
    rollout = {"champion": BACK, "challenger": TRIED, "state": "canary", "outcome": "", "pipeline": ""}
    assert needed(rows(rollouts=[rollout]), manifests, kinds, made) == {BACK, TRIED}
    over = {**rollout, "state": "ended", "outcome": "rolled_back"}
    assert needed(rows(rollouts=[over]), manifests, kinds, made) == set()
    assert needed(rows(), manifests, kinds, {**made, OLD: 100}) == {OLD}
    assert needed(rows(), manifests, {**kinds, OLD: "code"}, made) == {OLD}


@given(st.lists(st.tuples(st.sampled_from("pqr"), st.booleans(), st.booleans(), st.booleans()), max_size=8))
def test_whatever_pipelines_there_were_the_last_and_the_promoted_keep_their_artifacts(
    drawn: list[tuple[str, bool, bool, bool]],
) -> None:
    digests = [f"sha256:{place:064x}" for place in range(len(drawn))]
    pipelines = [
        {
            "run": f"run{place}", "model": model, "state": "running" if runs else "ended", "version": "",
            "created_ms": 200 if young else 1, "outcome": "promoted" if promoted else "refused",
        }
        for place, (model, runs, young, promoted) in enumerate(drawn)
    ]  # fmt: skip
    steps = [{"pipeline": f"run{place}", "artifact": digest, "told": "{}"} for place, digest in enumerate(digests)]
    all_rows = rows(pipelines=pipelines, steps=steps)
    found = needed(
        all_rows,
        dict.fromkeys(digests, "{}"),
        dict.fromkeys(digests, "report"),
        dict.fromkeys(digests, 0),
    )
    for place, (model, runs, young, promoted) in enumerate(drawn):
        first = model not in [one[0] for one in drawn[:place]]
        assert (digests[place] in found) == (first or runs or young or promoted)
