# SPDX-License-Identifier: Apache-2.0
"""A model's document in a reader's words: what is live, what is tried and what it waits for, what came of candidates.

Pure: reads `models.NAME` of `status --json`; no backend call, no markup, no drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from colonnade.gateway.console import present

OUTCOMES = {
    "promoted": ("promoted", "good"),
    "unchanged": ("unchanged", "quiet"),
    "refused": ("refused", "bad"),
    "quarantined": ("quarantined", "warn"),
    "failed": ("failed", "bad"),
    "rolled_back": ("rolled back", "bad"),
    "superseded": ("superseded", "quiet"),
    "running": ("under way", "live"),
}
STATES = {
    "training": ("training", "live"),
    "rollout": ("being tried", "live"),
    "ready": ("live", "good"),
    "waiting": ("nothing is live yet", "quiet"),
    "failed": ("failed, nothing is live", "bad"),
    "stopped": ("stopped", "quiet"),
}
WAITS = {"asked": ("asks for a word", "warn"), "held": ("waits for truths", "warn")}
TROUBLE = {"refused", "quarantined", "failed", "rolled_back"}


@dataclass(frozen=True, slots=True)
class Last:
    """What became of the newest candidate that is over, and the pieces of its reason."""

    outcome: tuple[str, str]
    trigger: str
    reasons: tuple[str, ...]
    ended_ms: int | None
    trouble: bool
    ref: str


class Said:
    """One model in words, for its line in the list and the head of its page."""

    def __init__(self, name: str, model: Mapping[str, Any], document: Mapping[str, Any], now_ms: int) -> None:
        self.name, self.now_ms = name, now_ms
        self.live = model["live"]
        self.short = model["live"]["version"][7:19] if model["live"] else ""
        self.since_ms = present.parse_moment(model["live"]["since"] or "") if model["live"] else None
        self.made_by = next((one["ref"] for one in model["history"] if self.live and one["outcome"] == "promoted"
                             and one["version"] == self.live["version"]), "")  # fmt: skip
        self.services = services_of(document, name)
        self.alarms = [one for one in document["alarms"] if one.get("service") in {s for s, _ in self.services}]
        self.trial = trial(model)
        waits = WAITS.get(self.trial["state"]) if self.trial is not None else None
        self.state = waits or STATES.get(model["state"], (model["state"], "live"))
        self.last = last_of(model)
        self.held = model.get("held")
        self.step = next((one["step"] for one in model["steps"] if one["state"] in {"running", "waiting"}), "")
        self.data = model["data"]


def services_of(document: Mapping[str, Any], model: str) -> list[tuple[str, Mapping[str, Any]]]:
    """The services that answer with the model."""
    return [(name, one) for name, one in document["services"].items() if one.get("model") == model]


def trial(model: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The rollout that has not ended, on probation too."""
    newest = model["history"][0]["rollout"] if model["history"] else None
    open_ = [one["rollout"] for one in model["history"][:5] if one["rollout"] and one["rollout"]["state"] != "ended"]
    return newest if newest and newest["state"] != "ended" else (open_[0] if open_ else None)


def rollout_ref(model: Mapping[str, Any]) -> str:
    """The ref of the rollout under way, or ""."""
    now = trial(model)
    return str(now["ref"]) if now else ""


def last_of(model: Mapping[str, Any]) -> Last | None:
    """The newest pipeline that is over."""
    one = next((one for one in model["history"] if one["outcome"] != "running"), None)
    if one is None:
        return None
    return Last(OUTCOMES.get(one["outcome"], (one["outcome"], "quiet")), one["trigger"], reasons_of(one),
                present.parse_moment(one["ended"] or ""), one["outcome"] in TROUBLE, one["ref"])  # fmt: skip


