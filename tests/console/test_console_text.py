# SPDX-License-Identifier: Apache-2.0
"""The console's pure parts: a source's text unchanged by what is drawn on it, windows that tile it, trees, words for
every code.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from colonnade.core.documents import UNREADABLE_CODES
from colonnade.gateway.backend import Walk
from colonnade.gateway.console import lineage, live, sourcetext, words
from tests.console.console_house import LONG

TEXTS = st.text(alphabet=st.sampled_from("ab <&>\"'\r\n\té€😀\x00\x1b"), max_size=80)


class _Reader(HTMLParser):
    """Collects the text as a browser would hold it, and the part inside the mark."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.marked, self._inside = "", "", False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ("i", "mark")
        self._inside |= tag == "mark"

    def handle_endtag(self, tag: str) -> None:
        self._inside &= tag != "mark"

    def handle_data(self, data: str) -> None:
        self.text += data
        self.marked += data if self._inside else ""


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


@given(TEXTS, st.integers(0, 80), st.integers(0, 80), st.lists(st.integers(0, 80), max_size=4))
def test_drawing_adds_nothing_to_the_text(text: str, start: int, end: int, borders: list[int]) -> None:
    start, end = min(start, len(text)), min(end, len(text))
    chunks = [(b, b + 5) for b in sorted(borders)]
    html = sourcetext.render(
        text, sourcetext.window(text, 0), mark=(start, end), chunks=chunks, pages=[(1, b) for b in sorted(borders)]
    )
    shown = text.replace("\x00", "\u2400").replace("\x1b", "\u241b")
    reader = _read(str(html))
    assert reader.text == shown
    assert reader.marked == shown[start:end]


def test_windows_tile_a_long_text_and_each_position_has_one() -> None:
    text, position, seen, lines = LONG + "x" * 500_000 + "\nend", 0, "", 0
    while True:
        part = sourcetext.window(text, position)
        assert part.start == position == sourcetext.window(text, part.end - 1).start
        assert part.end - part.start <= sourcetext.WINDOW_CHARACTERS
        seen += text[part.start : part.end]
        lines = part.last_line
        if part.after is None:
            break
        assert sourcetext.window(text, part.after).before == position
        position = part.after
    assert seen == text
    assert lines == part.lines == len(text.splitlines())


def test_an_empty_text_is_one_empty_window() -> None:
    assert sourcetext.window("", 0) == sourcetext.Window(0, 0, 1, 1, 0, None, None)


def test_every_reason_for_not_reading_a_file_has_words_advice_and_a_command() -> None:
    for code in UNREADABLE_CODES:
        mending = words.mending(code, "a file's name.pdf")
        assert mending.reason == UNREADABLE_CODES[code]
        assert mending.advice
        assert mending.command


def test_a_stream_ends_with_what_it_watches_and_sends_only_what_changed() -> None:
    drawn = iter([("a", False), ("a", False), ("b", False), ("c", True), ("never", True)])
    sent = asyncio.run(_all(live.watch(lambda: next(drawn), every_s=0.001)))
    assert sent == [b"data: a\n\n", b"data: b\n\n", b"data: c\n\n", b"event: done\ndata: \n\n"]


def test_a_stream_does_not_outlive_the_rights_it_began_with() -> None:
    sent = asyncio.run(_all(live.watch(lambda: ("a", False), every_s=0.001, life_s=0.005)))
    assert sent == [b"data: a\n\n"]


async def _all(stream: AsyncIterator[bytes]) -> list[bytes]:
    return [event async for event in stream]


def test_a_path_in_a_mending_command_is_quoted() -> None:
    assert words.mending("permission", "a; rm -rf b").command == "chmod u+r 'a; rm -rf b'"


def _node(ref: str, *edges: str) -> dict[str, object]:
    return {"ref": ref, "kind": ref.partition("/")[0], "edges": [{"to": e, "role": "in"} for e in edges]}


def test_a_tree_shows_a_shared_ancestor_once_in_full_and_hides_nothing() -> None:
    walk = Walk(
        "answer/a",
        (
            _node("answer/a", "run/r", "run/s"),
            _node("run/r", "document/d"),
            _node("run/s", "run/r"),
            _node("document/d"),
            _node("key/k"),
        ),
    )
    root, stray = lineage.tree(walk)
    assert [b.ref for b in root.branches] == ["run/r", "run/s"]
    assert root.branches[0].branches[0].ref == "document/d"
    assert root.branches[1].branches[0].again
    assert stray.ref == "key/k"


def test_a_circle_ends() -> None:
    (root,) = lineage.tree(Walk("run/a", (_node("run/a", "run/b"), _node("run/b", "run/a"))))
    assert root.branches[0].branches[0].again


def test_a_walk_stated_from_the_leaves_is_drawn_from_the_root() -> None:
    (root,) = lineage.tree(Walk("document/d", (_node("document/d"), _node("answer/a", "document/d"))))
    assert [b.ref for b in root.branches] == ["answer/a"]
