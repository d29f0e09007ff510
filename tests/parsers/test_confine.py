# SPDX-License-Identifier: Apache-2.0
"""A parsing process may read files and compute; it may not reach out, start programs or change the file tree."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from colonnade.adapters.parsers.confine import DENIED
from colonnade.adapters.parsers.pool import BoundedParsers

pytestmark = pytest.mark.skipif(platform.machine() not in DENIED, reason="the filter is written for x86-64 and Arm")

TRIES = """
import os, socket, sys
from colonnade.adapters.parsers.confine import confine
assert confine()
place = sys.argv[1]
tries = {
    "socket": lambda: socket.socket(),
    "program": lambda: os.execv("/bin/true", ["true"]),
    "unlink": lambda: os.unlink(place),
    "rename": lambda: os.rename(place, place + "2"),
    "mkdir": lambda: os.mkdir(place + "3"),
    "read": lambda: open(place).read(),
    "compute": lambda: sum(range(1000)),
}
for name, attempt in tries.items():
    try:
        attempt()
        print(name, "done")
    except PermissionError:
        print(name, "denied")
"""


def test_it_reads_and_computes_and_nothing_else(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("text")
    done = subprocess.run([sys.executable, "-c", TRIES, str(place)], capture_output=True, text=True, check=True)
    said = dict(line.split() for line in done.stdout.splitlines())
    assert said == {
        "socket": "denied", "program": "denied", "unlink": "denied", "rename": "denied", "mkdir": "denied",
        "read": "done", "compute": "done",
    }  # fmt: skip
    assert place.read_text() == "text"


def test_the_children_that_parse_are_confined(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<h1>Title</h1><p>A paragraph.</p>")
    parsers = BoundedParsers(children=1)
    try:
        assert "A paragraph." in parsers.parse(str(page), ".html").text
        living = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]  # of other tests
        children = [p for p in living if "colonnade.adapters.parsers.child" in p.cmdline()]
        assert children
        for child in children:
            status = Path(f"/proc/{child.pid}/status").read_text()
            assert "NoNewPrivs:\t1" in status
            assert "Seccomp:\t2" in status
    finally:
        parsers.close()
