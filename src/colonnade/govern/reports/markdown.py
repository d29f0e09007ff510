# SPDX-License-Identifier: Apache-2.0
"""A report as Markdown, to be read, printed or kept under version control. Proofs are in the JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from colonnade.govern.reports.statements import shown


def to_markdown(document: Mapping[str, Any]) -> str:
    """The whole report."""
    about, counts, point = document["about"], document["counts"], document["checkpoint"]
    lines = [f"# {document['title']}: {about.get('model') or about['project']}", ""]
    lines += [about["law"], ""] if "law" in about else []
    lines += [
        f"Made {document['made_at']} under a checkpoint of `{point['origin']}`:",
        f"{point['size']} entries, root `{point['root']}`.",
        "",
        f"{counts['measured']} statements are measured, {counts['declared']} declared, {counts['missing']} missing.",
        *(f"\n{note}" for note in document["notes"]),
    ]
    for section in document["sections"]:
        law = f" ({section['law']})" if section["law"] else ""
        lines += ["", f"{'#' * (section['level'] + 1)} {section['point']} {section['title']}{law}"]
        mine = [one for one in document["statements"] if one["point"] == section["point"]]
        lines += ["", "| | | |", "|---|---|---|"] if mine else []
        lines += [_row(one) for one in mine]
    return "\n".join(lines) + "\n"


def _row(one: Mapping[str, Any]) -> str:
    if one["kind"] == "missing":
        return f"| {_cell(one['title'])} | **missing** | {_cell(one['how'])} |"
    value = one["value"]
    nested = (isinstance(value, dict) and "low" not in value) or (isinstance(value, list) and any(
        isinstance(each, dict) for each in value
    ))  # fmt: skip
    text = f"`{json.dumps(value, ensure_ascii=False)}`" if nested else _cell(shown(value, one.get("unit", "")))
    if one["kind"] == "declared":
        said = f"declared by {one.get('by_name') or one['by']}, {shown(one['at_ms'], 'at_ms')}"
    else:
        places = ", ".join(str(each["index"]) for each in one["evidence"][:5])
        said = f"measured: {one['evidence_of']} of the log" + (f" ({places})" if one["evidence_of"] else "")
        said += "" if one["evidence_of"] <= 5 else " ..."
    return f"| {_cell(one['title'])} | {text.replace('|', chr(92) + '|')} | {_cell(said)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
