# SPDX-License-Identifier: Apache-2.0
"""The difference between a declaration and what runs. Pure: two plain mappings in, a list of changes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

KINDS = {"groups": "group", "knowledge": "knowledge", "services": "service"}
WHOLE = {"gateway", "platform", "project"}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `action` is create, update or delete."""

    action: str
    ref: str
    why: str

    def as_dict(self) -> dict[str, str]:
        """For `--json`."""
        return asdict(self)


def changes(active: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> list[Change]:
    """What applying `wanted` (a dumped declaration) would change; with nothing active, everything is `create`."""
    found: list[Change] = []
    before = _things(active) if active is not None else {}
    after = _things(wanted)
    for ref in sorted(before.keys() | after.keys()):
        if ref not in before:
            found.append(Change("create", ref, "declared, not there yet"))
        elif ref not in after:
            found.append(Change("delete", ref, "no longer declared"))
        elif before[ref] != after[ref]:
            found.append(Change("update", ref, _difference(before[ref], after[ref])))
    return found


def _things(declaration: Mapping[str, Any]) -> dict[str, Any]:
    things: dict[str, Any] = {
        f"project/{declaration['project']}": {"gateway": declaration["gateway"], "platform": declaration["platform"]}
    }
    for group, people in declaration["access"]["groups"].items():
        things[f"group/{group}"] = {"people": sorted(people)}
    for section in ("knowledge", "services"):
        for name, body in declaration[section].items():
            things[f"{KINDS[section]}/{name}"] = body
    for name, body in declaration.get("models", {}).items():
        things[f"model/{name}"] = body
    for name, body in declaration.get("pipelines", {}).items():
        things[f"pipeline/{name}"] = body
    if "tracking" in declaration:
        things[f"project/{declaration['project']}"]["tracking"] = declaration["tracking"]
    if declaration.get("notify"):
        things[f"project/{declaration['project']}"]["notify"] = declaration["notify"]
    compute = declaration.get("compute")
    if compute is not None:
        things["compute/devices"] = {key: value for key, value in compute.items() if key not in {"queues", "jobs"}}
        for name, job in compute["jobs"].items():
            things[f"job/{name}"] = job
        for department, queue in compute["queues"].items():
            things[f"queue/{department}"] = {key: value for key, value in queue.items() if key != "queues"}
            for team, body in queue["queues"].items():
                things[f"queue/{department}.{team}"] = body
    return things


def _difference(before: Any, after: Any, path: str = "") -> str:
    """The first few differing keys, as `key: old -> new`; secrets never stand in a declaration."""
    said: list[str] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if key == "sources":
            said.extend(_sources(old or [], new or []))
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            said.append(_difference(old, new, f"{path}{key}."))
        else:
            said.append(f"{path}{key}: {_short(old)} -> {_short(new)}")
    return "; ".join(said)


def _sources(before: list[Any], after: list[Any]) -> list[str]:
    """What became of each source, by its path: who may read what is the change that matters most."""
    old, new = ({str(s["path"] or s["builtin"]): s for s in sources} for sources in (before, after))
    said = [
        f"{name}: {_difference(old[name], new[name])}" for name in old.keys() & new.keys() if old[name] != new[name]
    ]
    said += [f"{name}: no longer read" for name in old.keys() - new.keys()]
    said += [f"{name}: new, for {_short(new[name]['readers'])}" for name in new.keys() - old.keys()]
    return sorted(said) or ["sources: in another order"]


def _short(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        text = f"[{', '.join(value)}]"
    else:
        text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
