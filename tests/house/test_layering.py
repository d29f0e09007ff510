# SPDX-License-Identifier: Apache-2.0
"""What import-linter cannot see: folders that it would pass over, core's purity, the shape of files."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src/colonnade"
FILES = sorted(SRC.rglob("*.py"))
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def imported(path: Path) -> Iterator[str]:
    """Every module that the file names in an import, at any depth of nesting."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def named(path: Path) -> str:
    return str(path.relative_to(SRC))


def test_every_folder_with_python_in_it_is_a_package() -> None:
    folders = {parent for file in FILES for parent in file.parents if parent.is_relative_to(SRC)}
    assert [named(f) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


def test_no_two_files_of_tests_have_one_name() -> None:
    files = [file.name for file in (SRC.parents[1] / "tests").rglob("test_*.py")]
    assert sorted(name for name, count in Counter(files).items() if count > 1) == [], "pytest could not collect both"


def test_core_imports_the_standard_library_and_itself_only() -> None:
    foreign = [
        (named(file), name)
        for file in FILES
        if file.is_relative_to(SRC / "core")
        for name in imported(file)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("colonnade.core")
    ]
    assert foreign == []


def test_core_does_no_io_and_reads_no_clock() -> None:
    outside = {"os", "io", "pathlib", "socket", "subprocess", "time", "sqlite3", "threading", "asyncio", "random"}
    outside |= {"urllib", "http", "shutil", "tempfile", "multiprocessing", "logging", "secrets"}
    found = [
        (named(file), name)
        for file in FILES
        if file.is_relative_to(SRC / "core")
        for name in imported(file)
        if name.split(".")[0] in outside
    ]
    assert found == []


def test_within_the_app_only_wiring_imports_adapters() -> None:
    found = [
        (named(file), name)
        for file in FILES
        if file.is_relative_to(SRC / "app") and not named(file).startswith("app/wiring")
        for name in imported(file)
        if name.startswith("colonnade.adapters")
    ]
    assert found == []


@pytest.mark.parametrize("file", FILES, ids=named)
def test_each_file_says_its_licence_and_why_it_exists_and_stays_readable(file: Path) -> None:
    text = file.read_text()
    assert text.startswith("# SPDX-License-Identifier: Apache-2.0\n"), "first line: the SPDX identifier"
    assert ast.get_docstring(ast.parse(text)), "a docstring: why the file exists, what must not enter it"
    assert text.count("\n") <= 400, "past 400 lines a file is two files"
    assert file.stem not in BANNED_NAMES, "name it for what it does"


def test_no_file_names_the_machine_that_it_was_written_on() -> None:
    roots = ("/" + "work/", "/" + "root/", "/" + "tmp/uvtool")
    found = [
        str(path.relative_to(SRC.parents[1]))
        for folder in ("src", "bench", "scripts", "docs", "examples", "tests")
        for path in sorted((SRC.parents[1] / folder).rglob("*"))
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".json", ".html", ".js", ".css"}
        and "vendor" not in path.parts
        if any(root in path.read_text(errors="replace") for root in roots)
    ]
    assert found == []
