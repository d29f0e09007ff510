# SPDX-License-Identifier: Apache-2.0
"""Write small DOCX, PPTX and XLSX files for the example company. Standard library only; same input, same bytes.

Office Open XML (ISO/IEC 29500) with no more parts than a reader insists on.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument"
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'

Table = Sequence[Sequence[str]]
Cell = str | int | float


def write_package(path: Path, parts: Mapping[str, str], types: Mapping[str, str], main: str) -> None:
    """A zip of XML parts with its content types and the link to the main part; times fixed, so bytes repeat."""
    overrides = "".join(f'<Override PartName="/{name}" ContentType="{kind}"/>' for name, kind in types.items())
    rels = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    whole = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">{rels}{overrides}</Types>',
        "_rels/.rels": relationships([("officeDocument", main)]),
        **parts,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in whole.items():
            entry = zipfile.ZipInfo(name, (2026, 9, 1, 9, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + body)


def relationships(links: Sequence[tuple[str, str]]) -> str:
    """A relationships part: (kind, target) become rId1, rId2, ..."""
    rows = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(links, start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{rows}</Relationships>'


# --- DOCX --------------------------------------------------------------------------------------------


def write_docx(path: Path, blocks: Sequence[tuple[str, str] | Table]) -> None:
    """Blocks are ("Title" | "Heading1" | "Heading2" | "Normal", text), or a table as rows of cells."""
    body = "".join(_word_paragraph(*b) if isinstance(b, tuple) else _word_table(b) for b in blocks)
    sizes = {"Title": 36, "Heading1": 28, "Heading2": 24}
    styles = '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/></w:style>'
    styles += "".join(
        f'<w:style w:type="paragraph" w:styleId="{style}"><w:name w:val="{_style_name(style)}"/><w:basedOn w:val="Normal"/>'
        f'<w:rPr><w:b/><w:sz w:val="{size}"/></w:rPr></w:style>'
        for style, size in sizes.items()
    )
    page = '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/></w:sectPr>'
    parts = {
        "word/document.xml": f"<w:document {_W}><w:body>{body}{page}</w:body></w:document>",
        "word/styles.xml": f"<w:styles {_W}>{styles}</w:styles>",
        "word/_rels/document.xml.rels": relationships([("styles", "styles.xml")]),
    }
    types = {
        "word/document.xml": f"{_TYPES}.wordprocessingml.document.main+xml",
        "word/styles.xml": f"{_TYPES}.wordprocessingml.styles+xml",
    }
    write_package(path, parts, types, "word/document.xml")


def _style_name(style: str) -> str:
    return style.replace("Heading", "heading ") if style.startswith("Heading") else style


def _word_paragraph(style: str, text: str) -> str:
    return (
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>'
        f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'
    )


def _word_table(rows: Table) -> str:
    edges = "".join(
        f'<w:{e} w:val="single" w:sz="4"/>' for e in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    grid = "<w:tblGrid>" + "<w:gridCol/>" * len(rows[0]) + "</w:tblGrid>"
    body = "".join(
        "<w:tr>" + "".join(f"<w:tc>{_word_paragraph('Normal', cell)}</w:tc>" for cell in row) + "</w:tr>"
        for row in rows
    )
    return f"<w:tbl><w:tblPr><w:tblBorders>{edges}</w:tblBorders></w:tblPr>{grid}{body}</w:tbl>"


# --- XLSX --------------------------------------------------------------------------------------------


def write_xlsx(path: Path, sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> None:
    """One sheet a name; numbers stay numbers."""
    names = list(sheets)
    listed = "".join(f'<sheet name="{escape(n)}" sheetId="{i}" r:id="rId{i}"/>' for i, n in enumerate(names, start=1))
    parts = {
        "xl/workbook.xml": f'<workbook {_S} xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relationships(
            [("worksheet", f"worksheets/sheet{i}.xml") for i in range(1, len(names) + 1)]
        ),
    }
    types = {"xl/workbook.xml": f"{_TYPES}.spreadsheetml.sheet.main+xml"}
    for i, name in enumerate(names, start=1):
        parts[f"xl/worksheets/sheet{i}.xml"] = _sheet(sheets[name])
        types[f"xl/worksheets/sheet{i}.xml"] = f"{_TYPES}.spreadsheetml.worksheet+xml"
    write_package(path, parts, types, "xl/workbook.xml")


def _sheet(rows: Sequence[Sequence[Cell]]) -> str:
    body = "".join(
        f'<row r="{r}">' + "".join(_cell(f"{chr(65 + c)}{r}", v) for c, v in enumerate(row)) + "</row>"
        for r, row in enumerate(rows, start=1)
    )
    return f"<worksheet {_S}><sheetData>{body}</sheetData></worksheet>"


def _cell(place: str, value: Cell) -> str:
    if isinstance(value, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f'<c r="{place}"><v>{value}</v></c>'


# --- PPTX --------------------------------------------------------------------------------------------


def write_pptx(path: Path, slides: Sequence[tuple[str, Sequence[str], str]]) -> None:
    """Slides of (title, lines, speaker's notes); notes may be empty."""
    main = f"{_TYPES}.presentationml"
    listed = "".join(f'<p:sldId id="{255 + n}" r:id="rId{n + 1}"/>' for n in range(1, len(slides) + 1))
    master = '<p:sldMasterIdLst><p:sldMasterId id="2147483648" r:id="rId1"/></p:sldMasterIdLst>'
    size = '<p:sldSz cx="9144000" cy="5143500"/><p:notesSz cx="6858000" cy="9144000"/>'
    names = f'{_P} {_A} xmlns:r="{_OFFICE}"'
    links = [("slideMaster", "slideMasters/slideMaster1.xml")]
    links += [("slide", f"slides/slide{n}.xml") for n in range(1, len(slides) + 1)]
    parts = {
        "ppt/presentation.xml": f"<p:presentation {names}>{master}<p:sldIdLst>{listed}</p:sldIdLst>{size}</p:presentation>",
        "ppt/_rels/presentation.xml.rels": relationships(links),
        "ppt/slideMasters/slideMaster1.xml": _master(names),
        "ppt/slideMasters/_rels/slideMaster1.xml.rels": relationships(
            [("slideLayout", "../slideLayouts/slideLayout1.xml"), ("theme", "../theme/theme1.xml")]
        ),
        "ppt/slideLayouts/slideLayout1.xml": f'<p:sldLayout {names} type="blank">{_shapes("")}</p:sldLayout>',
        "ppt/slideLayouts/_rels/slideLayout1.xml.rels": relationships(
            [("slideMaster", "../slideMasters/slideMaster1.xml")]
        ),
        "ppt/theme/theme1.xml": _theme(),
    }
    types = {
        "ppt/presentation.xml": f"{main}.presentation.main+xml",
        "ppt/slideMasters/slideMaster1.xml": f"{main}.slideMaster+xml",
        "ppt/slideLayouts/slideLayout1.xml": f"{main}.slideLayout+xml",
        "ppt/theme/theme1.xml": f"{_TYPES}.theme+xml",
    }
    for n, (title, lines, notes) in enumerate(slides, start=1):
        to = [("slideLayout", "../slideLayouts/slideLayout1.xml")]
        if notes:
            to.append(("notesSlide", f"../notesSlides/notesSlide{n}.xml"))
            note = _shape(2, "Notes", "body", 0, 0, [notes])
            parts[f"ppt/notesSlides/notesSlide{n}.xml"] = f"<p:notes {names}>{_shapes(note)}</p:notes>"
            parts[f"ppt/notesSlides/_rels/notesSlide{n}.xml.rels"] = relationships(
                [("slide", f"../slides/slide{n}.xml")]
            )
            types[f"ppt/notesSlides/notesSlide{n}.xml"] = f"{main}.notesSlide+xml"
        drawn = _shape(2, "Title", "title", 400000, 700000, [title]) + _shape(
            3, "Text", "body", 1300000, 3400000, lines
        )
        parts[f"ppt/slides/slide{n}.xml"] = f"<p:sld {names}>{_shapes(drawn)}</p:sld>"
        parts[f"ppt/slides/_rels/slide{n}.xml.rels"] = relationships(to)
        types[f"ppt/slides/slide{n}.xml"] = f"{main}.slide+xml"
    write_package(path, parts, types, "ppt/presentation.xml")


def _shapes(inner: str) -> str:
    head = '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'
    return f"<p:cSld><p:spTree>{head}{inner}</p:spTree></p:cSld>"


def _shape(number: int, name: str, kind: str, top: int, height: int, lines: Sequence[str]) -> str:
    text = "".join(f'<a:p><a:r><a:rPr lang="en-GB"/><a:t>{escape(line)}</a:t></a:r></a:p>' for line in lines)
    box = f'<a:xfrm><a:off x="457200" y="{top}"/><a:ext cx="8229600" cy="{height}"/></a:xfrm>' if height else ""
    geometry = '<a:prstGeom prst="rect"><a:avLst/></a:prstGeom>' if height else ""
    about = f'<p:cNvPr id="{number}" name="{name}"/><p:cNvSpPr/><p:nvPr><p:ph type="{kind}"/></p:nvPr>'
    return (
        f"<p:sp><p:nvSpPr>{about}</p:nvSpPr><p:spPr>{box}{geometry}</p:spPr>"
        f"<p:txBody><a:bodyPr/><a:lstStyle/>{text}</p:txBody></p:sp>"
    )


def _master(names: str) -> str:
    roles = ("bg1", "lt1"), ("tx1", "dk1"), ("bg2", "lt2"), ("tx2", "dk2"), ("hlink", "hlink"), ("folHlink", "folHlink")
    colours = [*roles, *((f"accent{n}", f"accent{n}") for n in range(1, 7))]
    mapped = " ".join(f'{a}="{b}"' for a, b in colours)
    layouts = '<p:sldLayoutIdLst><p:sldLayoutId id="2147483649" r:id="rId1"/></p:sldLayoutIdLst>'
    return f"<p:sldMaster {names}>{_shapes('')}<p:clrMap {mapped}/>{layouts}</p:sldMaster>"


def _theme() -> str:
    plain = {
        "dk1": "000000",
        "lt1": "FFFFFF",
        "dk2": "1F3A4D",
        "lt2": "EEF2F4",
        "hlink": "0563C1",
        "folHlink": "954F72",
    }
    order = ["dk1", "lt1", "dk2", "lt2", *(f"accent{n}" for n in range(1, 7)), "hlink", "folHlink"]
    colours = "".join(f'<a:{n}><a:srgbClr val="{plain.get(n, "2A6F97")}"/></a:{n}>' for n in order)
    face = '<a:latin typeface="Calibri"/><a:ea typeface=""/><a:cs typeface=""/>'
    fonts = f"<a:majorFont>{face}</a:majorFont><a:minorFont>{face}</a:minorFont>"
    fill = '<a:solidFill><a:schemeClr val="phClr"/></a:solidFill>'
    line = f'<a:ln w="9525">{fill}</a:ln>'
    effect = "<a:effectStyle><a:effectLst/></a:effectStyle>"
    looks = (
        f"<a:fillStyleLst>{fill * 3}</a:fillStyleLst><a:lnStyleLst>{line * 3}</a:lnStyleLst>"
        f"<a:effectStyleLst>{effect * 3}</a:effectStyleLst><a:bgFillStyleLst>{fill * 3}</a:bgFillStyleLst>"
    )
    return (
        f'<a:theme {_A} name="Acme"><a:themeElements><a:clrScheme name="Acme">{colours}</a:clrScheme>'
        f'<a:fontScheme name="Acme">{fonts}</a:fontScheme><a:fmtScheme name="Acme">{looks}</a:fmtScheme>'
        "</a:themeElements></a:theme>"
    )
