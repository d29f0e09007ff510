# SPDX-License-Identifier: Apache-2.0
"""Pages about models: what is live and why, what is being tried, why the last candidate was refused; train, go back,
stop, and a person's word.

What is drawn is worked out in `modelcharts` and `modelwords`; what is done is the backends' business. For owners; a
person whose word a rollout waits for sees that model's page, without its data.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from colonnade.core.errors import Refused
from colonnade.gateway.console import modelcharts, modelwords, present, render
from colonnade.gateway.console.modelaccess import sees_models, words_wanted
from colonnade.gateway.console.visit import Reply, Visit, redirect
from colonnade.gateway.standing import StandingBackend

SPARK = 30
HISTORY = 12
"""Pipelines in the table; the address with `all=1` shows as many as `status` knows."""
EVERY_S = 1.5


def models(visit: Visit) -> Reply | None:
    """Every declared model, and the tracked ones. None for who has no business here."""
    standing = visit.backend.standing
    if standing is None or not sees_models(visit):
        return None
    document = standing.models()
    wanted = {one["ref"] for one in words_wanted(visit)}
    rows = []
    for name, model in document["models"].items():
        if visit.asker.owner or modelwords.rollout_ref(model) in wanted:
            extra = standing.model(name) or {"moves": ()}
            rows.append({"name": name, "said": modelwords.Said(name, model, document, visit.now_ms),
                         "spark": _spark(model, extra["moves"])})  # fmt: skip
    tracked = document["tracking"]["models"] if visit.asker.owner else {}
    return render.page("models.html", visit, section="models", rows=rows, tracked=tracked,
                       cli=present.command("colonnade", "status"))  # fmt: skip


def model_page(visit: Visit, name: str) -> Reply | None:
    """One model."""
    found = _model(visit, name)
    if found is None:
        return None
    standing, document = found
    model, extra = document["models"][name], standing.model(name)
    if extra is None:
        return None
    wanted = visit.query.get("axis", "")
    axis = modelcharts.axis_of(modelcharts.moments_of(model["history"], extra["moves"]), wanted)
    charts = [
        modelcharts.metric_chart(metric, model["history"], extra["moves"], axis)
        for metric in modelcharts.metrics_of(model["history"])
    ]
    everything = "all" in visit.query
    return render.page(
        "model.html", visit, section="models", name=name, charts=charts, even=axis.even,
        quality=[(told, modelcharts.quality_chart(told, extra["moves"], extra["rings"], wanted))
                 for told in extra["truths"]],
        history=[modelwords.past(one) for one in model["history"][: None if everything else HISTORY]],
        more=0 if everything else max(0, len(model["history"]) - HISTORY),
        metrics=[chart.name for chart in charts], model=model, rings=extra["rings"],
        quarantined=model["quarantined"] if visit.asker.owner else [],
        versions=modelwords.versions(model, extra["moves"]), can_go_back=_can_go_back(visit, document, name),
        cli=present.command("colonnade", "why", f"model/{name}"), **_moving(visit, name, document, extra),
    )  # fmt: skip


def model_live(visit: Visit, name: str) -> Callable[[], tuple[str, bool]] | None:
    """Draws the moving part again, as long as somebody looks."""
    found = _model(visit, name)
    if found is None:
        return None
    seen = _ended(found[1]["models"][name])
    kept: list[Any] = [None, ""]

    def draw() -> tuple[str, bool]:
        again = _model(visit, name)
        extra = again[0].model(name) if again is not None else None
        if again is None or extra is None:
            return "<p>This model is no longer shown here.</p>", True
        told = json.dumps([again[1]["models"][name], extra["plan"], extra["times"]])
        if told != kept[0]:
            stale = _ended(again[1]["models"][name]) != seen
            kept[:] = [told, render.text("model_live.html", visit, name=name, model=again[1]["models"][name],
                                         stale=stale, **_moving(visit, name, again[1], extra))]  # fmt: skip
        return kept[1], False

    return draw


def back_page(visit: Visit, name: str) -> Reply | None:
    """Asks once more before an older version answers again, or before a rollout is stopped."""
    found = _model(visit, name)
    if found is None or not visit.asker.owner or not _can_go_back(visit, found[1], name):
        return None
    model = found[1]["models"][name]
    moves = (found[0].model(name) or {"moves": ()})["moves"]
    stop = modelwords.rollout_ref(model) if visit.query.get("stop") else ""
    versions = [one for one in modelwords.versions(model, moves) if not one.live]
    chosen = next((one for one in versions if one.version == visit.query.get("to")), versions[0] if versions else None)
    if model["live"] is None or (chosen is None and not stop):
        return redirect(visit.url(f"/models/{name}"))
    words = ("colonnade", "rollback", f"model/{name}", *(() if stop or chosen is None else ("--to", chosen.short)))
    return render.page("model_back.html", visit, section="models", name=name, model=model, chosen=chosen, stop=stop,
                       services=modelwords.services_of(found[1], name), now=modelwords.trial(model),
                       cli=present.command(*words))  # fmt: skip


def go_back(visit: Visit, name: str) -> Reply | None:
    """Roll back, or stop what is being tried; only from what the person saw: what has moved since is asked anew."""
    found = _model(visit, name)
    if found is None or not visit.asker.owner or visit.backend.serving is None:
        return None
    model, form = found[1]["models"][name], visit.form
    if form.get("stop"):
        if modelwords.rollout_ref(model) == form["stop"]:
            visit.backend.serving.rollback(visit.asker, f"model/{name}", None)
    elif model["live"] is None or model["live"]["version"] != form.get("from"):
        return redirect(visit.url(f"/models/{name}/rollback", to=form.get("to", "")))
    else:
        visit.backend.serving.rollback(visit.asker, f"model/{name}", form.get("to", ""))
    return redirect(visit.url(f"/models/{name}"))


def train(visit: Visit, name: str) -> Reply | None:
    """Begin a pipeline by hand."""
    found = _model(visit, name)
    if found is None or not visit.asker.owner or visit.backend.training is None:
        return None
    visit.backend.training.train(visit.asker, name)
    return redirect(visit.url(f"/models/{name}"))


def word(visit: Visit, name: str) -> Reply | None:
    """A person's yes or no to the version that asks. Raises Refused."""
    if _model(visit, name) is None:
        return None
    if visit.acting:
        raise Refused("`as` looks, and never approves", code="may_not_approve")
    visit.backend.approving.approve(visit.asker, visit.form.get("ref", ""), allow=visit.form.get("verdict") == "allow")
    return redirect(visit.url(f"/models/{name}" if sees_models(visit) else "/"))


