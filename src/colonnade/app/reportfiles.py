# SPDX-License-Identifier: Apache-2.0
"""Reports as files: which form is asked for, and the program that checks one without us."""

from __future__ import annotations

import gc
import json
from pathlib import Path

from colonnade.app.settings.environment import Places
from colonnade.core.errors import UsageError

ML_BOM = "ml-bom"


def written(places: Places, kind: str, form: str, *, model: str = "", service: str = "") -> tuple[str, str]:
    """(text, a line about it). `form`: html, markdown, json. Raises as `make_report`."""
    from colonnade.app.reporting import make_report

    if kind == ML_BOM:
        from colonnade.govern.reports.ml_bom import ml_bom

        if form != "json":
            raise UsageError("an ML-BOM is JSON", hint="--format json, or --out FILE.json", code="usage")
        bom = ml_bom(make_report(places, "model-card", model=model, service=service))
        return json.dumps(bom, indent=1, ensure_ascii=False) + "\n", "CycloneDX 1.7"
    gc.disable()  # hundreds of thousands of entries are read, none is in a circle: looking for such costs a third
    try:
        document = make_report(places, kind, model=model, service=service)
    finally:
        gc.enable()
    counts = ", ".join(f"{count} {word}" for word, count in document["counts"].items())
    if form == "json":
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n", counts
    if form == "html":
        from colonnade.govern.reports.html import to_html

        return to_html(document), counts
    from colonnade.govern.reports.markdown import to_markdown

    return to_markdown(document), counts


def write_verifier(folder: Path) -> list[Path]:
    """verify_report.py and verify.py, byte for byte those of this release; where they lie."""
    from colonnade.govern.ledger import standalone as tree
    from colonnade.govern.reports import standalone as reports

    folder.mkdir(parents=True, exist_ok=True)
    files = {"verify_report.py": Path(reports.__file__), "verify.py": Path(tree.__file__)}
    for name, source in files.items():
        (folder / name).write_bytes(source.read_bytes())
    return [folder / name for name in files]
