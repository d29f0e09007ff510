# SPDX-License-Identifier: Apache-2.0
"""The page of use cases: what models are for, who answers for them, what was approved, what went wrong; and reports to
take away. For owners. The register is declared in colonnade.yaml; nothing is edited here.
"""

from __future__ import annotations

from colonnade.core.errors import ColonnadeError
from colonnade.gateway.console import present, render
from colonnade.gateway.console.visit import Reply, Visit

REPORTS = (
    ("annex-iv", "Annex IV"), ("model-card", "Model card"), ("data-sheet", "Data sheet"), ("ml-bom", "ML-BOM"),
    ("art-12", "Article 12"),
)  # fmt: skip
TONES = {"high": "warn", "prohibited": "bad", "unclear": "warn"}


def use_cases(visit: Visit) -> Reply | None:
    """The register."""
    return _page(visit) if visit.asker.owner else None


def report(visit: Visit, kind: str) -> Reply | None:
    """A report, to be kept as a file: it carries its own style, which a page of the console may not."""
    if not visit.asker.owner or kind not in dict(REPORTS):
        return None
    model = visit.query.get("model", "")
    try:
        text = visit.backend.reporting.report(kind, model)
    except ColonnadeError as error:
        return _page(visit, error=f"{error.message} {error.hint or ''}".strip())
    end, media = ("json", "application/json") if kind == "ml-bom" else ("html", "text/html; charset=utf-8")
    name = "-".join(part for part in (kind, model) if part)
    kept = (("content-disposition", f'attachment; filename="{name}.{end}"'), ("cache-control", "no-store"))
    return Reply(text.encode(), content_type=media, headers=kept)


def _page(visit: Visit, error: str = "") -> Reply:
    status, cases = 409 if error else 200, visit.backend.reporting.use_cases()
    cli = present.command("colonnade", "report", "annex-iv")
    return render.page(
        "usecases.html",
        visit,
        status=status,
        section="usecases",
        cases=cases,
        reports=REPORTS,
        tones=TONES,
        error=error,
        cli=cli,
    )
