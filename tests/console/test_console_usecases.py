# SPDX-License-Identifier: Apache-2.0
"""The page of use cases: the register as it is declared, reports to take away, for owners alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from colonnade.app.settings.use_cases import UseCase
from colonnade.testing.reports import TypedReports
from tests.console.conftest import OpenPage
from tests.console.console_house import ATTACK, House
from tests.console.test_console_pages import violations

CASE = {
    "owner": "Head of risk", "purpose": f"Tells a clerk {ATTACK}", "risk_class": "high", "models": ["credit"],
    "approvals": [{"by": "Model board", "on": "2026-11-20", "of": "Use in the branches"}],
    "incidents": [{"on": "2026-11-22", "what": "Late labels", "ref": "alarm/alm_1"}], "says": {"2b": "Logistic."},
}  # fmt: skip


@pytest.fixture
def register(house: House) -> Iterator[House]:
    house.reporting = TypedReports({"credit-default": UseCase.model_validate(CASE).model_dump(mode="json")})
    yield house
    house.reporting = TypedReports()


@pytest.mark.usefixtures("register")
def test_the_register_is_shown_as_declared_and_reports_are_taken_away(open_page: OpenPage) -> None:
    page = open_page("/use-cases")
    case = page.locator("[data-testid=use-case]")
    for said in (
        "risk: high",
        "Head of risk",
        "2026-11-20, Model board: Use in the branches",
        "Late labels",
        "points 2b",
    ):
        expect(case).to_contain_text(said)
    expect(case).to_contain_text(ATTACK)
    assert page.evaluate("window.owned") is None
    assert violations(page) == []
    with page.expect_download() as kept:
        page.get_by_role("link", name="Annex IV").click()
    assert kept.value.suggested_filename == "annex-iv-credit.html"
    with page.expect_download() as kept:
        page.get_by_role("link", name="ML-BOM").click()
    assert kept.value.suggested_filename == "ml-bom-credit.json"


def test_without_a_register_the_page_says_how_there_would_be_one(open_page: OpenPage) -> None:
    page = open_page("/use-cases")
    expect(page.locator(".empty")).to_contain_text("use_cases:")
    assert violations(page) == []


def test_a_report_that_cannot_be_made_says_why(open_page: OpenPage) -> None:
    page = open_page("/use-cases/reports/annex-iv")
    expect(page.get_by_role("alert")).to_contain_text("there is no model")


def test_what_is_no_report_is_not_found(open_page: OpenPage) -> None:
    page = open_page("/use-cases/reports/poem")
    expect(page.locator("h1")).to_contain_text("There is nothing here")
