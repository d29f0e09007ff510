# SPDX-License-Identifier: Apache-2.0
"""Labels that come with new data find the latest prediction for their key, once."""

from __future__ import annotations

from tests.watching.watch_room import MODEL, PROJECT, WatchRoom


def taken_in(room: WatchRoom, text: str) -> str:
    """A pipeline has taken this file in."""
    dataset = room.artifacts.put("dataset", {"data.csv": text.encode()}, {"columns": {}}).digest
    run, subject, now = room.state.new_id("run"), room.state.new_id("dst"), room.at_ms + 1
    with room.state.transaction() as tx:
        tx.run("pipeline_add", run=run, project=PROJECT, model=MODEL, cause="new data", wanted="{}", created_ms=now)
        tx.run("pipeline_step_add", pipeline=run, step="snapshot", place=0)
        tx.run(
            "pipeline_step_set", pipeline=run, step="snapshot", state="done", key="", run="", lease="",
            artifact=dataset, subject=subject, attempts=1, not_before_ms=0, error="", told="{}",
            started_ms=now, finished_ms=now,
        )  # fmt: skip
    room.clock.advance(1)
    for _ in range(10):
        if not room.watch.step():
            break
    return subject


def truths(room: WatchRoom) -> list[tuple[str, str, str]]:
    return [
        (t.ref, str(t.row["customer"]), str(t.labels[-1][1]))
        for t in room.watch.truths.between("request/", "request/g")
    ]


def test_a_label_in_new_data_is_the_truth_about_the_latest_prediction_for_its_key() -> None:
    room = WatchRoom()
    room.promote([0.04] * 100)
    taken_in(room, "customer,default\nold,1\na,\n")
    first = room.asked(0.9, customer="a")
    both = room.exchange([{"customer": "b"}, {"customer": "a"}], b"[0.1, 0.2]")
    other = room.asked(0.5, customer="old")
    room.watch.put([first, both, other])
    room.watch.flush()
    dataset = taken_in(room, "customer,default\nold,1\na,1\nb,0\nnobody,1\n")
    assert truths(room) == [(both.ref, "b", "0"), (both.ref, "a", "1")]
    assert [(o.ref, o.row) for o in room.outcomes] == [(both.ref, 0), (both.ref, 1)]
    entry = room.entries("truths.told")[-1]
    assert (entry["is"], entry["refs"]) == ({"way": "joined"}, [["by", dataset]])


def test_what_was_known_before_is_no_news_and_a_later_prediction_is_later_truth() -> None:
    room = WatchRoom()
    room.promote()
    taken_in(room, "customer,default\n")
    room.watch.put([room.asked(0.9, customer="a")])
    room.watch.flush()
    taken_in(room, "customer,default\na,1\n")
    later = room.asked(0.2, customer="a")
    room.watch.put([later])
    room.watch.flush()
    taken_in(room, "customer,default\na,1\nz,1\n")
    assert len(truths(room)) == 1
    taken_in(room, "customer,default\na,1\nz,1\na,0\n")
    assert truths(room)[-1] == (later.ref, "a", "0")


def test_a_correction_in_data_corrects_and_a_prediction_after_the_data_is_not_meant() -> None:
    room = WatchRoom()
    room.promote()
    taken_in(room, "customer,default\n")
    one = room.asked(0.9, customer="a")
    room.watch.put([one])
    room.watch.flush()
    taken_in(room, "customer,default\na,1\n")
    taken_in(room, "customer,default\na,0\n")
    kept = room.watch.truths.of(one.ref)[0]
    assert [label for _, label in kept.labels] == ["1", "0"]
    assert len(room.outcomes) == 1
