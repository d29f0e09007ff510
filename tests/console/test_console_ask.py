# SPDX-License-Identifier: Apache-2.0
"""Asking in the browser: the answer, its quotes in their sources, an honest abstention, the command that gives the
same.
"""

from __future__ import annotations

import shlex

from playwright.sync_api import Browser

from colonnade.gateway.backend import Upstream
from tests.console.conftest import OpenPage, ask, serving
from tests.console.console_house import HANDBOOK, House, data

QUESTION = "Within how many days must I hand in receipts?"
PRICE = "What is the price of the anchor bolt?"
SALARY = "What is the salary band of a senior engineer?"


def test_a_citation_opens_the_source_with_exactly_the_quote_marked(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, QUESTION)
    citation = page.locator("a.citation").first
    start, end = (int(citation.get_attribute(f"data-{name}") or -1) for name in ("start", "end"))
    citation.click()
    mark = page.locator("mark#span")
    mark.wait_for()
    assert mark.evaluate("m => m.textContent") == HANDBOOK[start:end] == "Hand in receipts within 30 days of the trip."
    assert page.locator(".source-text").evaluate("p => p.textContent") == HANDBOOK
    assert page.evaluate(
        "(r => r.top >= 0 && r.bottom <= innerHeight)(document.querySelector('#span').getBoundingClientRect())"
    )


def test_the_number_in_the_answer_leads_to_the_same_place_as_its_source(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, QUESTION)
    assert page.locator("a.marker").first.get_attribute("href") == page.locator("a.citation").first.get_attribute(
        "href"
    )


def test_an_answer_has_an_address_of_its_own_that_asks_nothing_again(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, QUESTION)
    assert "/answers/ans_" in page.url
    page.reload()
    assert page.locator("h1").inner_text() == QUESTION
    page.go_back()
    page.wait_for_selector(".home")


def test_an_abstention_says_why_and_what_may_help(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, "Who painted the ceiling of the chapel?")
    assert "None of the documents that you may read speaks of this" in page.locator(".abstention-reason").inner_text()
    assert page.locator(".tries li").count() >= 2
    assert page.locator("a.citation").count() == 0


def test_the_command_line_shown_asks_the_same_of_the_same_person_at_the_same_time(open_page: OpenPage) -> None:
    page = open_page()
    page.locator(".options summary").click()
    page.select_option("select[name=as]", "heidi")
    page.fill("input[name=as_of]", "2026-09-15T09:30:00")
    ask(page, SALARY)
    line = page.locator(".cli-line").first.inner_text()
    assert shlex.split(line) == ["colonnade", "ask", SALARY, "--as", "heidi", "--as-of", "2026-09-15T09:30:00Z"]


def test_an_owner_who_asks_as_somebody_sees_that_answer_and_its_source_and_is_told_so(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, SALARY)
    assert page.locator("article.abstained").count() == 1
    page.locator(".options summary").click()
    page.select_option("select[name=as]", "heidi")
    ask(page, SALARY)
    page.wait_for_selector("article.answered")
    assert "You look as heidi" in page.locator(".acting").inner_text()
    page.locator("a.citation").first.click()
    assert "72000" in page.locator("mark#span").inner_text()


def test_as_of_gives_the_old_price_and_the_source_says_that_it_was_replaced(open_page: OpenPage) -> None:
    page = open_page()
    page.locator(".options summary").click()
    page.fill("input[name=as_of]", "2026-09-15T09:30:00")
    ask(page, PRICE)
    assert "12.50" in page.locator("[data-testid=answer-text]").inner_text()
    page.locator("a.citation").first.click()
    assert page.locator("[data-testid=outdated]").count() == 1
    page.locator("[data-testid=outdated] a").click()
    assert "13.90" in page.locator(".source-text").inner_text()
    page.fill(".asof-form input[name=as_of]", "2026-09-15T09:30:00")
    page.locator(".asof-form button").click()
    page.wait_for_url("**/documents/*@*")
    assert "12.50" in page.locator(".source-text").inner_text()


def test_feedback_is_remembered_on_the_spot_and_after_a_reload(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, QUESTION)
    page.fill("#note", "it is 60 days since May")
    page.locator("button[value=wrong]").click()
    page.wait_for_selector("[data-testid=feedback-said]")
    page.reload()
    assert "wrong" in page.locator("[data-testid=feedback-said]").inner_text()


def test_a_dead_language_model_leaves_quotes_and_the_page_says_so(browser: Browser) -> None:
    house = House(upstream=Upstream("http://127.0.0.1:9/v1", "gone", timeout_ms=500, first_byte_ms=500))
    with serving(house) as address, browser.new_context(base_url=address) as context:
        context.request.post("/login", form={"key": data.OWNER_KEY}, headers={"origin": address}, max_redirects=0)
        page = context.new_page()
        page.goto("/")
        page.locator(".options summary").click()
        assert page.locator("select[name=service] option").all_inner_texts() == ["assistant", "writer"]
        page.select_option("select[name=service]", "writer")
        ask(page, QUESTION)
        assert "language model did not answer" in page.locator("[data-testid=note]").inner_text()
        assert page.locator("a.citation").count() >= 1
        assert "--service writer" in page.locator(".cli-line").first.inner_text()


def test_an_example_out_of_the_documents_is_asked_with_one_click(open_page: OpenPage) -> None:
    page = open_page()
    example = page.locator(".examples [data-item]").first
    question = example.inner_text().strip()
    example.click()
    page.wait_for_selector("article.answer")
    assert page.locator("h1").inner_text() == question


def test_a_question_that_looks_like_an_option_is_still_a_question() -> None:
    from colonnade.gateway.console.present import ask_command

    assert shlex.split(ask_command("--as heidi", person="anna")) == [
        "colonnade",
        "ask",
        "--as",
        "anna",
        "--",
        "--as heidi",
    ]


def test_what_led_to_an_answer_stands_beside_it_as_a_list_of_links(open_page: OpenPage) -> None:
    page = open_page()
    ask(page, QUESTION)
    tree = page.locator("[data-testid=why-tree]")
    assert tree.locator("ul ul a[href^='/documents/doc_']").count() >= 1
    tree.locator("a[href^='/refs/epoch/'], a[href^='/documents/']").last.click()
    page.wait_for_selector("h1")
    assert data.OWNER_KEY not in page.content()
