# SPDX-License-Identifier: Apache-2.0
"""May this model be loaded? Judges a file, or every file of a folder, without loading any of it.

  colonnade scan model.pkl            one file: pickle, joblib, torch, npy, npz, keras, archives, ...
  colonnade scan ~/models --json      a folder, with a verdict a file

clean: read to its end, and nothing in it is outside of the allow-list. malicious: it imports or calls what no model
needs, or hides what it does. unreadable: it could not be told. 0: clean. 1: not. docs/how-to/scan-models.md says more.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from colonnade.cli.output import Progress, emit, paint, say

if TYPE_CHECKING:
    from colonnade.app.scanning import Scanned

_COLOURS = {"clean": "green", "malicious": "red", "unreadable": "yellow"}
_REASONS_SHOWN = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("path", metavar="PATH", help="a file or a folder")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.app.scanning import scan

    progress = Progress()
    try:
        scanned = scan(args.path, progress.show)
    finally:
        progress.clear()
    if args.json:
        emit(scanned.to_json())
    else:
        print(_report(scanned))
        if scanned.verdict != "clean":
            say("\nhint: load nothing of this; safetensors, ONNX and the libraries' own formats need no trust")
    return 0 if scanned.verdict == "clean" else 1


def _report(scanned: Scanned) -> str:
    lines: list[str] = []
    for name, verdict in scanned.files:
        if scanned.folder and verdict.clean and not verdict.notes:
            continue
        word = paint(f"{verdict.verdict:<10}", _COLOURS[verdict.verdict])
        lines.append(f"{word}  {_plain(name)}  ({verdict.format})")
        lines += [f"            {_plain(reason)}" for reason in verdict.reasons[:_REASONS_SHOWN]]
        if len(verdict.reasons) > _REASONS_SHOWN:
            lines.append(f"            and {len(verdict.reasons) - _REASONS_SHOWN} more; --json has them all")
        lines += [f"            note: {_plain(note)}" for note in verdict.notes]
    if scanned.folder:
        clean = sum(verdict.clean for _, verdict in scanned.files)
        lines.append(
            f"{paint(scanned.verdict, _COLOURS[scanned.verdict])}: {clean:,} of {len(scanned.files):,} files clean"
        )
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Names come from the file: no control character of theirs reaches the terminal."""
    return "".join(char if char.isprintable() else "�" for char in text)
