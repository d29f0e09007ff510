# SPDX-License-Identifier: Apache-2.0
"""A model card: what the version is, what it is for, how it was made and measured, for whom it is how good.

After Mitchell et al., Model Cards for Model Reporting, FAT* 2019, https://arxiv.org/abs/1810.03993; its headings.
"""

from __future__ import annotations

from colonnade.govern.reports import facts_data, facts_model, facts_service
from colonnade.govern.reports.annex_iv import use_case
from colonnade.govern.reports.subject import Case


def model_card(case: Case) -> None:
    """All headings."""
    case.make.section("1", "Model details")
    facts_model.versions(case.make, case.named)
    facts_model.software(case.make, case.live)
    facts_model.design(case.make, case.named, case.live)
    case.make.section("2", "Intended use")
    for key, title in (("purpose", "Purpose"), ("owner", "Owner"), ("risk_class", "Risk class, as its owner sees it")):
        use_case(case, key, title)
    case.make.section("3", "Factors: for whom it is how good")
    facts_model.groups(case.make, case.live)
    case.make.section("4", "Metrics, on rows held out from training")
    facts_model.metrics(case.make, case.live)
    case.make.section("5", "Evaluation: verdicts and gates")
    facts_model.validation(case.make, case.named, case.live)
    facts_model.findings(case.make, case.live)
    case.make.section("6", "Data")
    facts_data.of_live(case.make, case.live)
    case.make.section("7", "How it does in use")
    facts_service.requests(case.make)
    facts_service.truths(case.make)
    facts_service.alarms(case.make)
    case.make.section("8", "Ethical considerations, caveats")
    for key, point in (("limitations", "3"), ("risks", "5")):
        path = ("use_cases", case.named.use_case or "NAME", "says", point)
        case.make.declared(key, key.capitalize(), *path, fill=f"Declare `{'.'.join(path)}`.")
