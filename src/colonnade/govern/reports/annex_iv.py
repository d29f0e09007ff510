# SPDX-License-Identifier: Apache-2.0
"""Annex IV technical documentation: which statements stand under which point. What is not measured and not declared
is a hole, and says what would fill it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from colonnade.govern.reports import facts_data, facts_house, facts_model, facts_service
from colonnade.govern.reports.points import BY_POINT, POINTS
from colonnade.govern.reports.subject import Case

NO_USE_CASE = "Declare a use case that lists this model, with %s: `use_cases: {NAME: {..., models: [%s]}}`."


def annex_iv(case: Case) -> None:
    """All points, in the law's order."""
    for one in POINTS:
        case.make.section(one.point, one.title, 1 if one.point.isdigit() else 2, one.law)
        fill = FILLED.get(one.point)
        if fill is not None:
            fill(case)
        if one.asks:
            says(case, one.point)


def use_case(case: Case, key: str, title: str) -> None:
    """Something of the register of use cases."""
    if not case.named.use_case:
        case.make.missing(key, title, NO_USE_CASE % (f"`{key}`", case.named.name))
        return
    path = ("use_cases", case.named.use_case, key)
    case.make.declared(key, title, *path, fill=f"Declare `{'.'.join(path)}`.")


def says(case: Case, point: str) -> None:
    """What the register says in words under a point."""
    title = f"In words: {BY_POINT[point].asks}"
    if not case.named.use_case:
        case.make.missing("said", title, NO_USE_CASE % (f"`says: {{{point}: ...}}`", case.named.name))
        return
    path = ("use_cases", case.named.use_case, "says", point)
    case.make.declared("said", title, *path, fill=f"Declare `{'.'.join(path)}`.")


def purpose(case: Case) -> None:
    """1a."""
    for key, title in (
        ("purpose", "Intended purpose"),
        ("provider", "Provider"),
        ("owner", "Who answers for it"),
        ("risk_class", "Risk class, as its owner sees it"),
    ):
        use_case(case, key, title)
    facts_model.versions(case.make, case.named)


def interaction(case: Case) -> None:
    """1b."""
    for service in sorted(case.named.services):
        case.make.declared(f"service-{service}", f"Service {service}: it answers with this model", "services", service)
    if not case.named.services:
        case.make.missing("services", "Services", "No service of the declaration answers with this model.")
    facts_service.requests(case.make)


def software(case: Case) -> None:
    """1c."""
    facts_model.software(case.make, case.live)


def forms(case: Case) -> None:
    """1d."""
    facts_house.served(case.make)


def hardware(case: Case) -> None:
    """1e."""
    for key, title in (
        ("gpus", "Devices that training asks for"),
        ("cpu", "CPU that training asks for"),
        ("memory", "Memory that training asks for"),
    ):
        case.make.declared(key, title, "models", case.named.name, key)
    case.make.measure("devices", "Devices that were found", "count", kind="device.found")
    case.make.measure("healthy", "Devices taken out of use, or brought back", "count", kind="device.changed")


def development(case: Case) -> None:
    """2a."""
    facts_model.development(case.make, case.live)
    for step in ("train", "evaluate"):
        case.make.declared(f"script-{step}", f"Script ({step})", "models", case.named.name, step)


def design(case: Case) -> None:
    """2b."""
    facts_model.design(case.make, case.named, case.live)


def resources(case: Case) -> None:
    """2c."""
    facts_model.resources(case.make)


def data(case: Case) -> None:
    """2d."""
    facts_data.taken_in(case.make)
    facts_data.of_live(case.make, case.live)
    facts_data.rules(case.make, case.named)


def oversight(case: Case) -> None:
    """2e."""
    case.make.measure(
        "by-person",
        "Moves of trials that a person ordered",
        "count",
        kind="rollout.moved",
        refs={"on": case.named.model},
        is_={"cause": "person"},
    )
    case.make.measure(
        "brought-back",
        "Times that a version before was brought back",
        "count",
        kind="model.promoted",
        subject=case.named.model,
        is_={"cause": "rolled_back"},
    )
    use_case(case, "approvals", "Approvals")
    for service in sorted(case.named.services):
        path = ("services", service, "rollout", "approve")
        case.make.declared(
            f"approve-{service}",
            f"Service {service}: approval asked for before",
            *path,
            fill=f"Declare `{'.'.join(path)}` if a person is to say yes.",
        )


def foreseen(case: Case) -> None:
    """2f."""
    case.make.declared("retrain", "What trains it anew, how often, with how much", "models", case.named.name, "retrain")
    case.make.declared("gates", "What each such change must keep", "models", case.named.name, "gates")
    for service in sorted(case.named.services):
        case.make.declared(
            f"rollout-{service}", f"How such a change is tried on requests of {service}", "services", service, "rollout"
        )
    for cause, word in (("data", "new data"), ("alarm", "an alarm"), ("schedule", "the time"), ("hand", "a person")):
        case.make.measure(
            f"cause-{cause}",
            f"Trained anew because of {word}",
            "count",
            kind="pipeline.caused",
            subject="@pipelines",
            is_={"cause": cause},
        )


def testing(case: Case) -> None:
    """2g."""
    facts_model.metrics(case.make, case.live)
    facts_model.validation(case.make, case.named, case.live)
    facts_model.findings(case.make, case.live)
    case.make.missing(
        "signed",
        "Test reports signed by the responsible persons",
        "The log signs and dates them as they are made; no person does. `approve` records who said yes to a trial.",
    )


def security(case: Case) -> None:
    """2h."""
    facts_house.log(case.make)
    facts_house.access(case.make)


def functioning(case: Case) -> None:
    """3."""
    facts_model.groups(case.make, case.live)
    facts_service.truths(case.make)
    case.make.declared(
        "inputs", "Input data: columns and what each must keep", "models", case.named.name, "contract", "columns"
    )


def metrics(case: Case) -> None:
    """4."""
    case.make.declared("gates", "Limits that are set on the metrics", "models", case.named.name, "gates")


def risks(case: Case) -> None:
    """5."""
    use_case(case, "incidents", "Incidents")


def changed(case: Case) -> None:
    """6."""
    facts_model.changes(case.make, case.named)


def afterwards(case: Case) -> None:
    """9."""
    facts_service.rollouts(case.make, case.named)
    facts_service.alarms(case.make)
    for service in sorted(case.named.services):
        for key, title in (
            ("alarms", "what rings"),
            ("capture", "what is kept of requests"),
            ("labels", "how truths come"),
        ):
            case.make.declared(f"{key}-{service}", f"Service {service}: {title}", "services", service, key)


FILLED: Mapping[str, Callable[[Case], None]] = {
    "1a": purpose,
    "1b": interaction,
    "1c": software,
    "1d": forms,
    "1e": hardware,
    "2a": development,
    "2b": design,
    "2c": resources,
    "2d": data,
    "2e": oversight,
    "2f": foreseen,
    "2g": testing,
    "2h": security,
    "3": functioning,
    "4": metrics,
    "5": risks,
    "6": changed,
    "9": afterwards,
}
