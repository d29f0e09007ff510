# SPDX-License-Identifier: Apache-2.0
"""inotify wakes for whatever changes beneath the watched folders, and says when it cannot promise that."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from colonnade.adapters.watch import inotify
from colonnade.adapters.watch.inotify import InotifyHints, file_system, open_inotify

WAIT_S = 10


@pytest.fixture
def woken() -> threading.Event:
    """Set by a hint."""
    return threading.Event()


@pytest.fixture
def hints(woken: threading.Event) -> Iterator[InotifyHints]:
    """Running hints; closed at the end."""
    made = open_inotify(woken.set)
    if made is None:
        pytest.skip("this kernel gives no inotify")
    yield made
    made.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file and a folder."""
    (tmp_path / "docs/sub").mkdir(parents=True)
    (tmp_path / "docs/a.md").write_text("a")
    if file_system(str(tmp_path)) not in inotify.LOCAL:
        pytest.skip(f"temporary files lie on {file_system(str(tmp_path))}, which we do not trust")
    return tmp_path / "docs"


CHANGES: list[tuple[str, Callable[[Path], object]]] = [
    ("a new file", lambda root: (root / "new.md").write_text("x")),
    ("a changed file", lambda root: (root / "a.md").write_text("b")),
    ("a removed file", lambda root: (root / "a.md").unlink()),
    ("a renamed file", lambda root: (root / "a.md").rename(root / "sub/b.md")),
    ("a file deep down", lambda root: (root / "sub/deep.md").write_text("x")),
    ("a new folder", lambda root: (root / "fresh").mkdir()),
    ("a hard link", lambda root: os.link(root / "a.md", root / "link.md")),
    ("a right taken away", lambda root: (root / "a.md").chmod(0)),
]


@pytest.mark.parametrize("change", [c for _, c in CHANGES], ids=[name for name, _ in CHANGES])
def test_a_change_wakes(
    hints: InotifyHints, woken: threading.Event, root: Path, change: Callable[[Path], object]
) -> None:
    assert hints.watch([root])
    change(root)
    assert woken.wait(WAIT_S)


def test_what_is_made_in_a_new_folder_wakes_too(hints: InotifyHints, woken: threading.Event, root: Path) -> None:
    assert hints.watch([root])
    (root / "new/deeper").mkdir(parents=True)
    assert woken.wait(WAIT_S)
    assert hints.watch([root])
    for _ in range(100):
        woken.clear()
        (root / "new/deeper/file.md").write_text("x")
        if woken.wait(0.2):
            return
    pytest.fail("nothing woke us")


def test_a_source_that_is_one_file(hints: InotifyHints, woken: threading.Event, root: Path) -> None:
    assert hints.watch([root / "a.md"])
    (root / "a.md").write_text("changed")
    assert woken.wait(WAIT_S)


def test_a_missing_root_or_too_many_folders_promise_nothing(
    hints: InotifyHints, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not hints.watch([root, root / "nowhere"])
    monkeypatch.setattr(inotify, "MOST_FOLDERS", 1)
    assert not hints.watch([root])
    monkeypatch.undo()
    assert hints.watch([root])


def test_a_root_that_was_removed_is_no_longer_promised(hints: InotifyHints, woken: threading.Event, root: Path) -> None:
    assert hints.watch([root])
    shutil.rmtree(root)
    assert woken.wait(WAIT_S)
    for _ in range(100):
        if not hints.watch([root]):
            break
        threading.Event().wait(0.05)
    else:
        pytest.fail("a root that is not there is promised")
    root.mkdir()
    assert hints.watch([root])


def test_a_file_system_of_another_machine_is_not_trusted() -> None:
    assert file_system("/proc") == "proc"
    assert "nfs4" not in inotify.LOCAL
    assert "fuse" not in inotify.LOCAL
