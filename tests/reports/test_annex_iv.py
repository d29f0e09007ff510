# SPDX-License-Identifier: Apache-2.0
"""Annex IV of the lender: enough is measured, each number has its proof, and whatever is changed is found."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from colonnade.app.reportfiles import write_verifier
from colonnade.app.reporting import check_report, make_report
from colonnade.app.settings.environment import Places
from colonnade.core.merkle import leaf_hash, verify_inclusion
from colonnade.govern.reports.points import POINTS
from colonnade.testing.project import Project

pytestmark = pytest.mark.slow
Document = dict[str, Any]


@pytest.fixture
def annex(places: Places) -> Document:
    return json.loads(json.dumps(make_report(places, "annex-iv")))  # type: ignore[no-any-return]


def by_id(document: Document) -> dict[str, Document]:
    return {one["id"]: one for one in document["statements"]}


def test_it_has_the_points_of_the_law_and_more_than_25_statements_of_it_are_measured(annex: Document) -> None:
    points = [one["point"] for one in annex["sections"]]
    letters = [f"{point}{letter}" for point in "12" for letter in "abcdefgh"]
    assert points == ["1", *letters[:8], "2", *letters[8:], *"3456789"]
    measured = [one for one in annex["statements"] if one["kind"] == "measured"]
    resting = [one for one in measured if one["evidence_of"] and one["value"] not in (0, [])]
    assert len(resting) >= 25
    assert {one.point for one in POINTS if one.asks} <= {one["point"] for one in annex["statements"]}


def test_each_statement_is_measured_with_proofs_declared_with_who_and_when_or_an_empty_hole(annex: Document) -> None:
    root, size = bytes.fromhex(annex["checkpoint"]["root"]), annex["checkpoint"]["size"]
    for one in annex["statements"]:
        assert one["kind"] in {"measured", "declared", "missing"}
        if one["kind"] == "missing":
            assert (one["value"], one["evidence"]) == (None, [])
            assert one["how"]
            continue
        assert one["evidence"], one["id"]
        for each in one["evidence"]:
            assert leaf_hash(each["leaf"].encode()).hex() == each["leaf_hash"]
            proof = [bytes.fromhex(said) for said in each["proof"]]
            assert verify_inclusion(each["index"], size, bytes.fromhex(each["leaf_hash"]), proof, root)
            assert (each["size"], each["root"]) == (size, root.hex())
        if one["kind"] == "declared":
            assert one["by"].startswith("prn_")
            assert one["at_ms"] > 0


def test_numbers_are_those_that_the_house_tells_elsewhere(annex: Document, lender: Project) -> None:
    told, model = by_id(annex), lender.status()["models"]["credit"]
    assert told["1a.version"]["value"] == model["live"]["version"]
    for name, value in model["live"]["metrics"].items():
        assert told[f"2g.metric-{name}"]["value"] == value
    assert told["2a.pipelines"]["value"] == len(model["history"]) == 2
    assert told["1b.captured"]["value"] == 1  # one request with thirty rows
    assert told["2d.train"]["value"] + told["2d.test"]["value"] <= told["2d.rows"]["value"] == 2663
    groups = {one["title"]: one["value"] for ident, one in told.items() if ident.startswith("3.group-")}
    line = next(line for line in model["history"][-1]["slices"] if line["slice"] == {"group": "a"})
    assert groups["accuracy: group a, rows held out"]["value"] == line["metrics"]["accuracy"]["value"]


def test_what_the_register_says_stands_as_declared_and_what_it_does_not_say_is_a_hole(annex: Document) -> None:
    told = by_id(annex)
    assert told["1a.purpose"]["value"].startswith("Tells a clerk")
    assert (told["1a.risk_class"]["kind"], told["1a.risk_class"]["value"]) == ("declared", "high")
    assert told["2b.said"]["kind"] == "declared"
    for hole in ("5.said", "7.said", "8.said", "9.said", "2g.signed"):
        assert told[hole]["kind"] == "missing"


def test_a_stranger_finds_that_it_holds_and_counts_again_in_the_exported_log(
    annex: Document, key: str, lender: Project, tmp_path: Path
) -> None:
    found = check_report(annex, key)
    assert (found["holds"], found["measured"]) == (True, annex["counts"]["measured"])
    assert found["needs_log"]
    assert lender.run("verify", "--export", str(tmp_path / "log")).code == 0
    write_verifier(tmp_path / "program")
    (tmp_path / "annex.json").write_text(json.dumps(annex))
    words = [sys.executable, "-I", str(tmp_path / "program" / "verify_report.py"), str(tmp_path / "annex.json")]
    done = subprocess.run(
        [*words, "--key", key, "--log", str(tmp_path / "log"), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["needs_log"] == []


def test_every_measured_value_that_is_changed_is_found_even_when_the_owner_seals_it_again(
    annex: Document, key: str, resealed: Callable[[Document], Document]
) -> None:
    assert check_report(resealed(annex), key)["holds"]
    for place, one in enumerate(annex["statements"]):
        if one["kind"] == "missing":
            continue
        changed = copy.deepcopy(annex)
        value = one["value"]
        changed["statements"][place]["value"] = value + 1 if isinstance(value, int | float) else "another"
        found = check_report(resealed(changed), key)
        assert [each["statement"] for each in found["findings"]] == [one["id"]], one["id"]


def _first(document: Document, kind: str = "2g.judged") -> Document:
    return by_id(document)[kind]


def _drop(document: Document) -> None:
    one = _first(document, "2a.pipelines")
    one["evidence"], one["value"], one["evidence_of"] = one["evidence"][:1], 1, 1


def _twice(document: Document) -> None:
    one = _first(document)
    one["evidence"] *= 2
    one["value"] = one["evidence_of"] = 2


def _leaf(document: Document) -> None:
    each = _first(document)["evidence"][0]
    each["leaf"] = each["leaf"].replace('"gates":', '"gates":1')
    each["leaf_hash"] = leaf_hash(each["leaf"].encode()).hex()


def _manifest(document: Document) -> None:
    ident = _first(document, "2g.metric-roc_auc")["opened"]["way"][0]["opening"]
    opening = document["openings"][ident]
    opening["manifest"] = opening["manifest"].replace('"roc_auc": 0.', '"roc_auc": 0.9')
    _first(document, "2g.metric-roc_auc")["value"] = json.loads(opening["manifest"])["about"]["metrics"]["roc_auc"]


def _opened(document: Document) -> None:
    ident = _first(document, "1a.purpose")["opened"]["way"][0]["opening"]
    opening = document["openings"][ident]
    opening["value"] = opening["value"].replace("Tells a clerk", "Tells nobody")


def _elsewhere(document: Document) -> None:
    one, other = _first(document), _first(document, "2a.train")
    one["evidence"], one["value"], one["evidence_of"] = other["evidence"], other["value"], other["evidence_of"]


def _filled(document: Document) -> None:
    _first(document, "8.said")["value"] = "It is all fine."


def _grown(document: Document) -> None:
    document["checkpoint"]["size"] += 1


@pytest.mark.parametrize("forge", [_twice, _leaf, _manifest, _opened, _elsewhere, _filled, _grown])
def test_what_is_forged_is_found_by_its_proof_alone(
    annex: Document, key: str, resealed: Callable[[Document], Document], forge: Callable[[Document], None]
) -> None:
    forge(annex)
    assert not check_report(resealed(annex), key)["holds"]


def test_an_entry_that_was_left_out_is_found_in_the_whole_log(
    annex: Document, key: str, resealed: Callable[[Document], Document], lender: Project, tmp_path: Path
) -> None:
    _drop(annex)
    lender.run("verify", "--export", str(tmp_path / "log"))
    assert check_report(resealed(annex), key)["holds"]  # an entry of two is an entry: only the whole log tells
    found = check_report(resealed(annex), key, str(tmp_path / "log"))
    assert [each["statement"] for each in found["findings"]] == ["2a.pipelines"]


def test_a_letter_that_was_changed_after_sealing_is_found(annex: Document, key: str) -> None:
    annex["statements"][0]["title"] += "."
    assert check_report(annex, key)["findings"] == [
        {"statement": None, "message": "the report was changed after it was sealed"}
    ]


def test_another_logs_key_opens_nothing(annex: Document, key: str) -> None:
    name, _, rest = key.partition("+")
    other = check_report({**annex, "checkpoint": {**annex["checkpoint"], "note": "x"}}, f"{name}+{rest}")
    assert not other["holds"]
