# SPDX-License-Identifier: Apache-2.0
"""What every parsers adapter must do, whatever it reads beyond plain text.

An engine's test is a subclass with the fixture `parsers`.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from colonnade.core.documents import UNREADABLE_CODES
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import Parsers


class ParsersConformance:
    """Subclass it, and give the fixture."""

    @pytest.mark.parametrize(
        "raw",
        [b"", b"one\r\n\r\ntwo\n", "\ufeffmärk".encode(), "日本\U0001f600".encode()],
        ids=["", "crlf", "mark", "wide"],
    )
    def test_the_text_of_a_text_file_is_the_decoded_file(self, parsers: Parsers, tmp_path: Path, raw: bytes) -> None:
        (tmp_path / "a.txt").write_bytes(raw)
        parsed = parsers.parse(str(tmp_path / "a.txt"), ".txt")
        assert parsed.encoding is not None
        assert parsed.text == raw.decode(parsed.encoding)

    def test_blocks_are_in_order_and_within_the_text(self, parsers: Parsers, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("one\n\ntwo\n\nthree")
        parsed = parsers.parse(str(tmp_path / "a.txt"), ".txt")
        assert all(0 <= b.start < b.end <= len(parsed.text) for b in parsed.blocks)
        assert all(a.end <= b.start for a, b in itertools.pairwise(parsed.blocks))

    def test_the_same_file_gives_the_same_result(self, parsers: Parsers, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("one\n\ntwo")
        path = str(tmp_path / "a.txt")
        assert parsers.parse(path, ".txt") == parsers.parse(path, ".txt")
        assert parsers.version(".txt") == parsers.version(".txt") != ""

    def test_what_is_not_read_says_why_with_a_known_code(self, parsers: Parsers, tmp_path: Path) -> None:
        (tmp_path / "a.unheard").write_bytes(b"?")
        (tmp_path / "b.txt").write_bytes(bytes(range(256)))
        for name in ("a.unheard", "b.txt"):
            with pytest.raises(Unreadable) as caught:
                parsers.parse(str(tmp_path / name), Path(name).suffix)
            assert caught.value.code in UNREADABLE_CODES

    def test_a_link_is_not_followed_and_a_file_that_is_gone_is_no_unreadable_one(
        self, parsers: Parsers, tmp_path: Path
    ) -> None:
        (tmp_path / "a.txt").write_text("secret")
        (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
        with pytest.raises(Unreadable) as caught:
            parsers.parse(str(tmp_path / "link.txt"), ".txt")
        assert caught.value.code == "outside"
        with pytest.raises(FileNotFoundError):
            parsers.parse(str(tmp_path / "gone.txt"), ".txt")
