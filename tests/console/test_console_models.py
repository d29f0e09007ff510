# SPDX-License-Identifier: Apache-2.0
"""The pages of models: what is live and why, what is tried and whose word it waits for, every candidate in a chart and
in a table, the way back in two steps; live, without script, for nobody who has no business there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from colonnade.app.models import model_status
from colonnade.app.standing import Standing, points, said
from colonnade.core.quantities import rfc3339
from colonnade.gateway.approvals import ApprovingBackend
from colonnade.gateway.console import modelcharts, modelwords
from colonnade.lifecycle.serving.rollback import find_back, roll_back
from colonnade.lifecycle.watching.truths import Truth
from colonnade.testing import backend_documents as data
from colonnade.testing.backend_house import NobodyAsked
from tests.console.conftest import OpenPage
from tests.console.console_house import House
from tests.console.model_room import ROLLOUT, ModelRoom, rollout, version
from tests.console.test_console_pages import violations
from tests.rollout.rollout_room import ACTOR, MODEL, NEW, OLD, PERSON, PROJECT, RolloutRoom, with_plan


@pytest.fixture
def room(house: House) -> Iterator[ModelRoom]:
    """Its models, in the house that the browser looks at."""
    made = ModelRoom(house)
    house.standing = house.training = made
    house.serving = cast(Any, made)
    house.approving = cast(ApprovingBackend, made)
    yield made
    house.standing = house.training = house.serving = None
    house.approving = NobodyAsked()


def post(page: Page, path: str, **form: str) -> int:
    """Send a form of this page elsewhere: the status."""
    headers = {"origin": "/".join(page.url.split("/")[:3])}
    sent: dict[str, str | float | bool] = {**form}
    return page.context.request.post(path, form=sent, headers=headers, max_redirects=0).status


def test_the_list_says_what_is_live_what_is_tried_and_what_became_of_the_last(
    open_page: OpenPage, room: ModelRoom
) -> None:
    page = open_page("/models")
    card = page.locator("[data-testid=model]")
    said = card.inner_text()
    assert "Version 3 is live" in said
    assert "asks for a person's word; 340 of 1\u202f700 answers were its own." in said
    assert "quarantined" in said
    assert "wrong answers 0.31 against 0.18" in said
    assert card.locator(".spark .point").count() == 5
    assert "churn" in page.locator("table").inner_text()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/models/credit")
    assert page.locator("h1").inner_text() == "credit"
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/models")


def test_a_chart_has_each_candidate_by_its_outcome_the_gate_and_the_moves(open_page: OpenPage, room: ModelRoom) -> None:
    page = open_page("/models/credit")
    chart = page.locator("figure.chart", has_text="accuracy").first
    kinds = chart.locator("a.point").evaluate_all("all => all.map(e => e.classList[1])")
    assert kinds == ["promoted", "promoted", "refused", "rolled_back", "promoted"]
    title = chart.locator("a.point.refused").get_attribute("aria-label") or ""
    assert title.startswith("accuracy 0.51 · refused: accuracy is 0.51, at least 0.64 is wanted")
    assert [text for text in chart.locator(".mark text").all_text_contents() if text.startswith("v")]
    assert chart.locator(".limit-name").text_content() == "at least 0.64"
    by_time = chart.locator("a.point > svg").evaluate_all("all => all.map(e => parseFloat(e.getAttribute('x')))")
    assert by_time == sorted(by_time)
    assert by_time[1] - by_time[0] == pytest.approx(97 * 10 / 31, abs=0.1), "ten of thirty-one minutes"
    page.locator("text=by run").click()
    page.wait_for_url("**axis=runs*")
    even = chart.locator("a.point > svg").evaluate_all("all => all.map(e => parseFloat(e.getAttribute('x')))")
    assert even[1] - even[0] == pytest.approx(97 / 4, abs=0.1)
    page.locator("text=The same as a table").first.click()
    cells = page.locator("#metrics table tbody tr").all_inner_texts()
    assert [row.split()[-2:] for row in cells][:2] == [["0.8100", "0.2100"], ["0.8000", "0.2200"]]


def test_a_version_that_asks_shows_where_it_is_and_takes_the_word_of_whom_it_counts(
    open_page: OpenPage, room: ModelRoom
) -> None:
    owner, anna = open_page("/models/credit"), open_page("/", key=data.ANNA_KEY)
    trial = owner.locator("[data-testid=trial]")
    assert trial.locator(".stages li").all_inner_texts() == ["shadow", "1 %", "5 %", "25 %", "100 %", "probation"]
    assert trial.locator(".stages li.held").inner_text() == "shadow"
    assert "It asks for a person's word: anna." in trial.inner_text()
    assert trial.locator("button").count() == 0
    assert "Your word does not count here; anna may say it, with their own key." in trial.inner_text()
    measured = trial.locator("[data-testid=measure]").all_inner_texts()
    assert measured[1].split()[:6] == ["wrong", "answers", "15.00", "%", "19.00", "%"]
    assert measured[1].endswith("proved")
    assert trial.locator(".evidence .proved").count() == 1
    assert post(owner, "/models/credit/word", ref=f"rollout/{ROLLOUT}", verdict="allow") == 403
    anna.goto("/models/credit")
    assert "age is below 18" not in anna.locator("main").inner_text(), "she sees no row of the data"
    assert anna.locator("text=Train now").count() == anna.locator("text=Roll back…").count() == 0
    assert [
        link
        for link in anna.locator("main a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
        if link and link.startswith(("/refs", "/runs"))
    ] == [], "nothing leads where she may not go"
    anna.locator("text=Let it answer").click()
    expect(anna.locator("h1")).not_to_have_text("credit")
    assert room.done == [("anna", "allow", f"rollout/{ROLLOUT}")]
    expect(trial.locator(".stages li.now .stage-name")).to_have_text("5 %")
    assert anna.context.request.get("/models/credit").status == 404, "nothing waits for her any more"


def test_an_owner_who_looks_as_somebody_has_no_word(open_page: OpenPage, room: ModelRoom) -> None:
    page = open_page("/?as=anna")
    assert page.context.request.get("/models?as=anna").status == 404
    assert post(page, "/models/credit/word", ref=f"rollout/{ROLLOUT}", verdict="allow", **{"as": "anna"}) in (403, 404)
    assert room.done == []


def test_the_way_back_is_two_steps_and_only_from_what_was_seen_without_script(
    open_page: OpenPage, room: ModelRoom
) -> None:
    page = open_page("/models/credit", java_script_enabled=False)
    rows = page.locator("[data-testid=version]")
    assert [row.split()[0] for row in rows.all_inner_texts()] == ["v3", "v2", "v1"]
    rows.nth(1).locator("text=Roll back").click()
    assert (
        f"colonnade rollback model/credit --to {room.moves[1]['version'][7:19]}"
        in page.locator(".cli-line").inner_text()
    )
    room.live = version(1)
    page.locator(".danger").click()
    assert room.done == [], "another version became live meanwhile: it asks anew"
    assert "/rollback?" in page.url
    page.locator(".danger").click()
    assert room.done == [("owner", "rollback", "model/credit", room.moves[1]["version"])]
    page.goto("/models/credit")
    page.locator("text=Stop it…").click()
    room.history[0]["rollout"] = {**rollout("ended", outcome="promoted")}
    page.locator(".danger").click()
    assert len(room.done) == 1, "it was over already: nothing else is rolled back"
    page.locator("text=Train now").click()
    assert room.done[1:] == [("owner", "train", "credit")]


def test_the_page_follows_a_rollout_and_says_when_its_charts_are_old(open_page: OpenPage, room: ModelRoom) -> None:
    page = open_page("/models/credit")
    room.history[0]["rollout"] = rollout("canary", stage="25 %")
    expect(page.locator(".stages li.now .stage-name")).to_have_text("25 %")
    assert "120 of 250 requests in this stage" in page.locator(".waits-for").inner_text()
    room.history[0] = {**room.history[0], "outcome": "promoted", "ended": "2026-09-21T14:13:00.000Z",
                       "rollout": rollout("probation", outcome="promoted")}  # fmt: skip
    expect(page.locator("text=A pipeline has ended since you opened this page.")).to_be_visible()
    assert "On probation" in page.locator("[data-testid=trial]").inner_text()
    page.locator("text=Show it").click()
    expect(page.locator("figure.chart").first.locator("a.point")).to_have_count(6)


def test_why_the_last_one_was_kept_out_stands_on_top_and_its_rows_below(open_page: OpenPage, room: ModelRoom) -> None:
    page = open_page("/models/credit")
    assert "The last candidate was quarantined" in page.locator("[data-testid=verdict]").inner_text()
    told = page.locator("[data-testid=quarantined]").inner_text()
    assert "age is below 18" in told
    assert "-31" in told
    refused = page.locator("[data-testid=past]", has_text="refused")
    refused.locator("summary").click()
    assert "failed" in refused.locator("table").inner_text()
    assert "+0.0040" in refused.locator("table").inner_text()
    assert "-0.002 … +0.011" in refused.locator("table").inner_text()


def test_only_who_has_business_there_sees_it(open_page: OpenPage, room: ModelRoom, house: House) -> None:
    anna, heidi, owner = open_page("/", key=data.ANNA_KEY), open_page("/", key=data.HEIDI_KEY), open_page("/")
    counts = [page.locator(".sections a", has_text="Models").count() for page in (anna, heidi, owner)]
    assert counts == [1, 0, 1]
    for path in ("/models", "/models/credit", "/models/credit/live", "/models/credit/rollback"):
        assert heidi.context.request.get(path).status == 404
    assert anna.context.request.get("/models/credit/rollback").status == 404
    for path in ("train", "rollback"):
        assert post(anna, f"/models/credit/{path}", to=version(1)) == 404
    assert post(heidi, "/models/credit/word", ref=f"rollout/{ROLLOUT}", verdict="allow") == 404
    assert owner.context.request.get("/models/other").status == 404
    assert room.done == []
    house.standing = None
    owner.reload()
    assert owner.locator(".sections a", has_text="Models").count() == 0
    assert owner.context.request.get("/models").status == 404


def test_axe_finds_nothing_serious_nothing_scrolls_sideways_and_nothing_is_styled_inline(
    open_page: OpenPage, room: ModelRoom
) -> None:
    page = open_page("/models")
    found = {}
    for path in ("/models", "/models/credit", "/models/credit/rollback", "/models/credit/rollback?stop=1"):
        page.goto(path)
        page.evaluate("document.querySelectorAll('main details').forEach(one => one.open = true)")
        found[path] = violations(page)
        assert page.locator("h1").count() == 1
        assert page.locator("[style], style, main script").count() == 0, path
        assert page.evaluate("[window.owned, document.querySelectorAll('img').length]") == [None, 0], path
        for width in (360, 700, 1000, 1360):
            page.set_viewport_size({"width": width, "height": 760})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
    assert {path: told for path, told in found.items() if told} == {}


NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
MOMENTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=20, unique=True).map(sorted)


@given(MOMENTS, st.lists(NUMBERS, min_size=20, max_size=20), st.booleans())
def test_every_point_lies_within_its_chart_in_the_order_of_time(
    moments: list[int], values: list[float], even: bool
) -> None:
    axis = modelcharts.Axis(tuple(moments), even)
    places = [axis.at(ms) for ms in moments]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)
    scale = modelcharts._scale(values, 150, 26, 10)
    assert all(25.99 <= scale(value) <= 140.01 for value in values)
    ticks = modelcharts._ticks(scale, values, None)
    assert len(ticks) <= 6
    assert all(25.5 <= y <= 140.5 for y, _ in ticks)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1e9), st.floats(1.1, 1e6))
def test_an_interval_stays_within_its_row(one: float, other: float, wide: float, e_value: float, needed: float) -> None:
    drawn = modelcharts.interval_of({
        "measure": "slow", "champion": one, "challenger": other, "low": other - one - wide, "high": other - one + wide,
        "tolerance": 0.01, "e_value": e_value, "needed": needed, "compared": 3,
    })  # fmt: skip
    low, width = float(drawn.low[:-1]), float(drawn.width[:-1])
    assert -0.01 <= low <= low + width <= 100.02
    assert low - 0.02 <= float(drawn.middle[:-1]) <= low + width + 0.02
    assert 0 <= float(drawn.evidence[:-1]) <= 100
    assert drawn.proved == (e_value >= needed)


def test_truths_are_told_in_windows_of_equal_size_with_intervals() -> None:
    truths = [
        Truth(
            f"request/{1_790_000_000_000 + n:012x}{0:012x}",
            0,
            float(n % 4 == 0),
            None,
            (version(1), ""),
            {},
            [],
            "told",
        )
        for n in range(1000)
    ]
    drawn = points(truths[::-1])
    assert {one["rows"] for one in drawn} == {30}
    assert len(drawn) == 33
    assert [one["at_ms"] for one in drawn] == sorted(one["at_ms"] for one in drawn)
    assert all(one["low"] <= one["wrong"] <= one["high"] for one in drawn)
    assert math.fsum(one["wrong"] for one in drawn) / 33 == pytest.approx(0.25, abs=0.02)
    assert said("auto", truths) == "share of wrong answers"


def test_the_room_that_the_page_is_tested_with_speaks_as_status_does(house: House) -> None:
    real = RolloutRoom()
    real.begin()
    real.run(50)
    row = real.state.rows("models_of_project", project=PROJECT)[0]
    found = model_status(real.state, PROJECT, row, running=True)
    made = ModelRoom(house).models()["models"]["credit"]
    assert set(made) == set(found)
    assert set(made["history"][0]) == set(found["history"][0])
    assert set(made["history"][0]["rollout"]) == set(found["history"][0]["rollout"])
    assert set(made["history"][0]["rollout"]["measures"][0]) == set(found["history"][0]["rollout"]["measures"][0])
    assert modelwords.trial(found) is not None


def test_what_the_page_adds_is_read_from_the_store_moves_plan_and_since_when(house: House) -> None:
    real = with_plan(shadow_requests=300, stages=(20.0, 100.0), stage_requests=200)
    real.plan = replace(real.plan, approve=(PERSON,))
    people = SimpleNamespace(names=lambda: {PERSON: "anna"})
    declared = SimpleNamespace(models={"credit": None}, services={})
    standing = Standing(cast(Any, SimpleNamespace(state=real.state, project=PROJECT, keys=real.keys, people=people,
                                                  declaration=declared, watching=None)))  # fmt: skip
    assert standing.model("other") is None
    real.begin()
    real.run(2_400)
    asked = standing.model("credit")
    assert asked is not None
    assert asked["plan"]["approve"] == ["anna"]
    assert asked["plan"]["stages"] == [20.0, 100.0]
    strip = modelwords.strip(modelwords.trial(standing.models()["models"]["credit"]) or {}, asked["plan"])
    assert [(one.name, one.state) for one in strip][:2] == [("shadow", "held"), ("20 %", "next")]
    real.rolling.decide(real.rollout().id, PERSON, allow=True)
    real.run(2_400)
    real.clock.advance(60_000)
    back = find_back(real.state, PROJECT, MODEL, "credit", None)
    roll_back(real.state, real.journal, ACTOR, back)
    after = standing.model("credit")
    assert after is not None
    assert [(one["version"], one["generation"], one["back"]) for one in after["moves"]] == [
        (OLD, 1, False), (NEW, 2, False), (OLD, 3, True)]  # fmt: skip
    live = standing.models()["models"]["credit"]["live"]
    assert (live["generation"], live["since"]) == (3, rfc3339(after["moves"][-1]["at_ms"]))
    assert after["plan"] is None
    told = modelwords.versions(standing.models()["models"]["credit"], after["moves"])
    assert [(one.version, one.live) for one in told] == [(OLD, True), (NEW, False)]
