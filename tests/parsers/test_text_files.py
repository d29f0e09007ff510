# SPDX-License-Identifier: Apache-2.0
"""Text files: the text is the decoded file itself, and every block points into it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from colonnade.adapters.parsers.formats import TEXT_SUFFIXES, parse_raw
from colonnade.adapters.parsers.sniff import decode
from colonnade.core.documents import BlockKind, Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

LIMITS = ParseLimits()
JAPANESE = "これは日本語の文章です。価格は百円で、東京都にあります。"
CHINESE = "这是一个中文句子，价格是一百元。我们在北京工作，他们在上海。"
KOREAN = "이것은 한국어 문장입니다. 가격은 천 원이고 서울에 있습니다."
RUSSIAN = "Это русский текст. Цена товара сто рублей, доставка бесплатно."
GERMAN = "Käse für 5 € – „hübsch“, naïve Größe im Café."


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", GERMAN + JAPANESE),
        ("utf-8", "\ufeffmark kept"),
        ("utf-16-le", "\ufeff" + GERMAN),
        ("utf-16-be", "\ufeff" + JAPANESE),
        ("utf-32-le", "\ufeff" + GERMAN),
        ("utf-16-le", GERMAN * 3),
        ("utf-16-be", GERMAN * 3),
        ("cp1252", GERMAN),
        ("cp932", JAPANESE),
        ("euc_jp", JAPANESE),
        ("gb18030", CHINESE),
        ("euc_kr", KOREAN),
        ("cp1251", RUSSIAN),
        ("koi8_r", RUSSIAN),
    ],
)
def test_an_encoding_is_recognised_and_decodes_to_the_same_text(encoding: str, text: str) -> None:
    raw = text.encode(encoding)
    found, name = decode(raw)
    assert (found, name) == (text, encoding)
    assert found == raw.decode(name)


@given(st.binary(max_size=300))
def test_whatever_the_bytes_the_text_is_what_the_named_encoding_gives_or_they_are_refused(raw: bytes) -> None:
    refused = ""
    try:
        text, encoding = decode(raw)
    except Unreadable as error:
        refused = error.code
    assert refused == "encoding" or text == raw.decode(encoding)


@given(st.text(max_size=300), st.sampled_from(sorted(TEXT_SUFFIXES)))
def test_any_text_survives_any_text_parser_unchanged_with_blocks_in_order(text: str, suffix: str) -> None:
    raw = text.encode("utf-8", "ignore")
    try:
        parsed = parse_raw(raw, suffix, LIMITS)
    except Unreadable as error:
        code = error.code
    else:
        code = ""
    assert code in ("", "encoding")
    assume(not code)
    assert parsed.encoding is not None
    assert parsed.text == raw.decode(parsed.encoding)
    at = 0
    for block in parsed.blocks:
        assert at <= block.start < block.end <= len(parsed.text)
        at = block.end


def shown(parsed: Parsed) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(b.kind.value, parsed.text[b.start : b.end].strip(), b.headings) for b in parsed.blocks]


def test_markdown_gives_headings_lists_tables_and_fences_in_place() -> None:
    source = (
        "---\ntitle: 'Travel rules'\n---\n# Travel *rules*\nBook early.\nReally.\n\n## By train\n- first\n  goes on\n"
        "- second\n\n| From | Price |\n|---|--:|\n| Bonn | 3 |\n\n```sh\n# no heading\n```\nSetext\n------\nend\r\n"
    )
    parsed = parse_raw(source.encode(), ".md", LIMITS)
    assert parsed.title == "Travel rules"
    assert shown(parsed)[1:] == [
        ("heading", "# Travel *rules*", ()),
        ("paragraph", "Book early.\nReally.", ("Travel rules",)),
        ("heading", "## By train", ("Travel rules",)),
        ("list_item", "- first\n  goes on", ("Travel rules", "By train")),
        ("list_item", "- second", ("Travel rules", "By train")),
        ("table_row", "| From | Price |\n|---|--:|", ("Travel rules", "By train")),
        ("table_row", "| Bonn | 3 |", ("Travel rules", "By train")),
        ("code", "```sh\n# no heading\n```", ("Travel rules", "By train")),
        ("heading", "Setext\n------", ("Travel rules",)),
        ("paragraph", "end", ("Travel rules", "Setext")),
    ]
    assert parsed.blocks[7].header == ("From", "Price")


def test_csv_rows_know_their_header_whatever_the_delimiter_and_quotes() -> None:
    parsed = parse_raw(b'Item;Price;Note\nWidget;3,50;"two\nlines; here"\nGadget;4,00;\n', ".csv", LIMITS)
    assert [parsed.text[b.start : b.end] for b in parsed.blocks] == [
        "Item;Price;Note\n",
        'Widget;3,50;"two\nlines; here"\n',
        "Gadget;4,00;\n",
    ]
    assert [b.header for b in parsed.blocks] == [(), ("Item", "Price", "Note"), ("Item", "Price", "Note")]


def test_a_csv_without_a_header_has_none_and_an_open_quote_costs_one_row() -> None:
    assert parse_raw(b"1,2\n3,4\n", ".csv", LIMITS).blocks[1].header == ()
    rows = b'a,b\n"open,1\n' + b"x,2\n" * 500
    assert len(parse_raw(rows, ".csv", LIMITS).blocks) == 502


def test_plain_text_has_headings_where_lines_are_underlined() -> None:
    parsed = parse_raw(b"Rules\n=====\n\nOne.\n\nPart\n----\nTwo.\n\n\nThree.", ".txt", LIMITS)
    assert [(b.kind, b.headings) for b in parsed.blocks] == [
        (BlockKind.HEADING, ()),
        (BlockKind.PARAGRAPH, ("Rules",)),
        (BlockKind.HEADING, ("Rules",)),
        (BlockKind.PARAGRAPH, ("Rules", "Part")),
        (BlockKind.PARAGRAPH, ("Rules", "Part")),
    ]
    assert parsed.title == "Rules"


def test_code_is_cut_before_top_level_lines() -> None:
    parsed = parse_raw(b"import os\n\ndef a():\n    x = 1\n\n    return x\n\n\ndef b():\n    pass\n", ".py", LIMITS)
    assert [parsed.text[b.start : b.end].split("(")[0] for b in parsed.blocks] == ["import os", "def a", "def b"]


def test_an_empty_text_file_is_read_and_holds_nothing() -> None:
    assert parse_raw(b"", ".txt", LIMITS) == Parsed("", "utf-8", ())


@pytest.mark.parametrize("suffix", [".md", ".txt", ".py", ".csv"])
@pytest.mark.parametrize(
    "line",
    [
        "# " + " " * 400_000 + "x",
        "\n" * 400_000 + " x",
        "|" + " " * 400_000 + "-|x",
        '"' * 400_001,
        "[" * 400_000,
        "- " * 200_000,
    ],
    ids=["spaces", "newlines", "rule", "quotes", "brackets", "bullets"],
)
def test_text_made_to_be_slow_is_cut_in_linear_work(suffix: str, line: str) -> None:
    text = f"a|b\n{line}\n{line}"
    assert parse_raw(text.encode(), suffix, LIMITS).text == text
