# SPDX-License-Identifier: Apache-2.0
"""What a check of the log found, in a form that a person, a program and an exit code can use.

Nothing is checked here.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SHOWN = 20
"""Findings spelled out; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: leaf_hash, leaf_form, leaf_rows, edges, order, tree, checkpoint, signature, pages, seal, since.
        message: what and where, one sentence.
        index: index of the entry in the log; None where there is none.
        entry: id of the entry, or "".
        expected, found: both digests (hex) or values where there are two.
    """

    code: str
    message: str
    index: int | None = None
    entry: str = ""
    expected: str = ""
    found: str = ""

    def to_json(self) -> dict[str, Any]:
        """Without what is empty."""
        values: Mapping[str, Any] = {
            "code": self.code,
            "message": self.message,
            "index": self.index,
            "entry": self.entry,
            "expected": self.expected,
            "found": self.found,
        }
        return {name: value for name, value in values.items() if value not in ("", None)}

    def __str__(self) -> str:
        where = "" if self.index is None else f"index {self.index}: "
        digests = f"\n    expected {self.expected}\n    found    {self.found}" if self.expected or self.found else ""
        return f"{where}{self.message}{digests}"


@dataclass(slots=True)
class Report:
    """The result of `verify`.

    Attributes:
        origin: the log's name.
        entries, sequenced, signed: leaves stored; with an index; covered by the last checkpoint.
        checkpoints: how many, each of them compared.
        root: hex of the last checkpoint's root, "" if there is none.
        seal: sealed (the state file is the one that was closed), unsealed (nothing is known of the last close), broken,
        absent
            (not asked).
        since: sizes of checkpoints from before that were held against the log.
        deep: whether canonical form, rows and edges were compared too.
        findings: the first `SHOWN`; `found_in_all` counts all.
    """

    origin: str
    deep: bool
    entries: int = 0
    sequenced: int = 0
    signed: int = 0
    checkpoints: int = 0
    root: str = ""
    seal: str = "absent"
    since: list[int] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    found_in_all: int = 0

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return self.found_in_all == 0

    def add(self, finding: Finding) -> None:
        """Note one thing that is wrong."""
        self.found_in_all += 1
        if len(self.findings) < SHOWN:
            self.findings.append(finding)

    def add_first(self, finding: Finding) -> None:
        """Note what matters most."""
        self.found_in_all += 1
        self.findings = [finding, *self.findings][:SHOWN]

    def to_json(self) -> dict[str, Any]:
        """`colonnade.verify/1`."""
        return {
            "schema": "colonnade.verify/1",
            "intact": self.intact,
            "origin": self.origin,
            "entries": self.entries,
            "sequenced": self.sequenced,
            "signed": self.signed,
            "checkpoints": self.checkpoints,
            "root": self.root,
            "seal": self.seal,
            "since": self.since,
            "deep": self.deep,
            "found_in_all": self.found_in_all,
            "findings": [finding.to_json() for finding in self.findings],
        }

    def to_text(self) -> str:
        """Some lines for a terminal."""
        lines = [
            f"log         {self.origin}",
            f"entries     {self.entries}, of which {self.signed} under {self.checkpoints} signed checkpoints",
            f"root        {_as_signed(self.root) or '(none signed yet)'}",
            f"state file  {_SEALS[self.seal]}",
            *(f"since       a checkpoint of {size} entries" for size in self.since),
        ]
        if self.intact:
            return "\n".join([*lines, "intact"])
        lines.append(f"NOT INTACT: {self.found_in_all} finding{'s' if self.found_in_all > 1 else ''}")
        lines += [f"  {finding}" for finding in self.findings]
        if self.found_in_all > len(self.findings):
            lines.append(f"  ... and {self.found_in_all - len(self.findings)} more")
        return "\n".join(lines)


def _as_signed(root: str) -> str:
    """A root in hex as checkpoints and the console write it, so that two can be held side by side."""
    return base64.b64encode(bytes.fromhex(root)).decode()


_SEALS = {
    "sealed": "the one that was closed: its seal holds",
    "unsealed": "unsealed: in use, or not closed cleanly the last time",
    "broken": "not the one that was closed",
    "absent": "not compared",
}
