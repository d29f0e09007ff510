# SPDX-License-Identifier: Apache-2.0
"""Using the console: by keyboard alone, in light and dark, while something moves, with filters that stay in the
address.
"""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from colonnade.testing import backend_documents as data
from tests.console.conftest import OpenPage, ask
from tests.console.console_house import House, fixed_id

FOCUSED = "document.activeElement.className || document.activeElement.id || document.activeElement.tagName"


def arrive(page: Page, selector: str) -> None:
    """Wait for a page that was gone to by keyboard, and for its script: keys pressed before that are lost."""
    page.wait_for_selector(selector)
    page.wait_for_load_state("load")


def test_from_the_key_to_the_marked_source_without_a_mouse(open_page: OpenPage) -> None:
    page = open_page("/login", key="")
    page.wait_for_function("document.activeElement.tagName === 'INPUT'")
    page.keyboard.type(data.ANNA_KEY)
    page.keyboard.press("Enter")
    arrive(page, ".home")
    page.wait_for_function("document.activeElement.tagName === 'TEXTAREA'")
    page.keyboard.type("What is the limit in London, Paris and Zurich?")
    page.keyboard.press("Enter")
    page.wait_for_selector("article.answer")
    expect(page.locator("h1")).to_be_focused()
    page.keyboard.press("j")
    assert page.evaluate(FOCUSED) == "citation"
    page.keyboard.press("Enter")
    arrive(page, "mark#span")
    page.keyboard.press("g")
    page.keyboard.press("k")
    arrive(page, "h1:has-text('Knowledge')")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    arrive(page, "#files")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "filter"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")
    for letter, heading in (("h", "Answers"), ("a", "What would you like to know?")):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        arrive(page, f"h1:has-text('{heading}')")
        page.keyboard.press("Escape")


def test_the_first_tab_offers_to_skip_the_navigation_and_focus_is_always_visible(open_page: OpenPage) -> None:
    page = open_page("/answers")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.goto("/knowledge/handbook")
    for _ in range(12):
        page.keyboard.press("Tab")
        seen = page.evaluate("(s => s.outlineStyle + s.outlineWidth)(getComputedStyle(document.activeElement))")
        assert seen == "solid2px", page.evaluate("document.activeElement.outerHTML")


def test_light_and_dark_follow_the_system_until_the_reader_chooses(open_page: OpenPage) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = open_page("/", color_scheme="light"), open_page("/", color_scheme="dark")
    assert light.evaluate(ground) != dark.evaluate(ground)
    dark.locator(".account summary").click()
    dark.locator("button[value=light]").click()
    dark.wait_for_selector("html[data-theme=light]")
    assert dark.evaluate(ground) == light.evaluate(ground)
    dark.goto("/knowledge")
    assert dark.evaluate(ground) == light.evaluate(ground), "the choice is kept"


def test_a_run_moves_on_the_page_while_one_looks_and_the_stream_ends_with_it(open_page: OpenPage, house: House) -> None:
    house.progress = 3
    page = open_page(f"/runs/{fixed_id('run', 9)}")
    assert page.locator("[data-testid=run-done]").inner_text() == "3 of 9"
    house.progress = 7
    expect(page.locator("[data-testid=run-done]")).to_have_text("7 of 9")
    house.progress = 9
    expect(page.locator(".badge.good")).to_have_count(1)
    assert page.locator("[data-testid=run-done]").inner_text() == "9 of 9"
    page.reload()
    assert page.locator("[hx-sse\\:connect]").count() == 0, "what is done is not watched"


def test_a_filter_redraws_the_files_keeps_the_focus_and_stands_in_the_address(open_page: OpenPage) -> None:
    page = open_page("/knowledge/handbook")
    page.keyboard.press("/")
    page.keyboard.type("suppo")
    page.wait_for_url(re.compile("q=suppo"))
    expect(page.locator("#files [data-item]")).to_have_count(1)
    assert page.evaluate("document.activeElement.id") == "filter"
    page.reload()
    assert page.locator("#files [data-item]").inner_text() == "docs/support.md"
    assert page.locator("#filter").input_value() == "suppo"


def test_any_pasted_id_is_found_from_every_page(open_page: OpenPage) -> None:
    page = open_page("/")
    ask(page, "What is the limit in London, Paris and Zurich?")
    ref = page.locator(".facts code").first.get_attribute("title") or ""
    for text, place in (
        (ref, "/answers/ans_"),
        (f"document/{fixed_id('doc', 11)}", "/documents/doc_"),
        (fixed_id("run", 8), "/runs/run_"),
    ):
        page.fill("#find", text)
        page.locator("#find").press("Enter")
        page.wait_for_url(re.compile(place))
    page.fill("#find", "answer/ans_nobody")
    page.locator("#find").press("Enter")
    page.wait_for_url(re.compile("/find"))
    assert page.locator("h1").inner_text() == "Nothing found"


def test_an_owner_makes_a_key_sees_it_once_and_revokes_it(open_page: OpenPage) -> None:
    page = open_page("/keys")
    page.fill("input[name=name]", "ci")
    page.select_option("select[name=person]", "anna")
    page.locator(".inline-form button").click()
    secret = page.locator(".secret").inner_text()
    assert page.context.request.get("/v1/models", headers={"authorization": f"Bearer {secret}"}).ok
    page.goto("/keys")
    assert secret not in page.content()
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("button.danger").click()
    page.wait_for_selector("button.danger", state="detached")
    assert page.context.request.get("/v1/models", headers={"authorization": f"Bearer {secret}"}).status == 401


def test_the_ledger_page_shows_its_size_its_root_and_how_to_prove_it(open_page: OpenPage) -> None:
    page = open_page("/")
    ask(page, "What is the limit in London, Paris and Zurich?")
    page.goto("/ledger")
    assert int(page.locator("[data-testid=ledger-size]").inner_text()) >= 1
    assert page.locator(".cli-line").inner_text() == "colonnade verify"
    assert "acme.colonnade/ledger" in page.locator(".checkpoint").inner_text()
    page.locator(".entries a").first.click()
    page.wait_for_url(re.compile("/answers/ans_"))


def test_copying_puts_the_command_on_the_clipboard(open_page: OpenPage) -> None:
    page = open_page("/ledger", permissions=["clipboard-read", "clipboard-write"])
    page.locator(".cli-box .copy").first.click()
    page.wait_for_selector(".copy.done")
    assert page.evaluate("navigator.clipboard.readText()") == "colonnade verify"
