# SPDX-License-Identifier: Apache-2.0
"""What every page promises: readable without script, accessible in light and dark, narrow, silent, escaped, alike for
unknown and forbidden.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from playwright.sync_api import Page

from colonnade.gateway.console import assets
from colonnade.testing import backend_documents as data
from tests.console.conftest import OpenPage, ask
from tests.console.console_house import ATTACK, LONG, House, fixed_id

AXE = Path(__file__).parent / "vendor/axe-core-4.14.1/axe.min.js"
TRAVEL = f"/documents/{fixed_id('doc', 11)}@{fixed_id('cnt', 1102)}"
PAGES = {
    "ask": "/",
    "answers": "/answers",
    "source": f"{TRAVEL}?start=30&end=60&chunks=1#span",
    "code": f"/documents/{fixed_id('doc', 16)}",
    "hostile": f"/documents/{fixed_id('doc', 14)}",
    "knowledge": "/knowledge",
    "handbook": "/knowledge/handbook",
    "runs": "/runs",
    "run": f"/runs/{fixed_id('run', 8)}",
    "ledger": "/ledger",
    "keys": "/keys",
    "ref": f"/refs/document/{fixed_id('doc', 11)}",
    "find": "/find?q=answer/nothing",
    "missing": "/nothing/here",
}


def violations(page: Page) -> list[str]:
    """Serious and critical findings of axe in light, then those of contrast in dark, with every fold of the page open.

    Injected by evaluate, which the page's policy permits. Of axe's rules only contrast depends on colours.
    """
    page.locator("details").evaluate_all("all => all.forEach(d => d.open = true)")
    page.emulate_media(color_scheme="light")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
    page.emulate_media(color_scheme="dark")
    found += page.evaluate(
        "axe.run(document, {runOnly: {type: 'rule', values: ['color-contrast']}}).then(r => r.violations)"
    )
    return [
        f"{v['impact']} {v['id']}: {[n['target'] for n in v['nodes']][:4]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


def test_axe_finds_nothing_serious_on_any_page_in_light_and_dark(open_page: OpenPage) -> None:
    page = open_page("/")
    ask(page, "What does a hotel night cost in Paris?")
    found = {"answer": violations(page)}
    ask(page, "Who painted the ceiling of the chapel?")
    found["abstention"] = violations(page)
    for name, path in PAGES.items():
        page.goto(path)
        found[name] = violations(page)
    found["login"] = violations(open_page("/login?failed=1", key=""))
    assert {name: v for name, v in found.items() if v} == {}


def test_axe_would_find_a_planted_fault(open_page: OpenPage) -> None:
    page = open_page("/")
    page.evaluate("document.querySelector('#main').append(document.createElement('img'))")
    page.evaluate("document.querySelector('.lede').style.color = 'light-dark(#333, #444)'")
    found = violations(page)
    assert any("image-alt" in v for v in found)
    assert any("color-contrast" in v for v in found), "and one that shows in the dark alone"


def test_no_page_scrolls_sideways_on_a_phone_or_a_desk(open_page: OpenPage) -> None:
    page = open_page("/")
    ask(page, "What does a hotel night cost in Paris?" + " and" * 40 + "w" * 300)
    wide = {}
    for name, path in {"answer": page.url, **PAGES}.items():
        page.goto(path)
        for width in (360, 700, 1000, 1360):
            page.set_viewport_size({"width": width, "height": 760})
            wide[name, width] = page.evaluate("document.documentElement.scrollWidth") - width
    assert {where: excess for where, excess in wide.items() if excess > 0} == {}


def test_every_page_can_be_read_and_a_question_asked_without_script(open_page: OpenPage) -> None:
    page = open_page("/", java_script_enabled=False)
    page.fill("#q", "What is the limit in London, Paris and Zurich?")
    page.locator("[data-ask]").click()
    assert "210 euros" in page.locator("[data-testid=answer-text]").inner_text()
    page.locator("a.citation").first.click()
    assert "210 euros" in page.locator("mark#span").inner_text()
    for name, path in PAGES.items():
        page.goto(path)
        assert len(page.locator("main").inner_text()) > 40, name
        assert page.locator("h1").count() == 1, name


def test_unreadable_files_come_first_each_with_its_reason_in_words_and_a_command(
    open_page: OpenPage, house: House
) -> None:
    page = open_page("/knowledge/handbook")
    first = page.locator("[data-testid=unreadable]").first
    assert first.locator(".unreadable-reason").inner_text().startswith("There is no text in it")
    assert first.locator(".cli-line").inner_text() == "ocrmypdf docs/scan.pdf with-text.pdf"
    seen = page.locator("[data-testid=unreadable]").evaluate_all("all => all.map(e => e.dataset.code)")
    assert seen == ["no_text", "encrypted", "corrupt"], "and what only others may read is not there"
    assert (
        page.evaluate(
            "document.querySelector('.unreadable').compareDocumentPosition(document.querySelector('#files')) & 4"
        )
        == 4
    )


def test_markup_in_documents_paths_and_questions_is_shown_as_text(open_page: OpenPage) -> None:
    page = open_page("/")
    ask(page, f"vault code {ATTACK}")
    assert ATTACK in page.locator("h1").inner_text()
    for path in (
        f"/documents/{fixed_id('doc', 14)}?start=0&end=90",
        "/knowledge/handbook",
        "/answers",
        f"/find?q={ATTACK}",
        f"/?q={ATTACK}",
        f"/?q={ATTACK}&as_of={ATTACK}&service={ATTACK}",
        f"/knowledge/handbook?q={ATTACK}",
        f"/refs/{ATTACK}",
    ):
        page.goto(path)
        assert page.evaluate("[window.owned, document.querySelectorAll('main script, img').length]") == [None, 0], path
    page.goto(f"/documents/{fixed_id('doc', 14)}")
    text = next(d.text for d in House.documents if d.number == 14)
    assert page.locator(".source-text").evaluate("p => p.textContent") == text, "carriage returns included"


def test_every_page_forbids_foreign_and_inline_script(open_page: OpenPage) -> None:
    page = open_page("/")
    for path in (*PAGES.values(), "/login"):
        answer = page.goto(path)
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        for part in (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "frame-ancestors 'none'",
        ):
            assert part in policy, path
        assert "unsafe" not in policy
        assert page.locator("[style], style, script:not([src])").count() == 0, path
        assert page.evaluate("document.adoptedStyleSheets.length") == 0, path


def test_what_may_not_be_read_looks_like_what_does_not_exist(open_page: OpenPage) -> None:
    page = open_page("/", key=data.ANNA_KEY)
    secret = f"/documents/{fixed_id('doc', 5)}@{fixed_id('cnt', 501)}"
    unknown = f"/documents/{fixed_id('doc', 999)}@{fixed_id('cnt', 99901)}"
    html = {"accept": "text/html"}
    gone = page.context.request.get(unknown, headers=html)
    varying = ("date", "x-request-id", "server-timing")
    for path in (
        secret,
        f"/refs/document/{fixed_id('doc', 5)}",
        "/ledger",
        "/keys",
        "/runs",
        f"/runs/{fixed_id('run', 8)}",
        f"{secret}?as=heidi&start=1&end=5",
    ):
        there = page.context.request.get(path, headers=html)
        assert there.status == 404
        assert there.text() == gone.text()
        plain = {k: v for k, v in there.headers.items() if k not in varying}
        assert plain == {k: v for k, v in gone.headers.items() if k not in varying}


def test_what_goes_wrong_inside_is_a_page_with_a_reference_and_no_insides(
    open_page: OpenPage, house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("an inner secret")

    monkeypatch.setattr(house, "ledger", broken)
    page = open_page("/")
    answer = page.context.request.get("/ledger")
    assert answer.status == 500
    assert answer.headers["x-request-id"] in answer.text()
    assert "inner secret" not in answer.text()
    assert answer.headers["x-request-id"] in caplog.text


def test_without_a_key_every_page_leads_to_the_sign_in_that_says_where_the_token_lies(open_page: OpenPage) -> None:
    page = open_page("/knowledge/handbook", key="")
    assert page.url.endswith("/login")
    assert page.locator(".cli-line").inner_text() == "cat .colonnade/owner.token"
    page.fill("#key", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    page.fill("#key", data.ANNA_KEY)
    page.keyboard.press("Enter")
    page.wait_for_selector(".home")
    assert page.locator(".sections a").count() == 3, "runs, ledger and keys are the owner's"


def test_a_long_document_comes_in_parts_and_opens_at_the_quote(open_page: OpenPage) -> None:
    start = LONG.index("Line 3777 ")
    page = open_page(f"/documents/{fixed_id('doc', 15)}?start={start}&end={start + 9}")
    assert page.locator("mark#span").inner_text() == "Line 3777"
    assert page.evaluate(
        "(r => r.top >= 0 && r.bottom <= innerHeight)(document.querySelector('#span').getBoundingClientRect())"
    )
    assert len(page.content()) < 400_000
    page.locator("a[rel=prev]").click()
    assert "Line 2500 " in page.locator(".source-text").inner_text()


def test_the_scripts_stay_below_their_budget_and_static_files_may_be_kept_for_ever(open_page: OpenPage) -> None:
    page = open_page("/")
    scripts = page.locator("script[src]").evaluate_all("all => all.map(s => s.src)")
    packed = 0
    for script in scripts:
        answer = page.context.request.get(script)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        packed += len(gzip.compress(answer.body(), 9))
    assert packed <= 45 * 1024
    own = assets.assets()["console.js"].body.decode().splitlines()
    assert len(own) <= 150
    assert page.context.request.get("/static/../console/routes.py").status == 404
    assert json.dumps(sorted(scripts)).count("/static/") == len(scripts)
