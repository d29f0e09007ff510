# SPDX-License-Identifier: Apache-2.0
"""A report as one HTML file: no network, no script that runs, printable. The JSON with every proof lies within it, so
that the page itself can be checked (`report --verify FILE.html`). Says nothing that the document does not say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from colonnade.govern.reports.statements import shown

DATA = '<script type="application/json" id="report">'
STYLE = Path(__file__).with_name("report.css")
SHORT = 90
LINKS = 12
"""So many entries are linked from a statement; all of its proofs lie in the JSON."""


def to_html(document: Mapping[str, Any]) -> str:
    """The whole page."""
    title = f"{document['title']}: {document['about'].get('model') or document['about']['project']}"
    body = "".join(_section(section, document) for section in document["sections"])
    return (
        "<!doctype html>\n"
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE.read_text('utf-8')}</style></head><body>"
        f'<div class="page">{_contents(document)}<main>{_head(document)}{body}{_entries(document)}</main></div>'
        f"{DATA}{_embedded(document)}</script></body></html>\n"
    )


def embedded(page: str) -> Any:
    """The document within a page. Raises ValueError."""
    _, here, rest = page.partition(DATA)
    if not here:
        raise ValueError("there is no report within this page")
    return json.loads(rest.partition("</script>")[0])


def _embedded(document: Mapping[str, Any]) -> str:
    """`<` only stands in strings of JSON, and means the same escaped."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _contents(document: Mapping[str, Any]) -> str:
    lines = []
    for one in document["sections"]:
        holes = sum(s["kind"] == "missing" and s["point"] == one["point"] for s in document["statements"])
        mark = f'<span class="hole" title="{holes} missing">{holes} ◌</span>' if holes else ""
        lines.append(
            f'<li class="l{one["level"]}"><span class="n">{escape(_number(one["point"]))}</span>'
            f'<a href="#{_anchor(one["point"])}" title="{escape(one["title"])}">{escape(one["title"])}</a>{mark}</li>'
        )
    return f"<nav><h2>Contents</h2><ol>{''.join(lines)}</ol></nav>"


def _head(document: Mapping[str, Any]) -> str:
    about, counts, point = document["about"], document["counts"], document["checkpoint"]
    of = [f"project {about['project']}"]
    of += [f"model {about['model']}"] if about.get("model") else []
    of += [f"service {name}" for name in about.get("services", ())]
    share = "".join(f'<i class="{kind}" style="flex:{count}"></i>' for kind, count in counts.items() if count)
    legend = "".join(f"<span><b>{counts[kind]}</b> {word}</span>" for kind, word in (
        ("measured", "measured, each with a proof"), ("declared", "declared, with who and when"),
        ("missing", "missing: shown as holes"),
    ))  # fmt: skip
    lines = {
        "Made": document["made_at"], "Log": point["origin"], "Entries": f"{point['size']:,}".replace(",", " "),
        "Root": point["root"],
    }  # fmt: skip
    told = "".join(f"<dt>{name}</dt><dd><code>{escape(value)}</code></dd>" for name, value in lines.items())
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in document["notes"])
    return (
        f'<p class="eyebrow">{escape(about.get("law", "Report from evidence"))}</p><h1>{escape(document["title"])}</h1>'
        f'<p class="about">{escape(", ".join(of))}</p><div class="share">{share}</div>'
        f'<div class="legend">{legend}</div>'
        f'<div class="card"><dl>{told}</dl><p class="note">Every measured value follows from entries of the log under '
        "this signed checkpoint. Check it: <code>colonnade report --verify THIS-FILE --key KEY</code>, with the key "
        f"from elsewhere than from who gave you the file.</p>{notes}</div>"
    )


