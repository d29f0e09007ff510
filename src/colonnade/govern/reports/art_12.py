# SPDX-License-Identifier: Apache-2.0
"""Article 12 (record-keeping): what is recorded by itself, since when, under which checkpoint, and that it is intact.

Regulation (EU) 2024/1689, Articles 12, 19 and 26(6). How long logs are kept is declared (`retention:`), not measured.
"""

from __future__ import annotations

from colonnade.govern.reports import facts_house, facts_service
from colonnade.govern.reports.subject import Case


def art_12(case: Case) -> None:
    """All paragraphs."""
    case.make.section("12.1", "Events are recorded automatically over the lifetime of the system", law="Article 12(1)")
    facts_house.log(case.make)
    case.make.section("12.1a", "What is recorded: how often, since when, until when", 2, "Article 12(1)")
    facts_house.recorded(case.make)
    case.make.section(
        "12.2a", "Situations that may present a risk, or a substantial modification", 1, "Article 12(2)(a)"
    )
    case.make.measure("live", "Versions gone live or brought back", "count", kind="model.promoted")
    case.make.measure("refused", "Candidates refused", "count", kind="candidate.judged", is_={"verdict": "deny"})
    case.make.measure("declared", "Declarations applied", "count", kind="declaration.applied")
    case.make.measure("alarms", "Alarms", "count", kind="alarm.raised")
    case.make.section("12.2b", "Post-market monitoring", 1, "Articles 12(2)(b) and 72")
    facts_service.requests(case.make)
    facts_service.truths(case.make)
    case.make.section("12.2c", "Monitoring of operation by deployers", 1, "Articles 12(2)(c) and 26(5)")
    case.make.measure("answers", "Questions answered", "count", kind="answer.given")
    case.make.measure("decisions", "Decisions on rights", "count", kind="decision.made")
    case.make.measure("failed", "Requests that no model could answer", "sum", "n.failed", kind="predictions.captured")
    case.make.section(
        "12.3",
        "Remote biometric identification: periods of use, reference database, matches, verifiers",
        1,
        "Article 12(3), Annex III 1(a)",
    )
    case.make.missing(
        "biometric",
        "Whether this is such a system",
        "Nothing here records reference databases or matches; say so in the register of use cases.",
    )
    case.make.section("19", "How long logs are kept", 1, "Articles 19(1) and 26(6): six months at least")
    case.make.declared(
        "retention", "Retention", "retention", fill="Declare `retention:`. Entries themselves are never deleted."
    )
    for service in sorted(case.named.services):
        case.make.declared(
            f"capture-{service}", f"Service {service}: how long requests are kept", "services", service, "capture"
        )
