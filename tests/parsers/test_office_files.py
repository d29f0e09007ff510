# SPDX-License-Identifier: Apache-2.0
"""Word, PowerPoint and spreadsheets: what a reader sees is what the text holds, with its structure."""

from __future__ import annotations

import pytest

from colonnade.adapters.parsers.formats import parse_raw
from colonnade.core.documents import BlockKind, Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits
from tests.parsers.make_office import W_STRICT, A, R, W, docx, p, package, pptx, relations, row, shape, xlsx

LIMITS = ParseLimits()
HEADING = '<w:pStyle w:val="Heading1"/>'
STYLES = (
    f'<w:styles {W}><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/></w:style>'
    '<w:style w:type="paragraph" w:styleId="Mine"><w:name w:val="Mine"/><w:basedOn w:val="Heading1"/></w:style>'
    "</w:styles>"
)


def read(raw: bytes, suffix: str) -> Parsed:
    parsed = parse_raw(raw, suffix, LIMITS)
    assert parsed.encoding is None
    for block in parsed.blocks:
        assert parsed.text[block.start : block.end].strip()
    return parsed


def lines(parsed: Parsed) -> list[str]:
    return [parsed.text[b.start : b.end] for b in parsed.blocks]


def test_word_headings_come_from_styles_and_what_they_inherit() -> None:
    body = p("Leave", HEADING) + p("Thirty days.") + p("Sickness", '<w:pStyle w:val="Mine"/>') + p("Call us.")
    parsed = read(docx(body, styles=STYLES), ".docx")
    assert [(b.kind, b.headings) for b in parsed.blocks] == [
        (BlockKind.HEADING, ()),
        (BlockKind.PARAGRAPH, ("Leave",)),
        (BlockKind.HEADING, ()),
        (BlockKind.PARAGRAPH, ("Sickness",)),
    ]
    assert parsed.title == "Leave"


def test_word_strict_documents_read_like_transitional_ones() -> None:
    assert lines(read(docx(p("Strict text."), W_STRICT), ".docx")) == ["Strict text."]


def test_word_merged_cells_are_repeated_in_every_cell_that_they_cover() -> None:
    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{p(text)}</w:tc>"

    restart, two = '<w:vMerge w:val="restart"/>', '<w:gridSpan w:val="2"/>'
    table = (
        f"<w:tbl><w:tr>{cell('Region')}{cell('Name')}{cell('Sold')}</w:tr>"
        f"<w:tr>{cell('North', restart)}{cell('Ada')}{cell('1')}</w:tr>"
        f"<w:tr>{cell('', '<w:vMerge/>')}{cell('both', two)}</w:tr></w:tbl>"
    )
    parsed = read(docx(table), ".docx")
    assert lines(parsed) == ["Region | Name | Sold", "North | Ada | 1", "North | both | both"]
    assert parsed.blocks[2].header == ("Region", "Name", "Sold")


def test_word_tracked_changes_give_the_text_as_it_would_be_accepted() -> None:
    body = (
        "<w:p><w:r><w:t>We pay </w:t></w:r><w:del><w:r><w:delText>ten</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>twelve</w:t></w:r></w:ins><w:moveFrom><w:r><w:t>gone</w:t></w:r></w:moveFrom></w:p>"
    )
    assert lines(read(docx(body), ".docx")) == ["We pay twelve"]


