# SPDX-License-Identifier: Apache-2.0
"""The GPU pages: who holds which share, drawn to scale; what waits and why; live, by keyboard, without script; and the
two things that one can do there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from colonnade.app.gpu import read_gpu
from colonnade.app.waiting import waiting
from colonnade.core.claims import Claim
from colonnade.core.waiting_words import waits_for
from colonnade.gateway.console import words
from colonnade.gateway.console.gpustrips import Drawing
from colonnade.testing import backend_documents as data
from colonnade.testing.backend import OWNER
from colonnade.testing.compute import FakeCompute
from tests.console.conftest import OpenPage
from tests.console.console_house import House
from tests.console.gpu_room import ATTACK, busy_room
from tests.console.test_console_pages import violations
from tests.fabric.fabric_room import FabricRoom

NOW_MS = 1_790_000_000_000


@pytest.fixture
def room(house: House) -> Iterator[FakeCompute]:
    """The busy room, in the house that the browser looks at."""
    house.compute = made = busy_room(house, ATTACK)
    yield made
    house.compute = None


def percent(page: Page, selector: str, attribute: str) -> list[float]:
    """An attribute of every match, "37.5%" as 37.5."""
    told = page.locator(selector).evaluate_all(f"all => all.map(e => e.getAttribute('{attribute}') ?? '0%')")
    return [float(text.rstrip("%")) for text in told]


def post(page: Page, path: str) -> int:
    """Send a form of this page elsewhere: the status."""
    headers = {"origin": "/".join(page.url.split("/")[:3])}
    return page.context.request.post(path, form={"page": ""}, headers=headers).status


def test_every_device_is_a_strip_whose_parts_are_to_scale(open_page: OpenPage, room: FakeCompute) -> None:
    page = open_page("/gpus")
    assert page.locator("[data-testid=gpus-said]").inner_text() == (
        "6.25 of 8 devices held, 2 waiting, 1 being given back"
    )
    assert page.locator("[data-testid=device]").count() == 8
    shared = "[data-testid=device][data-place='5'] .segment"
    assert percent(page, f"{shared} > svg", "x") == [0, 75]
    assert percent(page, f"{shared} > svg", "width") == [75, 25]
    boxes = [page.locator(shared).nth(n).locator(".fill").bounding_box() for n in (0, 1)]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["width"] == pytest.approx(3 * boxes[1]["width"], rel=0.01), "and the browser draws them so"
    assert page.locator("[data-place='5'] .segment.releasing .hatched").count() == 1
    assert page.locator("[data-place='3'] .segment.idle").count() == 1
    assert page.locator("[data-place='7'] .badge.bad").inner_text() == "xid 79"
    assert page.locator("[data-testid=lease]").count() == 9
    assert page.locator(".cli-line").inner_text() == "colonnade gpu --watch"


def test_what_waits_says_why_who_is_in_its_way_and_when_it_starts(open_page: OpenPage, room: FakeCompute) -> None:
    page = open_page("/gpus")
    first, second = page.locator("[data-testid=waiting]").all()
    assert "Waits for a share of a device: asks 0.25, 0 free." in first.inner_text()
    assert "starts within 6 s" in first.inner_text()
    assert first.locator(".chip").inner_text().split() == ["ben", "0.25"]
    assert "Of those that wait, 1 goes first." in second.inner_text()
    assert "no forecast" in second.inner_text()
    second.locator(".wait-head a").click()
    assert "a share of a device" in page.locator("[data-testid=why]").inner_text()
    assert page.locator(".cli-line").inner_text().startswith("colonnade why lease/lse_")


def test_queues_show_who_borrows_and_who_starves(open_page: OpenPage, room: FakeCompute) -> None:
    page = open_page("/gpus")
    research, serving, batch = (f"[data-queue={name}]" for name in ("research", "serving", "batch"))
    assert percent(page, f"{research} .within", "width") == [50], "what is guaranteed to it, of eight"
    assert percent(page, f"{research} .beyond", "x") == [50]
    assert percent(page, f"{research} .beyond", "width") == [12.5]
    assert "borrows 1" in page.locator(research).inner_text()
    assert "starved" in page.locator(serving).inner_text()
    assert "starved" not in page.locator(batch).inner_text(), "nothing is guaranteed to it"
    assert percent(page, f"{serving} .limit", "x") == [62.5]


def test_the_page_follows_what_happens_keeps_the_focus_and_asks_why_only_when_something_changed(
    open_page: OpenPage, room: FakeCompute, house: House
) -> None:
    page = open_page("/gpus")
    segment = page.locator("[data-place='2'] .segment")
    segment.focus()
    told = page.locator("[data-place='2'] .tip")
    expect(told).to_be_visible()
    assert "anna · python finetune.py --epochs 3 · 1 · busy 93 %" in told.inner_text()
    next(iter(room.devices.values()))["busy_milli"] = 110
    expect(page.locator("[data-place='0'] .told")).to_contain_text("busy 11 %")
    explained = room.explained
    next(iter(room.devices.values()))["busy_milli"] = 220
    expect(page.locator("[data-place='0'] .told")).to_contain_text("busy 22 %")
    assert room.explained == explained, "use alone gives nobody a new reason to wait"
    room.hold(6, milli=250, queue="serving", person="dana")
    expect(page.locator("[data-place='6'] .segment")).to_have_count(2)
    assert room.explained > explained
    assert segment.evaluate("e => e === document.activeElement")
    page.keyboard.press("Enter")
    page.wait_for_url("**/gpus/leases/*")
    assert page.locator("h1").inner_text() == "python finetune.py --epochs 3"


def test_a_share_is_taken_back_in_two_steps_and_a_device_closed_in_one_without_script(
    open_page: OpenPage, room: FakeCompute
) -> None:
    page = open_page("/gpus", java_script_enabled=False)
    row = page.locator("[data-testid=lease]", has_text="finetune.py")
    row.locator("text=Release").click()
    assert {lease["state"] for lease in room.leases.values() if lease["person"] == "anna"} == {"held"}, "not yet"
    assert "anna holds a device in the queue research." in page.locator(".lede").inner_text()
    assert "SIGTERM" in page.locator("#release").inner_text()
    page.locator("text=Release this share").click()
    assert "releasing" in row.inner_text()
    page.locator("[data-testid=waiting]", has_text="shard 4").locator("text=Withdraw").click()
    page.locator("#release .danger").click()
    assert page.locator("[data-testid=waiting]").count() == 1
    device = page.locator("[data-place='2']")
    device.locator("button").click()
    assert "cordoned" in device.inner_text()
    device.locator("button").click()
    assert "healthy" in device.inner_text()
    assert [(who, verb) for who, verb, _ in room.done] == [
        (OWNER.principal, verb) for verb in ("release", "release", "cordon", "uncordon")
    ]
    assert page.locator("[data-place='7'] button").count() == 0, "one that is ill is not opened by hand"


def test_a_lease_that_has_ended_meanwhile_leads_to_what_became_of_it(open_page: OpenPage, room: FakeCompute) -> None:
    gone = next(iter(room.leases))
    page = open_page(f"/gpus/leases/{gone}#release")
    room.end(gone)
    page.locator("#release .danger").click()
    page.wait_for_url("**/gpus")
    page.goto(f"/gpus/leases/{gone}")
    assert f"/refs/lease/{gone}" in page.url
    assert post(page, "/gpus/devices/dev_none/cordon") == 404
    assert room.done == []


def test_only_owners_see_it_and_only_where_gpus_are_declared(
    open_page: OpenPage, room: FakeCompute, house: House
) -> None:
    anna, owner = open_page("/", key=data.ANNA_KEY), open_page("/")
    lease = next(iter(room.leases))
    assert owner.locator(".sections a", has_text="GPUs").count() == 1
    assert anna.locator(".sections a", has_text="GPUs").count() == 0
    for path in ("/gpus", "/gpus/live", f"/gpus/leases/{lease}"):
        assert anna.context.request.get(path).status == 404
    assert post(anna, f"/gpus/leases/{lease}/release") == 404
    assert room.leases[lease]["state"] == "held"
    house.compute = None
    owner.reload()
    assert owner.locator(".sections a", has_text="GPUs").count() == 0
    assert owner.context.request.get("/gpus").status == 404


def test_axe_finds_nothing_serious_nothing_scrolls_sideways_and_nothing_is_styled_inline(
    open_page: OpenPage, room: FakeCompute
) -> None:
    page = open_page("/gpus")
    leases = list(room.leases)
    found = {}
    for path in ("/gpus", f"/gpus/leases/{leases[0]}", f"/gpus/leases/{leases[-1]}"):
        page.goto(path)
        found[path] = violations(page)
        assert page.locator("h1").count() == 1
        assert page.locator("[style], style, main script").count() == 0, path
        assert page.evaluate("[window.owned, document.querySelectorAll('img').length]") == [None, 0], path
        for width in (360, 700, 1000, 1360):
            page.set_viewport_size({"width": width, "height": 760})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
    assert {path: told for path, told in found.items() if told} == {}


SHARES = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 1000), st.booleans()), max_size=12)


@given(SHARES)
def test_the_parts_of_a_strip_follow_one_another_and_never_leave_it(shares: list[tuple[int, int, bool]]) -> None:
    room = FakeCompute(lambda: NOW_MS, devices=4)
    room_left = dict.fromkeys(range(4), 1000)
    for place, milli, releasing in shares:
        if milli <= room_left[place]:
            room_left[place] -= milli
            room.hold(place, milli=milli, state="releasing" if releasing else "held")
    document = room.gpu()
    [(_, strips)] = Drawing(document, NOW_MS).nodes(document["devices"])
    for place, strip in enumerate(strips):
        end = 0.0
        for segment in strip.segments:
            assert float(segment.x[:-1]) == pytest.approx(end)
            end += float(segment.width[:-1])
        assert end == pytest.approx((1000 - room_left[place]) / 10)
        assert float(strip.free) + float(strip.held) == pytest.approx(1)


def test_the_room_that_the_page_is_tested_with_speaks_as_the_fabric_does() -> None:
    fabric = FabricRoom()
    held = fabric.ask()
    fabric.pass_ms(1000)
    pending = fabric.ask(Claim(gpus=8))
    fabric.pass_ms(1000)
    assert fabric.states([*held, *pending]) == ["held", "pending"]
    real = read_gpu(fabric.state, fabric.keys, running=True)
    made = FakeCompute(lambda: NOW_MS)
    made.hold(0)
    ours = made.gpu()
    assert set(ours) == set(real)
    for part in ("devices", "leases"):
        assert set(ours[part][0]) == set(real[part][0]), part
    wait = waiting(fabric.state, fabric.keys, pending[0])
    assert wait is not None
    assert set(made.waits[made.wish()]) == set(wait)


def test_a_reason_to_wait_is_told_in_units_that_people_write() -> None:
    def said(*dimensions: tuple[str, int, int]) -> str:
        told: list[dict[str, Any]] = [
            {"name": name, "asked": asked, "free": free, "missing": max(0, asked - free)}
            for name, asked, free in dimensions
        ]
        return waits_for(told)

    assert said(("gpus", 1, 0), ("gpu_milli", 500, 250)) == "Waits for a share of a device: asks 0.5, 0.25 free."
    assert said(("limit of a.b", 2000, 500)) == "Waits for limit of a.b: asks 2, 0.5 free."
    assert said(("gpu_mib", 20_480, 100)) == "Waits for device memory: asks 20 GiB, 100 MiB free."
    assert said(("gpus", 1, 1)) == "There is room for it, but others go first or have it reserved."
    assert "any one of these 3" in words.would_start(3, True)
    assert "these 3 have ended" in words.would_start(3, False)
