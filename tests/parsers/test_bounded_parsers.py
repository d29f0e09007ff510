# SPDX-License-Identifier: Apache-2.0
"""Hostile files end with a code, within the limits, and never take the daemon or the next file with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from colonnade.adapters.parsers.pool import BoundedParsers
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits
from tests.parsers import make_pdf
from tests.parsers.make_office import W, package

SMALL = ParseLimits(cpu_s=2, memory_mib=256)


@pytest.fixture(scope="module")
def parsers() -> Iterator[BoundedParsers]:
    bounded = BoundedParsers(SMALL)
    yield bounded
    bounded.close()


def code_of(parsers: BoundedParsers, path: Path) -> str:
    with pytest.raises(Unreadable) as caught:
        parsers.parse(str(path), path.suffix)
    return caught.value.code


def document(xml: str) -> bytes:
    return package({"word/document.xml": f"<w:document {W}><w:body>{xml}</w:body></w:document>"})


HOSTILE = {
    "inflates.pdf": (lambda: make_pdf.inflating_bomb(600), "bomb"),
    "doubles.pdf": (lambda: make_pdf.doubling_bomb(40), "bomb"),
    "pages.pdf": (lambda: make_pdf.page_bomb(20_000), "bomb"),
    "junk.pdf": (lambda: b"%PDF-1.7\n" + bytes(range(256)) * 400, "corrupt"),
    "empty.pdf": (lambda: b"", "corrupt"),
    "picture.pdf": (lambda: make_pdf.pages(b"0 0 10 10 re f"), "no_text"),
    "zip.docx": (lambda: package({"word/document.xml": b"<a>" + bytes(64 << 20)}), "bomb"),
    "deep.docx": (lambda: document("<w:sdt>" * 20_000 + "</w:sdt>" * 20_000), "bomb"),
    "cells.html": (lambda: b"<table>" + b"<tr><td colspan=1000 rowspan=1000>x" * 3_000, "bomb"),
    "line.txt": (lambda: b"a" * (17 << 20), "too_large"),
    "binary.txt": (lambda: bytes(range(256)) * 8, "encoding"),
    "broken.md": (lambda: "naïve café".encode() + b" caf\xe9 \xff", "encoding"),
    "wide.csv": (lambda: b"\xff\xfea\0b", "encoding"),
    "what.xyz": (lambda: b"?", "unsupported"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_with_its_code_and_the_next_one_is_read(
    parsers: BoundedParsers, tmp_path: Path, name: str
) -> None:
    make, expected = HOSTILE[name]
    path = tmp_path / name
    path.write_bytes(make())
    assert code_of(parsers, path) == expected
    good = tmp_path / "good.html"
    good.write_text("<p>Still here.</p>")
    assert parsers.parse(str(good), ".html").text == "Still here."


PEAK = """
import resource, sys
from pathlib import Path
from colonnade.adapters.parsers.pool import BoundedParsers
from colonnade.core.errors import Unreadable
from colonnade.ports.outside.parsers import ParseLimits
parsers, ended = BoundedParsers(ParseLimits(cpu_s=2, memory_mib=256)), 0
for path in map(Path, sys.argv[1:]):
    try:
        parsers.parse(str(path), path.suffix)
    except Unreadable as error:
        ended += error.code == "bomb"
parsers.close()
print(ended, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_children_stay_within_their_memory(tmp_path: Path) -> None:
    bombs = [name for name, (_, code) in HOSTILE.items() if code == "bomb"]
    for name in bombs:
        (tmp_path / name).write_bytes(HOSTILE[name][0]())
    command = [sys.executable, "-c", PEAK, *(str(tmp_path / name) for name in bombs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ended, peak_kib = map(int, done.stdout.split())
    assert ended == len(bombs)
    assert peak_kib <= 256 * 1024


def test_a_sparse_file_of_two_gigabytes_is_refused_without_being_read(parsers: BoundedParsers, tmp_path: Path) -> None:
    path = tmp_path / "huge.txt"
    with path.open("wb") as out:
        out.truncate(2 << 30)
    before = time.process_time()
    assert code_of(parsers, path) == "too_large"
    assert time.process_time() - before < 0.1


def test_links_folders_devices_and_pipes_are_not_opened(parsers: BoundedParsers, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    link = tmp_path / "link.txt"
    link.symlink_to(tmp_path / "secret.txt")
    assert code_of(parsers, link) == "outside"
    pipe = tmp_path / "pipe.txt"
    os.mkfifo(pipe)
    assert code_of(parsers, pipe) == "unsupported"
    folder = tmp_path / "folder.txt"
    folder.mkdir()
    assert code_of(parsers, folder) == "unsupported"
    with pytest.raises(FileNotFoundError):
        parsers.parse(str(tmp_path / "gone.pdf"), ".pdf")


def test_a_relative_path_means_the_same_file_to_the_child(
    parsers: BoundedParsers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.html").write_text("<p>near</p>")
    assert parsers.parse("a.html", ".html").text == "near"


def test_a_child_sees_no_secret_of_the_environment(
    parsers: BoundedParsers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UPSTREAM_API_KEY", "sk-secret")
    own = BoundedParsers(SMALL)
    path = tmp_path / "a.html"
    path.write_text("<p>x</p>")
    own.parse(str(path), ".html")
    (child,) = own._idle
    assert b"sk-secret" not in Path(f"/proc/{child._process.pid}/environ").read_bytes()
    own.close()


def test_a_child_that_is_killed_from_outside_is_replaced_and_the_file_read(
    parsers: BoundedParsers, tmp_path: Path
) -> None:
    path = tmp_path / "a.html"
    path.write_text("<p>x</p>")
    parsers.parse(str(path), ".html")
    child = parsers._idle[-1]
    os.kill(child._process.pid, signal.SIGKILL)
    child._process.wait()
    assert parsers.parse(str(path), ".html").text == "x"


def test_a_child_that_ended_for_want_of_work_is_replaced_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("<p>x</p>")
    own = BoundedParsers(SMALL, idle_s=0.01)
    own.parse(str(path), ".html")
    own._idle[0]._process.wait(timeout=20)
    assert own.parse(str(path), ".html").text == "x"
    own.close()


def test_children_die_with_the_daemon_however_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("<p>x</p>")
    program = (
        "import os, sys\nfrom colonnade.adapters.parsers.pool import BoundedParsers\n"
        "parsers = BoundedParsers()\nparsers.parse(sys.argv[1], '.html')\n"
        "print(parsers._idle[0]._process.pid, flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    child = Path(f"/proc/{int(done.stdout)}/status")
    for _ in range(200):
        if not child.exists() or "State:\tZ" in child.read_text():
            return
        time.sleep(0.01)
    pytest.fail("the child outlived the daemon")


def test_the_version_names_the_parser_and_text_is_read_in_place(parsers: BoundedParsers, tmp_path: Path) -> None:
    assert parsers.version(".PDF").startswith("pdf/")
    assert parsers.version(".md").startswith("text/")
    assert parsers.version(".xyz") == "none/0"
    path = tmp_path / "a.txt"
    path.write_bytes("ünïcode\r\n\r\nzwei".encode())
    parsed = parsers.parse(str(path), ".txt")
    assert parsed.text == path.read_bytes().decode(parsed.encoding or "")