def _model(visit: Visit, name: str) -> tuple[StandingBackend, Mapping[str, Any]] | None:
    standing = visit.backend.standing
    document = standing.models() if standing is not None else None
    if standing is None or document is None or name not in document["models"]:
        return None
    wanted = {one["ref"] for one in words_wanted(visit)}
    mine = visit.asker.owner or modelwords.rollout_ref(document["models"][name]) in wanted
    return (standing, document) if mine else None


def _moving(visit: Visit, name: str, document: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    model = document["models"][name]
    said = modelwords.Said(name, model, document, visit.backend.now_ms())
    tried = modelwords.trial(model)
    ref = modelwords.rollout_ref(model)
    stops = visit.asker.owner and visit.backend.serving is not None
    return {
        "said": said,
        "trial": tried,
        "strip": modelwords.strip(tried, extra["plan"]) if tried and extra["plan"] else [],
        "waits_for": modelwords.waits_for(tried, extra["plan"]) if tried and extra["plan"] else "",
        "measures": [modelcharts.interval_of(one) for one in tried["measures"]] if tried else [],
        "asks_me": any(one["ref"] == ref for one in words_wanted(visit)),
        "asks": next((one for one in visit.backend.approving.waiting(visit.asker) if one["ref"] == ref), None),
        "steps": modelwords.steps(model, extra["times"]),
        "stoppable": stops and tried is not None and tried["state"] != "probation",
        "can_train": visit.asker.owner and visit.backend.training is not None,
    }  # fmt: skip


def _can_go_back(visit: Visit, document: Mapping[str, Any], name: str) -> bool:
    return visit.asker.owner and visit.backend.serving is not None and bool(modelwords.services_of(document, name))


def _spark(model: Mapping[str, Any], moves: Any) -> modelcharts.Chart | None:
    names = modelcharts.metrics_of(model["history"])
    if not names:
        return None
    axis = modelcharts.axis_of(modelcharts.moments_of(model["history"], moves), "runs")
    return modelcharts.metric_chart(names[0], model["history"], moves, axis, height=SPARK)


def _ended(model: Mapping[str, Any]) -> list[str]:
    """Which pipelines are over: when that changes, the page's charts and tables are old."""
    return [one["ref"] for one in model["history"] if one["outcome"] != "running"]