def reasons_of(one: Mapping[str, Any]) -> tuple[str, ...]:
    """Why, a sentence each. A refusal is told by the gates that failed; else as the pipeline says it."""
    failed = [str(gate["reason"]) for gate in one["gates"] if not gate["passed"]]
    if one["outcome"] == "refused" and failed:
        return tuple(failed)
    if one["outcome"] == "promoted" and one["rollout"] and one["rollout"]["reason"]:
        return (str(one["rollout"]["reason"]),)
    return (one["reason"].strip(),) if one["reason"] else ()


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage in the strip: done, now, next or stopped; `share` of it that is done, in percent."""

    name: str
    state: str
    share: int


def strip(rollout: Mapping[str, Any], plan: Mapping[str, Any]) -> list[Stage]:
    """Shadow, each share, probation: where a rollout is. `rollout` is under way."""
    names = (["shadow"] if plan["shadow"] else []) + [f"{one:g} %" for one in plan["stages"]]
    names += ["probation"] if plan["probation"] else []
    now = "probation" if rollout["state"] == "probation" else rollout["stage"]
    at = names.index(now) if now in names else 0
    done = rollout["in_stage"]
    part = min(100, round(100 * done["done"] / done["of"])) if done["of"] else 0
    held = rollout["state"] in {"held", "asked"}
    return [
        Stage(name, "done" if place < at else ("held" if held else "now") if place == at else "next",
              part if place == at else 0)
        for place, name in enumerate(names)
    ]  # fmt: skip


def waits_for(rollout: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """What a rollout waits for, as a sentence."""
    done, until = rollout["in_stage"], present.clock(plan["until_ms"])
    of = f"{present.grouped(done['done'])} of {present.grouped(done['of'])} requests"
    if rollout["state"] == "asked":
        who = " or ".join(plan["approve"]) or "an owner"
        return f"It asks for a person's word: {who}."
    if rollout["state"] == "held":
        return f"It waits for truths; they are overdue since {present.clock(plan['overdue_ms'])}."
    if rollout["state"] == "probation":
        return f"It is live, and watched for {of}, until {until} at the latest. Proved worse, it goes back by itself."
    quiet = present.duration(plan["quiet_ms"])
    return (
        f"{of} in this stage; it goes on then, or at {until}. If nobody asks for {quiet}, requests of before are "
        "replayed to both instead."
    )


@dataclass(frozen=True, slots=True)
class Version:
    """A version that was live: since when, how often the live version had changed by then."""

    version: str
    short: str
    generation: int
    at_ms: int
    live: bool
    back: bool
    metrics: Mapping[str, float]
    ref: str


def versions(model: Mapping[str, Any], moves: Sequence[Mapping[str, Any]]) -> list[Version]:
    """Each version that was ever live once, the one that was live last first."""
    made = {one["version"]: one for one in model["history"] if one["outcome"] == "promoted" or one["rollout"]}
    newest: dict[str, Mapping[str, Any]] = {}
    for move in moves:
        newest.pop(move["version"], None)
        newest[move["version"]] = move
    live = model["live"]["version"] if model["live"] else ""
    return [
        Version(version, version[7:19], move["generation"], move["at_ms"], version == live, move["back"],
                made.get(version, {}).get("metrics", {}), made.get(version, {}).get("ref", ""))
        for version, move in reversed(newest.items())
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Past:
    """A pipeline of the history in words."""

    one: Mapping[str, Any]
    outcome: tuple[str, str]
    reasons: tuple[str, ...]
    ended_ms: int | None
    began_ms: int
    exposed: str


def past(one: Mapping[str, Any]) -> Past:
    """A pipeline of `history[]`."""
    seen = one["rollout"]["requests"] if one["rollout"] else 0
    exposed = f"{present.grouped(one['exposed'])} of {present.grouped(seen)}" if seen else ""
    return Past(one, OUTCOMES.get(one["outcome"], (one["outcome"].replace("_", " "), "quiet")), reasons_of(one),
                present.parse_moment(one["ended"] or ""), present.parse_moment(one["began"]) or 0, exposed)  # fmt: skip


def steps(model: Mapping[str, Any], times: Mapping[str, int]) -> list[tuple[str, str, str, str, str]]:
    """(step, state, tone, how long, ref) of the newest pipeline."""
    tones = {"done": "good", "cached": "quiet", "failed": "bad", "running": "live", "waiting": "quiet"}
    return [
        (one["step"], one["state"], tones.get(one["state"], "quiet"),
         present.duration(times[one["step"]]) if one["step"] in times and one["state"] != "cached" else "",
         one["ref"] or "")
        for one in model["steps"]
    ]  # fmt: skip
