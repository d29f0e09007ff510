# SPDX-License-Identifier: Apache-2.0
"""What a scan answers, and how far it goes. Pure values; no reading here.

Three verdicts, and no fourth: `clean` is said only of what was read to its end and understood; what would do harm, or
could not be told from it (a global outside the list, a name made at run time), is `malicious`; what could not be read
(cut short, encrypted, an archive of a kind that needs a reader of its own) is `unreadable`. Only `clean` may be loaded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CLEAN, MALICIOUS, UNREADABLE = "clean", "malicious", "unreadable"
REASONS_KEPT = 50
"""A file made of bad names shall not make a report of its own size."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one scan; past any of them the answer is `unreadable`, never `clean`.

    Attributes:
        operations: opcodes walked in one pickle.
        depth: archives within archives.
        members: files in one archive.
        unpacked_bytes: what all compressed parts of one file may become, together.
        nested_bytes: an archive within an archive is held in memory up to this.
        stack: entries of the pickle machine's stack, and of its memo.
    """

    operations: int = 50_000_000
    depth: int = 4
    members: int = 200_000
    unpacked_bytes: int = 16 << 30
    nested_bytes: int = 256 << 20
    stack: int = 4_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in one file.

    Attributes:
        verdict: clean, malicious or unreadable.
        reasons: sentences that begin with where; empty when clean.
        globals: every name that a pickle in it imports, `module.name`, sorted.
        format: what the content is, whatever it is named.
        notes: what a reader should know and that is no reason to refuse (code that a loader runs only when told to).
    """

    verdict: str
    reasons: tuple[str, ...] = ()
    globals: tuple[str, ...] = ()
    format: str = "unknown"
    notes: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether it may be loaded."""
        return self.verdict == CLEAN

    def to_json(self) -> dict[str, Any]:
        """The fields as `colonnade scan --json` prints them."""
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "globals": list(self.globals),
            "format": self.format,
            "notes": list(self.notes),
        }


@dataclass(slots=True)
class Findings:
    """Collects while a file is read. `malicious` outweighs `unreadable`, which outweighs nothing."""

    bad: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    globals: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def malicious(self, where: str, what: str) -> None:
        """A reason to call it malicious."""
        _keep(self.bad, where, what)

    def unreadable(self, where: str, what: str) -> None:
        """A reason why it cannot be called clean."""
        _keep(self.doubts, where, what)

    def note(self, where: str, what: str) -> None:
        """Worth knowing."""
        _keep(self.notes, where, what)

    def add(self, other: Findings) -> None:
        """Take over what another reading found."""
        for mine, theirs in ((self.bad, other.bad), (self.doubts, other.doubts), (self.notes, other.notes)):
            for line in theirs:
                _keep(mine, "", line)
        self.globals |= other.globals

    def verdict(self, kind: str) -> Verdict:
        """The answer."""
        word = MALICIOUS if self.bad else UNREADABLE if self.doubts else CLEAN
        reasons = tuple(self.bad + self.doubts)
        return Verdict(word, reasons, tuple(sorted(self.globals)), kind, tuple(self.notes))


def _keep(lines: list[str], where: str, what: str) -> None:
    line = f"{where}: {what}" if where else what
    if len(lines) < REASONS_KEPT and line not in lines:
        lines.append(line)