def _section(section: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    point, level = section["point"], section["level"]
    mine = [one for one in document["statements"] if one["point"] == point]
    head = f'<h{level + 1}><span class="n">{escape(_number(point))}</span>{escape(section["title"])}</h{level + 1}>'
    law = f'<p class="law">{escape(section["law"])}</p>' if section["law"] else ""
    rows = f'<div class="rows">{"".join(map(_row, mine))}</div>' if mine else ""
    return f'<section class="l{level}" id="{_anchor(point)}">{head}{law}{rows}</section>'


def _row(one: Mapping[str, Any]) -> str:
    kind = one["kind"]
    if kind == "missing":
        value = f'<span class="tag">missing</span>{_prose(one["how"])}'
        title = f'<div class="t">{escape(one["title"])}</div>'
        return f'<div class="row missing" id="{escape(one["id"])}">{title}<div class="v">{value}</div></div>'
    return (
        f'<div class="row {kind}" id="{escape(one["id"])}"><div class="t">{escape(one["title"])}</div>'
        f'<div class="v">{_value(one["value"], one.get("unit", ""))}</div>{_evidence(one)}</div>'
    )


def _prose(text: str) -> str:
    """Escaped, with `code` between backticks."""
    return "".join(
        f"<code>{escape(part)}</code>" if place % 2 else escape(part) for place, part in enumerate(text.split("`"))
    )


def _value(value: Any, unit: str) -> str:
    if isinstance(value, dict) and {"value", "low", "high"} <= value.keys():
        return escape(shown(value, "")) + _interval(value)
    if unit == "files":
        return f"<pre>{escape(shown(value, unit))}</pre>"
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(one, dict | list) for one in value)):
        return f"<pre>{escape(json.dumps(value, indent=1, ensure_ascii=False))}</pre>"
    text = shown(value, unit)
    if text.startswith("sha256:"):
        return f"<code>{escape(text)}</code>"
    return f"<blockquote>{escape(text)}</blockquote>" if len(text) > SHORT else escape(text)


def _interval(value: Mapping[str, Any]) -> str:
    """The value between the ends of its interval, where all lie between 0 and 1."""
    middle, low, high = value["value"], value["low"], value["high"]
    if None in (middle, low, high) or not 0 <= low <= middle <= high <= 1:
        return ""
    return (
        f'<span class="span" role="img" aria-label="interval from 0 to 1"><i style="left:{100 * low:.1f}%;'
        f'width:{100 * (high - low):.1f}%"></i><b style="left:{100 * middle:.1f}%"></b></span>'
    )


def _evidence(one: Mapping[str, Any]) -> str:
    shown_ones: Sequence[Mapping[str, Any]] = one["evidence"][:LINKS]
    links = "".join(
        f'<li><a href="#e{each["index"]}">entry {each["index"]}</a> <code>{escape(each["entry"])}</code></li>'
        for each in shown_ones
    )
    rest = one["evidence_of"] - len(shown_ones)
    links += f"<li>and {rest} more</li>" if rest > 0 else ""
    of = one["evidence_of"]
    word = "no entry" if of == 0 else "1 entry" if of == 1 else f"{of} entries"
    if one["kind"] == "declared":
        who = one.get("by_name") or one["by"]
        word = f"{who}, {shown(one['at_ms'], 'at_ms')[:10]}"
    rule = one.get("rule")
    said = "<p>" + _prose(one["how"]) + "</p>" if one.get("how") else ""
    if rule and "where" in rule:
        taken = f"{rule['take']} {rule['of']}".strip()
        said += f"<p>Rule: {escape(taken)} of <code>{escape(json.dumps(rule['where']))}</code></p>"
    for step in one.get("opened", {}).get("way", ()):
        path = " › ".join(map(str, step["path"])) or "itself"
        said += f"<p>Opened: <code>{escape(step['opening'])}</code> {escape(path)}</p>"
    said += f"<p>Applied {shown(one['at_ms'], 'at_ms')}</p>" if one["kind"] == "declared" else ""
    summary = f'<summary><span class="tag">{one["kind"]}</span>{escape(word)}</summary>'
    return f"<details>{summary}{said}<ul>{links}</ul></details>"


def _entries(document: Mapping[str, Any]) -> str:
    """Every entry that a statement rests on, once."""
    known = {each["index"]: each for one in document["statements"] for each in one["evidence"]}
    rows = "".join(
        f'<div class="entry" id="e{index}">{index} <code>{escape(one["leaf_hash"])}</code>'
        f"<pre>{escape(one['leaf'])}</pre></div>"
        for index, one in sorted(known.items())
    )
    return (
        f'<section class="l1" id="entries"><h2>Entries</h2><p class="law">{len(known)} entries that statements rest '
        "on: place in the log, leaf hash, the bytes themselves. Audit paths lie in the JSON within this file.</p>"
        f'<div class="rows">{rows}</div></section>'
    )


def _anchor(point: str) -> str:
    return "p-" + point.replace(".", "-")


def _number(point: str) -> str:
    """2d -> 2 (d), as the law has it."""
    return f"{point[:-1]} ({point[-1]})" if len(point) > 1 and point[-1].isalpha() and point[:-1].isdigit() else point
