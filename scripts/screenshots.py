# SPDX-License-Identifier: Apache-2.0
"""Take the documentation's pictures of the console from one that runs, in Chromium. Run by hand, never by the tests.

    ./dev up examples/acme --detach --port 8700
    .venv/bin/python scripts/screenshots.py --url http://127.0.0.1:8700 --token examples/acme/.colonnade/owner.token

Writes docs/images/console-*.png and refuses one of 150 KB or more, so that the repository stays small.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

IMAGES = Path(__file__).resolve().parents[1] / "docs/images"
MOST_BYTES = 150_000
QUESTION = "How often are laptops replaced?"


def signed_in(browser: Browser, url: str, key: str, scheme: str) -> Page:
    """A page of the console, signed in, in light or dark."""
    window: ViewportSize = {"width": 1280, "height": 800}
    page = browser.new_page(base_url=url, viewport=window, color_scheme="dark" if scheme == "dark" else "light")
    page.goto("/login")
    page.fill("#key", key)
    page.keyboard.press("Enter")
    page.wait_for_selector(".home")
    return page


def save(page: Page, name: str) -> int:
    """Write one picture; its size in bytes. Raises SystemExit when it is too large."""
    path = IMAGES / f"console-{name}.png"
    page.screenshot(path=path)
    size = path.stat().st_size
    if size >= MOST_BYTES:
        sys.exit(f"{path} has {size} bytes, {MOST_BYTES} are too many")
    return size


def take(browser: Browser, url: str, key: str) -> dict[str, int]:
    """All pictures: an answer in light, its source in dark. Name -> bytes."""
    sizes = {}
    for name, scheme in (("ask", "light"), ("source", "dark")):
        page = signed_in(browser, url, key, scheme)
        for _ in range(2):  # the first question wakes the embedder
            page.goto("/")
            page.fill("#q", QUESTION)
            page.keyboard.press("Enter")
            page.wait_for_selector("a.citation")
        if name == "source":
            page.click("a.citation")
            page.wait_for_selector("mark#span")
        sizes[name] = save(page, name)
    return sizes


def main() -> None:
    """Read the arguments, take the pictures, say their sizes."""
    parser = argparse.ArgumentParser(description="Pictures of the console for the documentation.")
    parser.add_argument("--url", required=True, help="where the console runs")
    parser.add_argument("--token", required=True, type=Path, help="the file with the owner's key")
    asked = parser.parse_args()
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, size in take(browser, asked.url, asked.token.read_text(encoding="utf-8").strip()).items():
            print(f"console-{name}.png {size} bytes")
        browser.close()


if __name__ == "__main__":
    main()
