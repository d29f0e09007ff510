# SPDX-License-Identifier: Apache-2.0
"""Chunks: exact spans that cover everything once, within the embedder's reach, cut where a reader would pause."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from colonnade.core.documents import Block, BlockKind, Chunk, Parsed
from colonnade.knowledge.chunk import MOST, chunk, pieces

SENTENCE = "Every employee who travels for the company books the ticket and keeps the receipt. "


def built(
    *blocks: tuple[BlockKind, str, tuple[str, ...], int], title: str = "", header: tuple[str, ...] = ()
) -> Parsed:
    """A document of (kind, text, headings, level); table rows get the header."""
    text = ""
    made: list[Block] = []
    for kind, body, headings, level in blocks:
        start = len(text)
        rows = header if kind is BlockKind.TABLE_ROW and made else ()
        made.append(Block(kind, start, start + len(body), headings, level=level, header=rows))
        text += body + "\n\n"
    return Parsed(text, None, tuple(made), title)


def assert_sound(parsed: Parsed, chunks: list[Chunk]) -> None:
    """In order, without overlap, trimmed, and together every character that is not white space."""
    covered = [False] * len(parsed.text)
    at = 0
    for c in chunks:
        assert at <= c.start < c.end <= len(parsed.text)
        assert parsed.text[c.start : c.end] == parsed.text[c.start : c.end].strip()
        covered[c.start : c.end] = [True] * (c.end - c.start)
        at = c.end
    assert all(seen or parsed.text[i].isspace() for i, seen in enumerate(covered))
    assert all(pieces(c.passage(parsed.text)) <= MOST + 4 for c in chunks)


TEXTS = st.text(alphabet=st.sampled_from(list("abcde  .,!?\n\t|-#123é日本\U0001f600")), max_size=400)
BLOCKS = st.lists(
    st.tuples(
        st.sampled_from(list(BlockKind)),
        st.integers(0, 1500),
        st.integers(0, 400),
        st.sampled_from([(), ("A",), ("A", "B b b"), ("x" * 300,)]),
        st.integers(0, 6),
        st.sampled_from(["", "p", "q!A1:B2"]),
        st.sampled_from([(), ("one", "two")]),
    ),
    max_size=12,
)


@given(TEXTS, st.integers(1, 8), BLOCKS, st.sampled_from(["", "Title", "word " * 100]))
def test_whatever_the_blocks_chunks_cover_every_character_once(
    text: str, times: int, raw: list[tuple[BlockKind, int, int, tuple[str, ...], int, str, tuple[str, ...]]], title: str
) -> None:
    blocks = tuple(
        Block(kind, start, start + size, headings, level, None, part, header)
        for kind, start, size, headings, level, part, header in raw
    )
    parsed = Parsed(text * times, None, blocks, title)
    assert_sound(parsed, chunk(parsed))


def test_a_short_document_is_one_chunk_and_an_abstract_at_most_three() -> None:
    short = built((BlockKind.HEADING, "Leave", (), 1), (BlockKind.PARAGRAPH, SENTENCE, ("Leave",), 0))
    assert len(chunk(short)) == 1
    abstract = built(
        (BlockKind.HEADING, "On travel", (), 1),
        (BlockKind.PARAGRAPH, SENTENCE * 18, ("On travel",), 0),
        title="On travel",
    )
    chunks = chunk(abstract)
    assert_sound(abstract, chunks)
    assert len(chunks) == 2
    assert abs(chunks[0].end - chunks[0].start - (chunks[1].end - chunks[1].start)) < 200
    assert chunks[1].context == "On travel"


def test_long_paragraphs_are_cut_between_sentences() -> None:
    parsed = built((BlockKind.PARAGRAPH, SENTENCE * 60, (), 0))
    chunks = chunk(parsed)
    assert_sound(parsed, chunks)
    assert all(parsed.text[c.start : c.end].endswith("receipt.") for c in chunks)


def test_sections_of_the_first_levels_are_not_mixed_unless_tiny() -> None:
    parsed = built(
        (BlockKind.HEADING, "One", (), 1),
        (BlockKind.PARAGRAPH, SENTENCE * 4, ("One",), 0),
        (BlockKind.HEADING, "Two", (), 1),
        (BlockKind.PARAGRAPH, SENTENCE * 4, ("Two",), 0),
        (BlockKind.HEADING, "Tiny", (), 1),
        (BlockKind.PARAGRAPH, "Yes.", ("Tiny",), 0),
        (BlockKind.HEADING, "Tinier", (), 1),
        (BlockKind.PARAGRAPH, "No.", ("Tinier",), 0),
    )
    starts = [parsed.text[c.start : c.start + 4] for c in chunk(parsed)]
    assert starts == ["One\n", "Two\n", "Tiny"]


def test_a_heading_is_never_left_behind_by_what_it_heads() -> None:
    parsed = built(
        (BlockKind.PARAGRAPH, SENTENCE * 11, (), 0),
        (BlockKind.HEADING, "Exceptions", (), 3),
        (BlockKind.PARAGRAPH, SENTENCE * 3, ("Exceptions",), 0),
    )
    for c in chunk(parsed):
        assert not parsed.text[c.start : c.end].endswith("Exceptions")


def test_rows_of_a_long_table_carry_its_header() -> None:
    rows = [(BlockKind.TABLE_ROW, f"Widget number {i} | {i}.50 | Bonn", ("Prices",), 0) for i in range(60)]
    parsed = built(
        (BlockKind.TABLE_ROW, "Item | Price | From", ("Prices",), 0),
        *rows,
        header=("Item", "Price", "From"),
        title="List",
    )
    chunks = chunk(parsed)
    assert_sound(parsed, chunks)
    assert chunks[0].context == "List > Prices"
    assert {c.context for c in chunks[1:]} == {"List > Prices\nItem | Price | From"}
    assert all("\n" not in parsed.text[c.end - 4 : c.end] for c in chunks)


def test_the_rest_of_a_long_function_is_introduced_by_its_first_line() -> None:
    body = "def total(prices):\n" + "".join(f"    amount_{i} = prices[{i}] * rate\n" for i in range(80))
    parsed = Parsed(body, "utf-8", (Block(BlockKind.CODE, 0, len(body)),))
    chunks = chunk(parsed)
    assert_sound(parsed, chunks)
    assert {c.context for c in chunks[1:]} == {"def total(prices):"}


def test_a_word_longer_than_a_chunk_and_text_without_spaces_are_cut() -> None:
    for text in ("x" * 20_000, "日本語" * 2_000, "a1-" * 5_000):
        parsed = Parsed(text, "utf-8", ())
        assert_sound(parsed, chunk(parsed))


def test_a_megabyte_in_one_word_or_under_endless_headings_is_cut_in_linear_work() -> None:
    blob = "QUJD" * 250_000
    chunks = chunk(Parsed(blob, "utf-8", ()))
    assert sum(c.end - c.start for c in chunks) == len(blob)
    header = tuple(f"column {i}" for i in range(20_000))
    row = Block(BlockKind.TABLE_ROW, 0, 5, ("word " * 5_000,) * 3, header=header)
    (only,) = chunk(Parsed("1 | 2", None, (row,), "word " * 5_000))
    assert pieces(only.context) <= MOST


def test_the_path_and_page_of_a_chunk_are_those_of_its_first_block() -> None:
    text = "alpha beta"
    block = Block(BlockKind.PARAGRAPH, 0, 10, ("A", "B"), page=7, part="notes")
    (only,) = chunk(Parsed(text, None, (block,), "T"))
    assert only == Chunk(0, 10, ("A", "B"), 7, "T > notes > A > B")


def test_parts_are_apart_but_for_the_notes_of_a_slide() -> None:
    text = "One.\n\nSpoken.\n\nNext sheet."
    slide = Block(BlockKind.PARAGRAPH, 0, 4, page=1)
    notes = Block(BlockKind.PARAGRAPH, 6, 13, page=1, part="notes")
    other = Block(BlockKind.PARAGRAPH, 15, 26, part="B!A1:A2")
    assert [(c.start, c.end) for c in chunk(Parsed(text, None, (slide, notes, other)))] == [(0, 13), (15, 26)]
