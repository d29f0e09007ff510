# SPDX-License-Identifier: Apache-2.0
"""Which parser reads which suffix, and the version of each. Parsers are imported only when a file of their kind comes.

Adding a format: one file with a function `(raw, limits) -> Parsed`, one line in `EXTRACTED`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from colonnade.adapters.parsers.delimited import parse_delimited
from colonnade.adapters.parsers.lines import parse_code, parse_plain
from colonnade.adapters.parsers.markdown import parse_markdown
from colonnade.adapters.parsers.sniff import decode
from colonnade.core.documents import Parsed
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits

_CODE = (
    ".py .pyi .js .mjs .cjs .jsx .ts .tsx .java .kt .kts .scala .go .rs .c .h .cc .cpp .cxx .hpp .hh .cs .swift .m "
    ".mm .rb .php .pl .pm .lua .r .jl .hs .ml .mli .ex .exs .erl .clj .lisp .el .dart .groovy .sh .bash .zsh .fish "
    ".ps1 .bat .cmd .sql .proto .thrift .graphql .tf .hcl .nix .vim .css .scss .less .vue .svelte .json .jsonl "
    ".ndjson .geojson .yaml .yml .toml .ini .cfg .conf .env .properties .xml .xsd .xsl .svg .gradle .cmake .mk "
    ".dockerfile .asm .s .v .vhd .zig .nim"
)
_PLAIN = ".txt .text .log .rst .adoc .asciidoc .org .tex .srt .diff .patch"
_MARKDOWN = ".md .markdown .mdx .mkd .qmd .rmd"

TEXT: dict[str, Callable[[str, str], Parsed]] = {
    **dict.fromkeys(_CODE.split(), parse_code),
    **dict.fromkeys(["", *_PLAIN.split()], parse_plain),
    **dict.fromkeys(_MARKDOWN.split(), parse_markdown),
    **dict.fromkeys((".csv", ".tsv", ".tab"), parse_delimited),
}

TEXT_SUFFIXES = frozenset(TEXT)
"""Suffixes whose text is the decoded file itself; spans point into it."""

_HERE = "colonnade.adapters.parsers"
EXTRACTED: dict[str, tuple[str, str, int]] = {
    ".html": ("web", "parse_html", 1),
    ".htm": ("web", "parse_html", 1),
    ".xhtml": ("web", "parse_html", 1),
    ".pdf": ("pdf", "parse_pdf", 1),
    **dict.fromkeys((".docx", ".docm", ".dotx", ".dotm"), ("docx", "parse_docx", 1)),
    **dict.fromkeys((".pptx", ".pptm", ".ppsx", ".ppsm", ".potx"), ("pptx", "parse_pptx", 1)),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), ("sheets", "parse_sheets", 1)),
    **dict.fromkeys((".eml", ".mht", ".mhtml"), ("mail", "parse_mail", 2)),
    **dict.fromkeys((".odt", ".ott", ".odp", ".otp"), ("opendocument", "parse_opendocument", 1)),
    ".epub": ("epub", "parse_epub", 1),
    ".ipynb": ("notebook", "parse_notebook", 1),
    ".rtf": ("rtf", "parse_rtf", 1),
    ".vtt": ("subtitles", "parse_vtt", 1),
}
"""Suffix -> module, function, version. The version goes up whenever the output could change."""

_TEXT_VERSION = 2


def version(suffix: str) -> str:
    """The version of what reads this suffix, with the kind: "text/1", "pdf/1", or "none/0"."""
    if suffix in TEXT:
        return f"text/{_TEXT_VERSION}"
    module, _, number = EXTRACTED.get(suffix, ("none", "", 0))
    return f"{module}/{number}"


def is_text(suffix: str) -> bool:
    """Whether the text of such a file is the decoded file itself."""
    return suffix in TEXT


def parse_text(raw: bytes, suffix: str, limits: ParseLimits) -> Parsed:
    """Parse a file of `TEXT_SUFFIXES`. Linear in time and memory, so it may run anywhere."""
    longest = _longest_line(raw)
    if longest > limits.line_mib << 20:
        raise Unreadable(f"One line is longer than {limits.line_mib} MiB.", code="too_large")
    text, encoding = decode(raw)
    return TEXT[suffix](text, encoding)


def parse_raw(raw: bytes, suffix: str, limits: ParseLimits) -> Parsed:
    """Parse the bytes of a file of any kind that is read here; raises `Unreadable`."""
    if suffix in TEXT:
        return parse_text(raw, suffix, limits)
    if suffix not in EXTRACTED:
        raise Unreadable(f"No parser for {suffix!r}.", code="unsupported", hint="docs/reference/formats.md lists them.")
    module, function, _ = EXTRACTED[suffix]
    parse: Callable[[bytes, ParseLimits], Parsed] = getattr(import_module(f"{_HERE}.{module}"), function)
    return parse(raw, limits)


def _longest_line(raw: bytes) -> int:
    """Bytes of the longest line, looked for only when the file is long enough to matter."""
    if len(raw) < 1 << 20:
        return len(raw)
    longest = start = 0
    while start < len(raw):
        stop = raw.find(b"\n", start)
        stop = len(raw) if stop < 0 else stop
        longest = max(longest, stop - start)
        start = stop + 1
    return longest
