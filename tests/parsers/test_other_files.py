# SPDX-License-Identifier: Apache-2.0
"""HTML, PDF, mail and the smaller formats."""

from __future__ import annotations

import json
from email.message import EmailMessage

import pytest

from colonnade.adapters.parsers.formats import parse_raw
from colonnade.adapters.parsers.pdf_bidi import Glyph, logical
from colonnade.core.documents import BlockKind, Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits
from tests.parsers import make_pdf
from tests.parsers.make_office import docx, p, package

LIMITS = ParseLimits()


def read(raw: bytes, suffix: str) -> Parsed:
    return parse_raw(raw, suffix, LIMITS)


def lines(parsed: Parsed) -> list[str]:
    return [parsed.text[b.start : b.end] for b in parsed.blocks]


def test_html_keeps_content_and_structure_and_drops_what_surrounds_it() -> None:
    parsed = read(
        b"<html><head><title>The page</title><style>p{}</style></head><body><nav>Home</nav><h1>Rules</h1>"
        b"<p>One <b>bold</b>ly<br>put.</p><div style='display:none'>no</div><ul><li>a<ol><li>x</li><li>y</li></ol>"
        b"</li></ul><table><tr><th>Item</th><th>Price</th></tr>"
        b"<tr><td rowspan=2>Widget</td><td>3</td></tr><tr><td>4</td></tr>"
        b"</table><pre>  keep\n  this</pre><script>no()</script><footer>imprint</footer></body></html>",
        ".html",
    )
    assert parsed.title == "The page"
    assert lines(parsed) == [
        "Rules", "One boldly put.", "- a", "  1. x", "  2. y", "Item | Price", "Widget | 3", "Widget | 4",
        "  keep\n  this",
    ]  # fmt: skip
    assert parsed.blocks[-1].headings == ("Rules",)
    assert parsed.blocks[7].header == ("Item", "Price")


def test_html_is_decoded_as_it_declares_or_as_it_looks() -> None:
    assert read("<meta charset=iso-8859-1><p>Käse".encode("cp1252"), ".html").text == "Käse"
    assert read("<p>Käse für viele Größen".encode("cp1252"), ".html").text == "Käse für viele Größen"
    assert read("<p>日本".encode("utf-16"), ".html").text == "日本"


def test_a_pdf_has_pages_headings_paragraphs_items_and_no_hyphens_at_line_ends() -> None:
    first = make_pdf.text(
        (70, 780, 20, "Travel rules"),
        (70, 740, 10, "Every employee who travels for the company books the ticket them-"),
        (70, 728, 10, "selves, and hands in the receipt within thirty days of the return."),
        (70, 700, 10, "A second paragraph stands apart from the first one by a wider gap."),
        (70, 670, 10, "1. trains before planes"),
        (70, 658, 10, "2. second class"),
    )
    second = make_pdf.text((70, 740, 10, "Exceptions are granted by the head of the department alone."))
    parsed = read(make_pdf.pages(first, second), ".pdf")
    assert parsed.title == "Travel rules"
    assert [(b.kind, b.page) for b in parsed.blocks] == [
        (BlockKind.HEADING, 1),
        (BlockKind.PARAGRAPH, 1),
        (BlockKind.PARAGRAPH, 1),
        (BlockKind.LIST_ITEM, 1),
        (BlockKind.LIST_ITEM, 1),
        (BlockKind.PARAGRAPH, 2),
    ]
    assert "books the ticket themselves, and hands in" in parsed.text
    assert parsed.blocks[-1].headings == ("Travel rules",)


def test_what_repeats_at_the_edge_of_most_pages_of_a_pdf_is_left_out() -> None:
    pages = [
        make_pdf.text((70, 820, 9, "ACME confidential"), (70, 500, 10, f"Content {word}."), (300, 20, 9, f"Page {i}"))
        for i, word in enumerate(("alpha", "beta", "gamma", "delta"), 1)
    ]
    assert lines(read(make_pdf.pages(*pages), ".pdf")) == [f"Content {w}." for w in ("alpha", "beta", "gamma", "delta")]


def as_drawn(visual: str) -> list[Glyph]:
    """Characters as they stand from left to right."""
    return [Glyph(c, 10.0 * i, 10.0 * i + 9, 10.0) for i, c in enumerate(visual)]


