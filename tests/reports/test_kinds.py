# SPDX-License-Identifier: Apache-2.0
"""The other reports of the lender, and their forms: Markdown, HTML, CycloneDX."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from colonnade.app.reporting import check_report, make_report
from colonnade.app.settings.environment import Places
from colonnade.core.errors import UnknownName, UsageError
from colonnade.govern.reports.html import embedded, to_html
from colonnade.govern.reports.kinds import KINDS
from colonnade.govern.reports.markdown import to_markdown
from colonnade.govern.reports.ml_bom import ml_bom
from colonnade.testing.project import Project

pytestmark = pytest.mark.slow
SCHEMAS = Path(__file__).with_name("cyclonedx-1.7.schemas.json.gz")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_report_holds_and_has_something_to_say(kind: str, places: Places, key: str) -> None:
    document = make_report(places, kind)
    assert check_report(json.loads(json.dumps(document)), key)["holds"]
    assert document["counts"]["measured"] > 15


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_page_fetches_nothing_runs_nothing_and_carries_its_proofs(kind: str, places: Places, key: str) -> None:
    document = make_report(places, kind)
    page = to_html(document)
    for word in ("http-equiv", "src=", "@import", "url(", "<link", "onload", "javascript:"):
        assert word not in page.partition('<script type="application/json"')[0]
    assert page.count("<script") == 1
    assert check_report(embedded(page), key)["holds"]
    for one in document["statements"]:
        assert f'id="{one["id"]}"' in page


def test_holes_are_seen_in_every_form(places: Places) -> None:
    document = make_report(places, "annex-iv")
    missing = document["counts"]["missing"]
    assert to_html(document).count('<div class="row missing"') == missing
    assert to_markdown(document).count("| **missing** |") == missing


def test_text_of_the_declaration_cannot_break_out_of_a_page(places: Places) -> None:
    document = json.loads(json.dumps(make_report(places, "annex-iv")))
    for one in document["statements"]:
        one["title"] = one["value"] = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    page = to_html(document)
    assert "<script>alert" not in page
    assert "<img" not in page
    assert embedded(page) == document


def test_article_12_tells_of_every_kind_that_the_log_has(places: Places) -> None:
    document = make_report(places, "art-12")
    counted = {one["rule"]["where"]["kind"]: one["value"] for one in document["statements"]
               if one["point"] == "12.1a" and one["rule"]["take"] == "count"}  # fmt: skip
    assert sum(counted.values()) == document["checkpoint"]["size"]


def test_a_bill_of_materials_is_valid_cyclonedx(places: Places) -> None:
    bom: dict[str, Any] = ml_bom(make_report(places, "model-card"))
    schemas = json.loads(gzip.decompress(SCHEMAS.read_bytes()))
    registry: Registry[Any] = Registry()
    for schema in schemas.values():
        registry = registry.with_resource(schema["$id"], Resource.from_contents(schema, DRAFT7))
    found = [error.message for error in Draft7Validator(schemas["bom-1.7"], registry=registry).iter_errors(bom)]
    assert found == []
    model = bom["metadata"]["component"]
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert {"accuracy", "brier", "group_gap", "roc_auc"} <= {one["type"] for one in metrics}
    assert any("group a" in one["slice"] and "confidenceInterval" in one for one in metrics)
    assert [part["bom-ref"] for part in bom["components"]] == ["dataset", "code-train", "code-evaluate"]
    assert Draft7Validator(schemas["bom-1.7"], registry=registry).is_valid({**bom, "specVersion": 1.7}) is False


def test_of_what_a_report_is_must_be_known(places: Places) -> None:
    with pytest.raises(UnknownName, match="there is no model 'churn'"):
        make_report(places, "annex-iv", model="churn")
    with pytest.raises(UnknownName, match="no service 'x' answers with a model"):
        make_report(places, "annex-iv", service="x")
    with pytest.raises(UsageError, match="no report"):
        make_report(places, "poem")


def test_the_command_writes_checks_and_refuses_without_a_daemon(lender: Project, key: str, tmp_path: Path) -> None:
    out = tmp_path / "annex.html"
    assert lender.run("report", "annex-iv", "--out", str(out)).code == 0
    checked = lender.run("report", "--verify", str(out), "--key", key, "--json")
    assert (checked.code, checked.json["holds"]) == (0, True)
    out.write_text(out.read_text().replace('"value":2663', '"value":2664'))
    assert lender.run("report", "--verify", str(out), "--key", key).code == 1
    assert lender.run("report", "annex-iv", "--json").json["schema"] == "colonnade.report/1"
    assert lender.run("report", "ml-bom").json["bomFormat"] == "CycloneDX"
    assert lender.run("report").code == 2
    assert lender.run("report", "--verify", str(out)).code == 2
    assert lender.run("report", "--verify", str(out), "--key", "nonsense").code == 2
