# SPDX-License-Identifier: Apache-2.0
"""Builders write what the vocabulary has and no more, there is one for each kind, no leaf shows a name or a text."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from colonnade.core import (
    entries,
    erasure_entries,
    lease_entries,
    model_entries,
    trace_entries,
    tracking_entries,
    watch_entries,
)
from colonnade.core.claims import Claim
from colonnade.core.entries import Stamp
from colonnade.core.ids import PREFIXES, new_id
from colonnade.core.leaf import Leaf, parse_leaf
from colonnade.core.vocabulary import DIGEST_ROLES, KINDS, ROLES, misfits
from colonnade.testing.keys import MemoryKeys

SECRET = "Anna-Maria's salary"


def ident(prefix: str) -> str:
    return new_id(prefix, 1_790_000_000_000, bytes(16))


DIGEST = "sha256:" + "ab" * 32
SAMPLES: dict[str, Any] = {
    "found": {"difference_millionths": -4_100, "high_millionths": -2_200, "low_millionths": -5_900},
    "alias": ident("ali"),
    "answer": ident("ans"),
    "as_of_ms": 1,
    "asker": ident("prn"),
    "by": ident("prn"),
    "changes": 3,
    "chars": 9,
    "chunks": 2,
    "cites": [ident("doc")],
    "content": ident("cnt"),
    "attempts": 1,
    "code": DIGEST,
    "dataset": ident("dst"),
    "files": 1,
    "gates": 2,
    "gave": DIGEST,
    "model": ident("mod"),
    "quarantined": 0,
    "rows": 3,
    "version": DIGEST,
    "claim": Claim(2, 500, 1, 1, 1, 1),
    "command": SECRET.encode(),
    "device": ident("dev"),
    "devices": [ident("dev")],
    "gives_way_to": ident("lse"),
    "gpu_ms": 1,
    "guaranteed_milli": 1,
    "held_ms": 1,
    "lease": ident("lse"),
    "limit_milli": 1,
    "memory_mib": 1,
    "priority": 100,
    "queue": ident("que"),
    "token": 1,
    "uuid": SECRET,
    "data": SECRET.encode(),
    "decision": ident("dec"),
    "declaration": SECRET.encode(),
    "digests": dict.fromkeys(DIGEST_ROLES, DIGEST),
    "document": ident("doc"),
    "done": 5,
    "embedder": DIGEST,
    "epoch": ident("epc"),
    "expires_ms": 99,
    "failed": 1,
    "feedback": ident("fbk"),
    "follows": ident("ans"),
    "generation": 2,
    "given": [(ident("doc"), ident("cnt")), (ident("doc"), "")],
    "groups": [SECRET, "hr"],
    "index": SECRET.encode(),
    "key": ident("key"),
    "knowledge": ident("knw"),
    "ms": 41,
    "name": SECRET,
    "number": 3,
    "note": SECRET,
    "on": ident("knw"),
    "path": SECRET,
    "person": ident("prn"),
    "policy": DIGEST,
    "question": SECRET,
    "readers": ident("rds"),
    "run": ident("run"),
    "service": ident("svc"),
    "settings": {"prompt": SECRET},
    "text": SECRET,
    "tokens_in": 1,
    "tokens_out": 2,
    "alarm": ident("alm"),
    "at": 120,
    "capture": ident("cap"),
    "causes": ["data", "alarm"],
    "corrected": 1,
    "count": 3,
    "decisions": [ident("dec")],
    "mean_millionths": 180_000,
    "observed_millionths": 310_000,
    "recent": 500,
    "rollout": ident("rol"),
    "rollouts": [ident("rol")],
    "services": [ident("svc")],
    "share_millionths": 50_000,
    "stage": 1,
    "requests": 5_000,
    "exposed": 40,
    "rehearsed": 0,
    "challenger_millionths": 21_000,
    "champion_millionths": 1_000,
    "since": 100,
    "unknown": 1,
    "until_ms": 99,
    "versions": [DIGEST, DIGEST],
    "about": [ident("doc"), ident("prn")],
    "answers": 2,
    "contents": 1,
    "counts": dict.fromkeys(("answers", "captures", "runs", "steps", "artifacts", "blobs", "bytes"), 1),
    "erased": [ident("ans"), ident("cnt")],
    "erasure": ident("ers"),
    "keys": 3,
    "client": ident("prn"),
    "holder": ident("prj"),
    "piece": ident("trc"),
}
SEALED = {"dataset.snapshotted", "predictions.captured", "traces.kept", "truths.told"}
"""Kinds whose `content` is bytes, not the id of one."""
ENUMERATED = {
    "action",
    "cause",
    "change",
    "health",
    "isolation",
    "measure",
    "outcome",
    "reason",
    "state",
    "status",
    "step",
    "verdict",
    "way",
}
BUILDERS = {
    name.replace("_", ".", 1): builder
    for module in (
        entries,
        erasure_entries,
        lease_entries,
        model_entries,
        trace_entries,
        tracking_entries,
        watch_entries,
    )
    for name, builder in inspect.getmembers(module, inspect.isfunction)
    if not name.startswith("_") and builder.__module__ == module.__name__
}


@pytest.fixture
def keys() -> MemoryKeys:
    held = MemoryKeys()
    for prefix in PREFIXES:
        held.create(None, ident(prefix), ident("prj"))  # type: ignore[arg-type]
    return held


def build(kind: str, keys: MemoryKeys, *, full: bool, **chosen: str) -> Leaf:
    builder: Callable[..., Leaf] = BUILDERS[kind]
    values: dict[str, Any] = {}
    for name, parameter in inspect.signature(builder).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        if parameter.default is not inspect.Parameter.empty and not full:
            continue
        if kind == "switch.made" and name == "name":
            values[name] = "index"
        elif kind == "decision.made" and name == "readers":
            values[name] = 2
        elif kind == "step.finished" and name == "given":
            values[name] = [ident("dst")]
        elif kind == "candidate.judged" and name == "told":
            values[name] = {"findings": SECRET, "slices": SECRET}
        elif name == "content" and kind in SEALED:
            values[name] = SECRET.encode()
        elif name in ENUMERATED:
            values[name] = KINDS[kind].status[name][0]
        else:
            values[name] = SAMPLES[name]
    values |= chosen
    stamp = Stamp(ident("evt"), 1, ident("prj"), new_id("prn", 2, bytes(16)))
    return builder(*([stamp, keys.mac] if "mac" in inspect.signature(builder).parameters else [stamp]), **values)


def test_there_is_a_builder_for_each_kind_and_a_kind_for_each_builder() -> None:
    assert set(BUILDERS) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("full", [True, False], ids=["everything", "the least"])
def test_a_builder_writes_nothing_beyond_the_vocabulary(kind: str, full: bool, keys: MemoryKeys) -> None:
    leaf = build(kind, keys, full=full)
    assert leaf.kind == kind
    assert misfits(leaf) == []
    assert parse_leaf(leaf.to_bytes()) == leaf


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_all_that_the_vocabulary_has_is_written_by_the_builder(kind: str, keys: MemoryKeys) -> None:
    leaf = build(kind, keys, full=True)
    entry = KINDS[kind]
    assert {role for role, _ in leaf.refs} == set(entry.roles)
    assert set(leaf.mac) == set(entry.mac)
    assert set(leaf.n) == set(entry.n)
    assert set(leaf.status) == set(entry.status)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_name_path_or_text_enters_a_leaf(kind: str, keys: MemoryKeys) -> None:
    data = build(kind, keys, full=True).to_bytes()
    assert b"Anna" not in data
    assert b"salary" not in data
    assert b'"hr"' not in data


def test_macs_are_those_of_the_port_over_the_value(keys: MemoryKeys) -> None:
    leaf = build("document.added", keys, full=True)
    assert leaf.mac["path"] == (ident("doc"), keys.mac(ident("doc"), leaf.id, "path", SECRET.encode()))
    assert leaf.mac["content"] == (ident("doc"), keys.mac(ident("doc"), leaf.id, "content", SECRET.encode()))


def test_given_documents_keep_their_order_and_each_stands_once(keys: MemoryKeys) -> None:
    one, two = new_id("doc", 1, bytes(16)), new_id("doc", 2, bytes(16))
    leaf = build("answer.given", keys, full=True, given=[(two, "c2"), (one, "c1"), (two, "c2")], cites=[one, one])  # type: ignore[arg-type]
    assert leaf.refs[-5:] == (("given", two), ("read", "c2"), ("given", one), ("read", "c1"), ("cites", one))


def test_every_role_has_a_sentence_and_a_use() -> None:
    used = {role for kind in KINDS.values() for role in kind.roles}
    assert used == set(ROLES)
    assert set(DIGEST_ROLES) < used


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "document.eaten"}, "kind document.eaten"),
        ({"subject": "run_1"}, "subject run"),
        ({"refs": (("near", "x"),)}, "role near"),
        ({"refs": (("by", DIGEST),)}, "plain digest as by"),
        ({"mac": {"title": ("doc_1", bytes(32))}}, "mac.title"),
        ({"n": {"words": 1}}, "n.words"),
        ({"status": {"mood": "good"}}, "is.mood=good"),
    ],
)
def test_what_is_beyond_the_vocabulary_is_named(change: dict[str, Any], said: str) -> None:
    leaf: dict[str, Any] = {
        "kind": "document.added",
        "id": "evt_1",
        "at_ms": 1,
        "project": "p",
        "actor": "a",
        "subject": "doc_1",
    }
    assert misfits(Leaf(**leaf)) == []
    assert misfits(Leaf(**{**leaf, **change})) == [said]