@pytest.mark.parametrize(
    ("visual", "expected"),
    [
        ("תרבח ACME", "ACME חברת"),
        (".(3 הלבט) 1500-ל", "ל-1500 (טבלה 3)."),
        ("(Big Data) הדימלל סרוק", "קורס ללמידה (Big Data)"),
        ("The word םולש means peace", "The word שלום means peace"),
    ],
)
def test_right_to_left_lines_are_read_from_where_their_characters_stand(visual: str, expected: str) -> None:
    assert logical(as_drawn(visual)) == expected
    assert logical(as_drawn(visual)[::-1]) == expected


def test_a_line_of_mostly_latin_words_follows_the_direction_of_its_page() -> None:
    glyphs = as_drawn("Machine Learning תסרוק")
    assert logical(glyphs) == "Machine Learning קורסת"
    assert logical(glyphs, rtl_page=True) == "קורסת Machine Learning"


def test_mail_gives_headers_the_best_body_and_attachments_by_their_own_parsers() -> None:
    mail = EmailMessage()
    mail["Subject"] = "Grüße aus Bonn"
    mail["From"], mail["To"] = "Ada <ada@example.org>", "bob@example.org"
    mail.set_content("Plain words.\n\nSecond paragraph.")
    mail.add_alternative("<p>Rich words.</p>", subtype="html")
    mail.add_attachment(docx(p("From Word.")), maintype="application", subtype="octet-stream", filename="a.docx")
    mail.add_attachment(b"\x00\x01\x02", maintype="application", subtype="octet-stream", filename="b.bin")
    inner = EmailMessage()
    inner["Subject"] = "Forwarded"
    inner.set_content("Inner words.")
    mail.add_attachment(inner)
    parsed = read(mail.as_bytes(), ".eml")
    assert parsed.title == "Grüße aus Bonn"
    assert lines(parsed) == [
        "Grüße aus Bonn", "From: Ada <ada@example.org>\nTo: bob@example.org", "Plain words.", "Second paragraph.",
        "Attachment: a.docx", "From Word.", "Attachment: b.bin", "Forwarded", "Inner words.",
    ]  # fmt: skip
    assert [b.part for b in parsed.blocks][4:] == ["a.docx", "a.docx", "b.bin", "Forwarded", "Forwarded"]


def test_a_bomb_in_an_attachment_is_a_bomb() -> None:
    mail = EmailMessage()
    mail["Subject"] = "boom"
    mail.set_content("x")
    bomb = package({"word/document.xml": bytes(64 << 20)})
    mail.add_attachment(bomb, maintype="application", subtype="octet-stream", filename="a.docx")
    with pytest.raises(Unreadable) as caught:
        read(mail.as_bytes(), ".eml")
    assert caught.value.code == "bomb"


def test_the_smaller_formats_are_read() -> None:
    notebook = {
        "cells": [
            {"cell_type": "markdown", "source": ["# Study\n", "Why."]},
            {"cell_type": "code", "source": "1 + 1", "outputs": [{"data": {"text/plain": ["2"]}}]},
        ]
    }
    assert lines(read(json.dumps(notebook).encode(), ".ipynb")) == ["Study", "Why.", "1 + 1", "2"]
    rtf = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}K\'e4se \u8364?5\par {\b bold} end\par}"
    assert lines(read(rtf, ".rtf")) == ["Käse €5", "bold end"]
    vtt = "WEBVTT\n\n1\n00:01.000 --> 00:02.000\n<v Ada>Hello &amp; welcome</v>\n\n00:03.000 --> 00:04.000\nBye\n"
    assert lines(read(vtt.encode(), ".vtt")) == ["Ada: Hello & welcome Bye"]
    content = (
        '<o:document xmlns:o="o" xmlns:t="t"><o:body><o:text><t:h t:outline-level="2">Head</t:h><t:p>One'
        '<t:s t:c="2"/>two</t:p><t:list><t:list-item><t:p>item</t:p></t:list-item></t:list>'
        "</o:text></o:body></o:document>"
    )
    odt = read(package({"content.xml": content}), ".odt")
    assert lines(odt) == ["Head", "One  two", "- item"]
    book = {
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="o/b.opf"/></rootfiles></container>',
        "o/b.opf": '<package><metadata><title>Book</title></metadata><manifest><item id="a" href="a.xhtml"/></manifest>'
        '<spine><itemref idref="a"/></spine></package>',
        "o/a.xhtml": "<html><body><h1>One</h1><p>Once.</p></body></html>",
    }
    epub = read(package(book), ".epub")
    assert (lines(epub), epub.title) == (["One", "Once."], "Book")
