# SPDX-License-Identifier: Apache-2.0
"""`why` and `impact` give exactly the ancestors and descendants at the time, no more and no less, and draw them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colonnade.adapters.keys.file import FileKeys
from colonnade.adapters.state.sqlite.engine import MEMORY, SqliteState
from colonnade.core.errors import UnknownName
from colonnade.core.leaf import Leaf
from colonnade.core.lineage import Ref, Walk, parse_ref
from colonnade.govern.lineage import drawing
from colonnade.govern.lineage.drawing import draw
from colonnade.govern.lineage.walk import impact, why
from colonnade.testing.clock import VirtualClock

Recorded = Sequence[tuple[str, Sequence[tuple[str, str]]]]
"""(subject, refs) of each entry, in order."""
NODES = [f"run_{number}" for number in range(8)]
HISTORIES = st.lists(
    st.tuples(st.sampled_from(NODES), st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(NODES)), max_size=3)),
    min_size=1,
    max_size=14,
)


@pytest.fixture
def state() -> Iterator[SqliteState]:
    store = SqliteState(MEMORY, VirtualClock())
    yield store
    store.close()


def record(state: SqliteState, history: Recorded) -> list[str]:
    entries = [state.new_id("evt") for _ in history]
    with state.transaction() as tx:
        for entry, (subject, refs) in zip(entries, history, strict=True):
            tx.append(Leaf("run.started", entry, 1, "prj_1", "prn_1", subject, tuple(refs)))
    return entries


def brute_force(history: Recorded, start: str, *, backwards: bool) -> tuple[set[str], set[tuple[str, str, str]]]:
    """Every path whose places only go back (or only forward), one by one: (nodes, edges as (from, to, role))."""
    edges = [(place, subject, role, ref) for place, (subject, refs) in enumerate(history) for role, ref in refs]
    nodes: set[str] = set()
    used: set[tuple[str, str, str]] = set()
    seen: set[tuple[str, int]] = set()
    paths = [(start, len(history) if backwards else -1)]
    while paths:
        node, bound = paths.pop()
        if (node, bound) in seen:
            continue
        seen.add((node, bound))
        nodes.add(node)
        for place, subject, role, ref in edges:
            here, there = (subject, ref) if backwards else (ref, subject)
            if here == node and (place <= bound if backwards else place >= bound):
                used.add((node, there, role))
                paths.append((there, place))
    return nodes, used


def graph(walk: Walk) -> tuple[set[str], set[tuple[str, str, str]]]:
    ids = {node.ref: node.id for node in walk.nodes}
    assert len(ids) == len(walk.nodes)
    edges = {(node.id, ids[edge.to], edge.role) for node in walk.nodes for edge in node.edges}
    return set(ids.values()), edges


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HISTORIES)
def test_a_walk_equals_the_brute_force_over_all_paths_in_time(history: Recorded) -> None:
    state = SqliteState(MEMORY, VirtualClock())
    record(state, history)
    names = lambda kind, name: f"{kind}_{name}"  # noqa: E731
    for node in {subject for subject, _ in history} | {ref for _, refs in history for _, ref in refs}:
        asked = f"run/{node.removeprefix('run_')}"
        assert graph(why(state, asked, names)) == brute_force(history, node, backwards=True)
        assert graph(impact(state, asked, names)) == brute_force(history, node, backwards=False)
    state.close()


class Acme:
    """Two versions of a document, an answer from the first, feedback on it."""

    def __init__(self, state: SqliteState) -> None:
        new = state.new_id
        self.run1, self.run2, self.doc, self.knw = new("run"), new("run"), new("doc"), new("knw")
        self.anna, self.epoch, self.answer, self.feedback = new("prn"), new("epc"), new("ans"), new("fbk")
        self.digest = "sha256:" + "ab" * 32
        self.entries = record(
            state,
            [
                (self.run1, [("on", self.knw)]),
                (self.doc, [("by", self.run1)]),
                (self.epoch, [("code", self.digest), ("embedder", self.digest.replace("ab", "cd"))]),
                (
                    self.answer,
                    [("by", self.anna), ("under", self.epoch), ("given", self.doc), ("cites", self.doc)],
                ),
                (self.run2, [("on", self.knw)]),
                (self.doc, [("by", self.run2)]),
                (self.feedback, [("about", self.answer), ("by", self.anna)]),
            ],
        )


@pytest.fixture
def acme(state: SqliteState) -> Acme:
    return Acme(state)


def test_what_happened_after_an_answer_did_not_lead_to_it(state: SqliteState, acme: Acme) -> None:
    found = {node.id for node in why(state, f"answer/{acme.answer}").nodes}
    assert acme.run1 in found
    assert acme.run2 not in found
    assert acme.run2 in {node.id for node in why(state, acme.doc).nodes}
    assert acme.answer not in {node.id for node in impact(state, f"run/{acme.run2}").nodes}
    assert acme.answer in {node.id for node in impact(state, f"run/{acme.run1}").nodes}


def test_the_json_is_as_the_contract_says_and_every_ref_can_be_pasted_back(state: SqliteState, acme: Acme) -> None:
    walk = why(state, acme.answer)
    said = walk.to_json()
    assert said["schema"] == "colonnade.why/1"
    assert said["ref"] == f"answer/{acme.answer}" == said["nodes"][0]["ref"]
    assert said["nodes"][0]["kind"] == "answer"
    assert {"to": f"document/{acme.doc}", "role": "cites"} in said["nodes"][0]["edges"]
    kinds = {node["kind"] for node in said["nodes"]}
    assert kinds == {"answer", "person", "epoch", "document", "run", "knowledge", "embedder", "code"}
    for node in walk.nodes:
        assert why(state, node.ref).nodes[0].id == node.id
        assert impact(state, node.ref).ref == node.ref


def test_a_digest_keeps_the_kind_of_its_role(state: SqliteState, acme: Acme) -> None:
    refs = {edge.role: edge.to for node in why(state, acme.epoch).nodes for edge in node.edges}
    assert refs == {"code": f"code/{acme.digest}", "embedder": f"embedder/{acme.digest.replace('ab', 'cd')}"}
    assert acme.answer in {node.id for node in impact(state, refs["embedder"]).nodes}


def test_an_entry_is_asked_about_as_of_then(state: SqliteState, acme: Acme) -> None:
    first, second = (why(state, f"event/{acme.entries[place]}") for place in (1, 5))
    assert [node.id for node in first.nodes] == [acme.doc, acme.run1, acme.knw]
    assert {node.id for node in second.nodes} == {acme.doc, acme.run1, acme.run2, acme.knw}


def test_people_are_found_by_their_declared_name(state: SqliteState, acme: Acme) -> None:
    names = {("person", "anna"): acme.anna}
    walk = impact(state, "person/anna", lambda kind, name: names.get((kind, name)))
    assert [node.id for node in walk.nodes] == [acme.anna, acme.answer, acme.feedback]


@pytest.mark.parametrize("ref", ["", "answer/", "nobody", "person/zoe", "answer/ans_x", "embedder/sha256:00"])
def test_what_was_never_recorded_is_unknown(state: SqliteState, acme: Acme, ref: str) -> None:
    for walk in (why, impact):
        with pytest.raises(UnknownName):
            walk(state, ref)


def test_an_id_under_another_kind_is_unknown(state: SqliteState, acme: Acme) -> None:
    with pytest.raises(UnknownName):
        why(state, f"document/{acme.answer}")
    with pytest.raises(UnknownName):
        why(state, state.new_id("ans"))


def test_what_is_erased_shows_as_erased(tmp_path: Path) -> None:
    state = SqliteState(tmp_path / "state.db", VirtualClock())
    keys = FileKeys(tmp_path / "keys", "log1", state, create=True)
    acme = Acme(state)
    with state.transaction() as tx:
        keys.create(tx, acme.doc, "prj_1")
        keys.create(tx, acme.anna, "prj_1")
        keys.destroy(tx, acme.doc)
    walk = why(state, acme.answer)
    assert {node.id for node in walk.nodes if node.erased} == {acme.doc}
    assert {"ref": f"document/{acme.doc}", "erased": True}.items() <= walk.to_json()["nodes"][3].items()
    assert f"given, cites document/{acme.doc}  (erased)" in draw(walk, lambda node: "secret.md")
    state.close()


def test_the_drawing_names_each_thing_once_in_full(state: SqliteState, acme: Acme) -> None:
    labels = {acme.doc: "docs/leave.md", acme.anna: "anna"}
    drawn = draw(why(state, acme.answer), lambda node: labels.get(node.id, ""))
    assert drawn.splitlines() == [
        f"answer/{acme.answer}",
        f"├── by person/{acme.anna}  anna",
        f"├── under epoch/{acme.epoch}",
        f"│   ├── code code/{acme.digest}",
        f"│   └── embedder embedder/{acme.digest.replace('ab', 'cd')}",
        f"└── given, cites document/{acme.doc}  docs/leave.md",
        f"    └── by run/{acme.run1}",
        f"        └── on knowledge/{acme.knw}",
    ]


def test_what_was_drawn_already_is_only_named_again(state: SqliteState) -> None:
    record(
        state,
        [("run_3", [("by", "run_4")]), ("run_2", [("by", "run_3")]), ("run_1", [("by", "run_3"), ("on", "run_2")])],
    )
    walk = why(state, "run/1", lambda kind, name: f"run_{name}")
    assert draw(walk).splitlines() == [
        "run/run_1",
        "├── by run/run_3",
        "│   └── by run/run_4",
        "└── on run/run_2",
        "    └── by run/run_3 (above)",
    ]


def test_a_leaf_of_the_graph_says_so(state: SqliteState, acme: Acme) -> None:
    assert "nothing is recorded before it" in draw(why(state, acme.knw))
    assert "touched nothing yet" in draw(impact(state, acme.feedback))


def test_a_long_chain_is_cut_in_the_drawing_but_not_in_the_walk(state: SqliteState) -> None:
    record(state, [(f"run_{number}", [("by", f"run_{number - 1}")]) for number in range(1, 3000)])
    walk = why(state, "run/2999", lambda kind, name: f"run_{name}")
    assert len(walk.nodes) == 3000
    assert draw(walk).splitlines()[-1].endswith("... and further")
    assert len(draw(walk).splitlines()) == drawing.DEPTH + 3


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("person/anna", Ref("person", name="anna")),
        ("anna", Ref("", name="anna")),
        ("knowledge/handbook@sha256:ab", Ref("knowledge", "sha256:ab")),
        ("embedder/sha256:ab", Ref("embedder", "sha256:ab")),
        ("sha256:ab", Ref("artifact", "sha256:ab")),
        ("document/docs/a.md", Ref("document", name="docs/a.md")),
    ],
)
def test_refs_are_read_as_people_write_them(text: str, ref: Ref) -> None:
    assert parse_ref(text) == ref


def test_a_principal_is_a_person_whichever_word_is_used(state: SqliteState, acme: Acme) -> None:
    for word in ("person", "principal"):
        assert impact(state, f"{word}/{acme.anna}").ref == f"person/{acme.anna}"
