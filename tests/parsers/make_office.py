# SPDX-License-Identifier: Apache-2.0
"""Writes small Office files for the tests, part by part, so that each test shows the XML that it is about."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
W_STRICT = 'xmlns:w="http://purl.oclc.org/ooxml/wordprocessingml/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_TYPE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"


def package(parts: Mapping[str, str | bytes]) -> bytes:
    """A zip of the parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, body in parts.items():
            out.writestr(name, body)
    return buffer.getvalue()


def relations(*entries: tuple[str, str, str]) -> str:
    """A relationships part: id, kind, target."""
    rows = "".join(f'<Relationship Id="{i}" Type="{_TYPE}{kind}" Target="{target}"/>' for i, kind, target in entries)
    return f'<Relationships xmlns="{_RELATIONS}">{rows}</Relationships>'


def docx(body: str, namespace: str = W, **parts: str) -> bytes:
    """A Word document with this body; further parts by kind: styles, numbering, footnotes, comments."""
    files: dict[str, str | bytes] = {
        "_rels/.rels": relations(("r1", "officeDocument", "word/document.xml")),
        "word/document.xml": f"<w:document {namespace} {R} {A}><w:body>{body}</w:body></w:document>",
        "word/_rels/document.xml.rels": relations(*((f"x{k}", k, f"{k}.xml") for k in parts)),
    }
    for kind, content in parts.items():
        files[f"word/{kind}.xml"] = content
    return package(files)


def p(text: str, properties: str = "") -> str:
    """A Word paragraph."""
    head = f"<w:pPr>{properties}</w:pPr>" if properties else ""
    return f'<w:p>{head}<w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>'


def pptx(*slides: str, extra: Mapping[str, str] | None = None) -> bytes:
    """A deck of slides, each the shapes of its tree; `extra` parts are added as they are."""
    ids = "".join(f'<p:sldId id="{256 + i}" r:id="rs{i}"/>' for i in range(len(slides)))
    files: dict[str, str | bytes] = {
        "_rels/.rels": relations(("r1", "officeDocument", "ppt/presentation.xml")),
        "ppt/presentation.xml": f"<p:presentation {P} {R}><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>",
        # numbered backwards: the order of the list counts, not that of the names
        "ppt/_rels/presentation.xml.rels": relations(
            *((f"rs{i}", "slide", f"slides/slide{len(slides) - i}.xml") for i in range(len(slides)))
        ),
    }
    for i, shapes in enumerate(slides):
        body = f"<p:sld {P} {A} {R}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
        files[f"ppt/slides/slide{len(slides) - i}.xml"] = body
    return package({**files, **(extra or {})})


def shape(kind: str, *lines: str) -> str:
    """A slide's shape: a placeholder of a kind, or a free text box for ""."""
    holder = f'<p:ph type="{kind}"/>' if kind else ""
    rows = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
    return f"<p:sp><p:nvSpPr><p:nvPr>{holder}</p:nvPr></p:nvSpPr><p:txBody>{rows}</p:txBody></p:sp>"


def xlsx(sheets: Mapping[str, str], hidden: frozenset[str] = frozenset()) -> bytes:
    """A workbook: for each sheet the XML of its rows, and whatever follows `sheetData` after a "|"."""
    states = dict.fromkeys(hidden, ' state="hidden"')
    rows = "".join(
        f'<sheet name="{name}" sheetId="{i}" r:id="r{i}"{states.get(name, "")}/>' for i, name in enumerate(sheets, 1)
    )
    files: dict[str, str | bytes] = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": relations(("r1", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f"<workbook {S} {R}><sheets>{rows}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": relations(
            *((f"r{i}", "worksheet", f"worksheets/sheet{i}.xml") for i in range(1, len(sheets) + 1)),
            ("st", "styles", "styles.xml"),
        ),
        "xl/styles.xml": f'<styleSheet {S}><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
    }
    for i, content in enumerate(sheets.values(), 1):
        data, _, rest = content.partition("|")
        files[f"xl/worksheets/sheet{i}.xml"] = f"<worksheet {S}><sheetData>{data}</sheetData>{rest}</worksheet>"
    return package(files)


def row(number: int, **cells: str | float) -> str:
    """A row of a sheet, by column letter; a number's text may carry "style:value"."""
    out = []
    for column, value in cells.items():
        if isinstance(value, str) and value.startswith("date:"):
            out.append(f'<c r="{column}{number}" s="1"><v>{value[5:]}</v></c>')
        elif isinstance(value, str):
            out.append(f'<c r="{column}{number}" t="inlineStr"><is><t>{value}</t></is></c>')
        else:
            out.append(f'<c r="{column}{number}"><v>{value}</v></c>')
    return f'<row r="{number}">{"".join(out)}</row>'