def test_word_lists_are_numbered_as_the_document_numbers_them() -> None:
    numbering = (
        f'<w:numbering {W}><w:abstractNum w:abstractNumId="7"><w:lvl w:ilvl="0"><w:start w:val="3"/>'
        '<w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl><w:lvl w:ilvl="1"><w:start w:val="1"/>'
        '<w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%1.%2)"/></w:lvl></w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="7"/></w:num></w:numbering>'
    )

    def item(text: str, level: int) -> str:
        return p(text, f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="1"/></w:numPr>')

    body = item("first", 0) + item("inner", 1) + item("inner too", 1) + item("second", 0) + item("anew", 1)
    parsed = read(docx(body, numbering=numbering), ".docx")
    assert lines(parsed) == ["3. first", "  3.a) inner", "  3.b) inner too", "4. second", "  4.a) anew"]


def test_word_text_boxes_notes_comments_and_formulas_are_read() -> None:
    body = (
        "<w:p><w:r><w:t>Body</w:t></w:r><w:r><w:pict><w:txbxContent>"
        + p("Boxed")
        + "</w:txbxContent></w:pict></w:r></w:p>"
        + '<w:p><m:oMath xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"><m:f><m:num><m:r><m:t>a'
        + "</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f></m:oMath></w:p>"
    )
    notes = f'<w:footnotes {W}><w:footnote w:id="2">{p("A note.")}</w:footnote></w:footnotes>'
    comments = f'<w:comments {W}><w:comment w:id="0" w:author="Ada">{p("Really?")}</w:comment></w:comments>'
    parsed = read(docx(body, footnotes=notes, comments=comments), ".docx")
    assert lines(parsed) == ["Body", "Boxed", r"$\frac{a}{b}$", "A note.", "Ada: Really?"]
    assert [b.part for b in parsed.blocks][-2:] == ["footnotes", "comments"]


CHART = (
    '<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    f"{A}><c:chart><c:title><c:tx><c:rich>"
    "<a:p><a:r><a:t>Sales</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea><c:barChart><c:ser><c:tx><c:strRef>"
    '<c:strCache><c:pt idx="0"><c:v>2026</c:v></c:pt></c:strCache></c:strRef></c:tx><c:cat><c:strRef><c:strCache>'
    '<c:pt idx="0"><c:v>North</c:v></c:pt></c:strCache></c:strRef></c:cat><c:val><c:numRef><c:numCache><c:pt idx="0">'
    "<c:v>0.30000000000000004</c:v></c:pt></c:numCache></c:numRef></c:val></c:ser></c:barChart></c:plotArea></c:chart>"
    "</c:chartSpace>"
)


def test_slides_come_in_the_order_of_the_deck_with_titles_notes_and_charts() -> None:
    chart = f'<c:chart xmlns:c="c" {R} r:id="rc"/>'
    frame = f"<p:graphicFrame><a:graphic><a:graphicData>{chart}</a:graphicData></a:graphic></p:graphicFrame>"
    spoken = shape("body", "Say hello.") + shape("sldNum", "7")
    raw = pptx(
        shape("title", "Plan") + shape("body", "First", "Second") + shape("sldNum", "1"),
        shape("title", "Figures") + frame,
        extra={
            "ppt/slides/_rels/slide1.xml.rels": relations(("rc", "chart", "../charts/chart1.xml")),
            "ppt/slides/_rels/slide2.xml.rels": relations(("rn", "notesSlide", "../notes/n1.xml")),
            "ppt/charts/chart1.xml": CHART,
            "ppt/notes/n1.xml": f'<p:notes xmlns:p="p" {A}>{spoken}</p:notes>',
        },
    )
    parsed = read(raw, ".pptx")
    assert lines(parsed) == [
        "Plan", "- First", "- Second", "Say hello.", "Figures", "Bar chart: Sales", "| 2026", "North | 0.3",
    ]  # fmt: skip
    assert [b.page for b in parsed.blocks] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert parsed.blocks[3].part == "notes"
    assert parsed.blocks[-1].headings == ("Figures",)
    assert parsed.title == "Plan"


def test_a_sheet_is_cut_into_its_tables_with_merged_cells_repeated_and_dates_as_people_read_them() -> None:
    raw = xlsx(
        {
            "Prices": row(1, A="Price list", B="")
            + row(2, A="Item", B="From")
            + row(3, A="Widget", B="date:46023")
            + row(5, D=0.1 + 0.2)
            + '|<mergeCells count="1"><mergeCell ref="A1:B1"/></mergeCells>',
            "Secret": row(1, A="hidden"),
        },
        hidden=frozenset({"Secret"}),
    )
    parsed = read(raw, ".xlsx")
    assert lines(parsed) == ["Price list | Price list", "Item | From", "Widget | 2026-01-01", "0.3"]
    assert [b.part for b in parsed.blocks] == ["Prices!A1:B3"] * 3 + ["Prices!D5:D5"]
    assert parsed.blocks[2].header == ("Item", "From")


@pytest.mark.parametrize("suffix", [".docx", ".pptx", ".xlsx", ".ods", ".odt", ".epub"])
def test_what_is_no_package_is_corrupt_and_an_encrypted_one_says_so(suffix: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse_raw(b"PK\x03\x04 this is no zip", suffix, LIMITS)
    assert caught.value.code == "corrupt"
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(4096)
    with pytest.raises(Unreadable) as caught:
        parse_raw(ole, suffix, LIMITS)
    assert caught.value.code == "encrypted"


def test_a_document_without_text_says_so() -> None:
    with pytest.raises(Unreadable) as caught:
        parse_raw(docx("<w:p/>"), ".docx", LIMITS)
    assert caught.value.code == "no_text"


@pytest.mark.parametrize(
    "body",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
    ],
)
def test_entity_declarations_are_refused_in_any_encoding(body: str) -> None:
    encoding = "utf-16" if "utf-16" in body else "utf-8"
    with pytest.raises(Unreadable) as caught:
        parse_raw(package({"word/document.xml": body.encode(encoding)}), ".docx", LIMITS)
    assert caught.value.code == "bomb"


@pytest.mark.parametrize(
    "parts",
    [
        {"word/document.xml": b"<a>" + bytes(40 << 20)},
        {f"x{i}": b"" for i in range(20_001)},
    ],
    ids=["ratio", "members"],
)
def test_a_zip_that_would_unpack_to_too_much_is_refused_before_it_does(parts: dict[str, bytes]) -> None:
    with pytest.raises(Unreadable) as caught:
        parse_raw(package(parts), ".docx", LIMITS)
    assert caught.value.code == "bomb"
