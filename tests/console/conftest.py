# SPDX-License-Identifier: Apache-2.0
"""A real browser against a real server: Chromium, uvicorn, the gateway with the console, and the house in memory.

Every page made here records what it asked for outside this machine, and every complaint of the browser; both must
stay empty.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, Request, sync_playwright

from colonnade.gateway.console.mount import make_gateway
from colonnade.testing import backend_documents as data
from tests.console.console_house import House

ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
OpenPage = Callable[..., Page]


@contextmanager
def serving(house: House) -> Iterator[str]:
    """The house's gateway and console on a free port of this machine: its address."""
    config = uvicorn.Config(make_gateway(house), port=0, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. For one module: while playwright's loop runs, no other test of the process could run its own."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def house() -> House:
    return House()


@pytest.fixture(scope="module")
def url(house: House) -> Iterator[str]:
    with serving(house) as address:
        yield address


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator[OpenPage]:
    """`open_page(path, key=..., **options of the context)` gives a page, signed in unless `key` is ""."""
    contexts: list[BrowserContext] = []
    outside: list[str] = []
    complaints: list[str] = []

    def make(path: str = "/", *, key: str = data.OWNER_KEY, **options: Any) -> Page:
        context = browser.new_context(base_url=url, **options)
        context.set_default_timeout(30_000)
        contexts.append(context)

        def watch(request: Request) -> None:
            if urlsplit(request.url).hostname != "127.0.0.1" and not request.url.startswith("data:"):
                outside.append(request.url)

        context.on("request", watch)  # not a route: that would switch the browser's cache off
        if key:
            answer = context.request.post("/login", form={"key": key}, headers={"origin": url}, max_redirects=0)
            assert answer.headers["location"] == "/", "the key must open the console"
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        return page

    yield make
    for context in contexts:
        context.close()
    assert outside == []
    assert [c for c in complaints if "status of 4" not in c] == []


def ask(page: Page, question: str) -> None:
    """Ask on the page that is open, and wait for the answer's page."""
    page.fill("#q", question)
    page.keyboard.press("Enter")
    page.wait_for_selector("article.answer")
