# SPDX-License-Identifier: Apache-2.0
"""Write the character classes of BERT's tokenizer as the `tokenizers` library has them, once, for good.

    .venv/bin/python scripts/freeze_wordpiece_characters.py

A developer's script: it asks the library about every code point, so that our WordPiece cuts alike whatever Unicode the
running Python knows. `later` are the code points that Unicode 14 (Python 3.11, our oldest) does not assign: they pass
unchanged, since a newer Python would decompose and lower some of them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

TARGET = Path(__file__).parents[1] / "src/colonnade/adapters/models/minilm/characters.txt"


def _normalizer(step: str) -> Callable[[str], str]:
    flags = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    normalize: Callable[[str], str] = BertNormalizer(**(flags | {step: True})).normalize_str
    return normalize


def _ranges(points: Iterable[int]) -> str:
    out: list[list[int]] = []
    for point in points:
        if out and out[-1][1] == point - 1:
            out[-1][1] = point
        else:
            out.append([point, point])
    return " ".join(f"{first:x}-{last:x}" if first != last else f"{first:x}" for first, last in out)


def main() -> None:
    """Ask, and write the file."""
    if unicodedata.unidata_version != "14.0.0":
        raise SystemExit("run this with Python 3.11: the classes are frozen at Unicode 14")
    clean, strip, split = _normalizer("clean_text"), _normalizer("strip_accents"), BertPreTokenizer().pre_tokenize_str
    points = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    classes: dict[str, list[int]] = {"drop": [], "space": [], "mark": [], "punctuation": [], "later": []}
    for point in points:
        char = chr(point)
        cleaned = clean(f"a{char}b")
        if cleaned == "ab":
            classes["drop"].append(point)
        elif cleaned == "a b":
            classes["space"].append(point)
        if unicodedata.normalize("NFD", char) == char and strip(f"a{char}") == "a":
            classes["mark"].append(point)
        if len(split(f"a{char}b")) == 3:
            classes["punctuation"].append(point)
        if unicodedata.category(char) == "Cn":
            classes["later"].append(point)
    TARGET.write_text("".join(f"{name} {_ranges(points)}\n" for name, points in classes.items()))


if __name__ == "__main__":
    main()
