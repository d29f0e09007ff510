# SPDX-License-Identifier: Apache-2.0
"""What is ready, what is not, and why. Works without a daemon, and then says `stopped`.

--wait N waits up to N seconds until everything that is declared is ready: 0 if so, 1 if time is over, and 1 once it is
clear that no daemon runs: nothing becomes ready without one.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

from colonnade.app.presence import find_daemon, has_looked, pause
from colonnade.app.settings.environment import Places, find_places
from colonnade.cli.output import Progress, emit, paint, say
from colonnade.core.quantities import shown_milli

COMING_S = 10.0
"""A daemon that somebody starts beside us has taken its lock by then."""
STOPPED = "no daemon runs, so there is nothing to wait for: `colonnade up` starts one"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--wait", type=float, metavar="N", default=None, help="wait up to N seconds until all is ready")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    places = find_places(args.folder)
    began, began_ns = time.monotonic(), time.monotonic_ns()
    end, seen = began + (args.wait or 0), False
    progress = Progress()
    looked, document = has_looked(places, began_ns), look(places)
    while args.wait is not None and not _is_done(document, looked=looked) and time.monotonic() < end:
        seen = seen or document["daemon"] == "running"
        if document["daemon"] != "running" and (seen or time.monotonic() - began > COMING_S):
            say(STOPPED)
            break
        for name, base in document["knowledge"].items():
            if base["progress"]:
                progress.show(f"{base['state']} {name}", base["progress"]["done"], base["progress"]["total"])
        pause(0.2)
        looked, document = has_looked(places, began_ns), look(places)
    progress.clear()
    if args.json:
        emit(document)
    else:
        show(document)
    return 0 if args.wait is None or _is_done(document, looked=looked) else 1


def look(places: Places) -> dict[str, Any]:
    """The document of `status`, from the store alone; alarms come from the daemon while it runs."""
    from colonnade.app.stored import stored_status

    return stored_status(places, find_daemon(places))


def _is_done(document: Mapping[str, Any], *, looked: bool) -> bool:
    """Whether nobody has to wait any more. What was dropped in just before counts: the daemon must have looked since,
    before the document was read.
    """
    return is_ready(document) and (looked or not document["models"])


def is_ready(document: Mapping[str, Any]) -> bool:
    """Whether everything that is declared is ready."""
    things = [*document["knowledge"].values(), *document["services"].values()]
    if any(model["live"] is None or model["state"] in {"training", "rollout"} for model in document["models"].values()):
        return False
    return document["daemon"] == "running" and bool(document["project"]) and all(t["state"] == "ready" for t in things)


def show(document: Mapping[str, Any]) -> None:
    """For people."""
    if document["project"] is None:
        say("nothing was ever up here; `colonnade up` begins")
        return
    where = f" at {document['url']}" if document["url"] else ""
    print(f"{paint(document['project'], 'bold')}: {document['daemon']}{where}")
    for name, base in document["knowledge"].items():
        embedder = base["embedder"].partition("@")[0] if base["embedder"] else "words only"
        print(
            f"  knowledge {name}: {base['state']}; {base['documents']:,} documents, "
            f"{base['chunks']:,} passages, {embedder}"
        )
        for file in base["unreadable"]:
            print(f"    {paint('unreadable', 'yellow')} {file['path']}: {file['reason']} ({file['code']})")
    for name, model in document["models"].items():
        for line in _model(name, model):
            print(line)
    for name, pipeline in document.get("pipelines", {}).items():
        counts = ", ".join(f"{count} {kind}" for kind, count in pipeline["steps"].items() if count)
        print(f"  pipeline {name}: {pipeline['state']}" + (f" ({counts})" if counts else ""))
        if pipeline["history"] and pipeline["history"][0]["reason"]:
            print(f"    {pipeline['history'][0]['reason']}")
    for name, service in document["services"].items():
        made = " + ".join(part for part in (service["knowledge"], service["answer_with"], service.get("model")) if part)
        why = f": {service['reason']}" if service.get("reason") else ""
        print(f"  service {name}: {service['state']} ({made}){why}")
    if (compute := document.get("compute")) is not None:
        waiting = f", {compute['pending']} waiting" if compute["pending"] else ""
        ill = f", {paint(str(compute['unhealthy']) + ' take no new work', 'yellow')}" if compute["unhealthy"] else ""
        held = f"{shown_milli(compute['used_milli'])} of {compute['devices']} devices held"
        down = any(alarm.get("room") == "fabric" for alarm in document["alarms"])
        print(f"  compute: {paint('down', 'red') + '; ' if down else ''}{held}{waiting}{ill}")
    for line in _notices(document.get("notices", [])):
        print(line)
    for line in _tracking(document["tracking"]):
        print(line)
    for alarm in document["alarms"]:
        print(f"  {paint('alarm', 'red')} {alarm['room']}: {alarm['message']} ({alarm['code']})")
    print(f"  ledger: {document['ledger']['entries']:,} entries")


def _tracking(tracking: Mapping[str, Any]) -> list[str]:
    """Runs that other programs told of, and models under aliases; nothing where there are none."""
    runs, running = (sum(one[key] for one in tracking["experiments"]) for key in ("runs", "running"))
    lines = (
        [f"  tracking: {runs:,} runs in {len(tracking['experiments'])} experiments, {running} running"] if runs else []
    )
    for name, model in tracking["models"].items():
        aliases = ", ".join(f"{alias} is {version}" for alias, version in model["aliases"].items())
        lines.append(f"  registered {name}: {model['versions']} versions" + (f"; {aliases}" if aliases else ""))
    return lines


def _notices(receivers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Who is told, and whether they take it."""
    lines = []
    for one in receivers:
        waits = f", {one['waiting']:,} wait" if one["waiting"] else ""
        lost = f", {paint(str(one['given_up']) + ' given up', 'yellow')}" if one["given_up"] else ""
        why = f" ({one['error']})" if one["error"] else ""
        lines.append(f"  notices to {one['to']}: {one['sent']:,} sent{waits}{why}{lost}")
    return lines


def _model(name: str, model: Mapping[str, Any]) -> list[str]:
    live, history = model["live"], model["history"]
    said = "nothing is live yet"
    if live is not None:
        metrics = ", ".join(f"{metric} {value:.4g}" for metric, value in live["metrics"].items())
        since = f" since {live['since'][:16]}Z" if live["since"] else ""
        said = f"version {live['generation']} is live{since}" + (f" ({metrics})" if metrics else "")
    lines = [f"  model {name}: {model['state']}; {said}"]
    under_way = [step["step"] for step in model["steps"] if step["state"] in {"waiting", "running"}]
    if model["state"] == "training" and under_way:
        lines.append(f"    now: {under_way[0]}")
    if (held := model.get("held")) is not None:
        until = f", until {held['until']}" if held["until"] else ""
        lines.append(f"    {paint('waits', 'yellow')} ({held['trigger']}): {held['why']}{until}")
    if (trial := _trial(history)) is not None:
        lines.extend(_rollout(trial))
    last = next((one for one in history if one["outcome"] != "running"), None)
    if last is not None and last["outcome"] == "rolled_back" and last["rollout"] is not None:
        lines.extend(_rollout(last["rollout"]))
    elif last is not None and last["outcome"] in {"refused", "failed", "quarantined"}:
        lines.append(f"    {paint(last['outcome'], 'yellow')} ({last['trigger']}): {last['reason']}")
    return lines


def _trial(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The rollout that has not ended; what came in while one is on probation stands before it."""
    tried = [one["rollout"] for one in history if one.get("rollout")]
    return next((one for one in tried if one["state"] != "ended"), None)


def _rollout(trial: Mapping[str, Any]) -> list[str]:
    """How far a version is that is tried, or why it went back."""
    if trial["outcome"] == "rolled_back":
        seen = f"{trial['exposed']:,} of {trial['requests']:,} answers were the new version's"
        return [f"    {paint('rolled back', 'yellow')} at {trial['stage']}; {seen}: {trial['reason']}"]
    if trial["state"] == "ended":
        return []
    done, bad = trial["in_stage"], []
    for one in trial["measures"]:
        if one["challenger"] is not None:
            shown = [f"{100 * one[arm]:.1f}" if one[arm] is not None else "-" for arm in ("challenger", "champion")]
            bad.append(f"{one['measure']} {shown[0]}/{shown[1]}")
    where = "shadow" if trial["stage"] == "shadow" else f"canary {trial['stage']}"
    where = "on probation" if trial["state"] == "probation" else where
    seen = f", {trial['exposed']:,} of {trial['requests']:,} answers its own" if trial["exposed"] else ""
    lines = [f"    {where}: {done['done']:,} of {done['of']:,} requests{seen}"]
    if bad:
        lines.append(f"    new/live, in percent: {', '.join(bad)}")
    if trial["state"] in {"held", "asked"}:
        lines.append(f"    {paint(trial['state'], 'yellow')}: {trial['reason']}")
    if trial["decide"]:
        lines.append(f"    decide with `{trial['decide']}`")
    return lines
