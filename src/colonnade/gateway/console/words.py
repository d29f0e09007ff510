# SPDX-License-Identifier: Apache-2.0
"""The console's sentences: codes and states of the house in the words of a reader, each with what to do next.

Data and lookups only: no markup, no backend call.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from colonnade.core.documents import UNREADABLE_CODES


@dataclass(frozen=True, slots=True)
class Abstention:
    """Why there is no answer, and what may help."""

    title: str
    reason: str
    tries: tuple[str, ...]


ABSTENTIONS = {
    "topic": Abstention(
        "Not in your sources",
        "None of the documents that you may read speaks of this.",
        (
            "Use the words that your documents use: product names, form numbers, section titles.",
            "Look on the knowledge page whether the file was read, or stands among the unreadable ones.",
            "If it is written somewhere that you may not read, ask whoever keeps that document.",
        ),
    ),
    "unsupported": Abstention(
        "The topic is there, the answer is not",
        "Your documents speak of this, but no passage in them answers the question.",
        (
            "Ask for less at once: one fact, one date, one amount.",
            "Ask what the documents do say, and read on from the quote.",
            "Choose an earlier date under “as of” if it used to be written down.",
        ),
    ),
}
OTHER_ABSTENTION = Abstention("No answer", "No answer could be given from the documents that you may read.", ())

STATES = {
    "ready": ("ready", "good"),
    "done": ("done", "good"),
    "succeeded": ("done", "good"),
    "answered": ("answered", "good"),
    "read": ("read", "good"),
    "abstained": ("abstained", "quiet"),
    "unreadable": ("unreadable", "bad"),
    "failed": ("failed", "bad"),
    "lost": ("lost", "bad"),
    "cancelled": ("cancelled", "quiet"),
    "stopped": ("stopped", "quiet"),
    "skipped": ("skipped", "quiet"),
    "held": ("held", "good"),
    "healthy": ("healthy", "good"),
    "pending": ("waiting", "live"),
    "cordoned": ("cordoned", "quiet"),
}

_MEND = {
    "encoding": "iconv -f WINDOWS-1252 -t UTF-8 {path} > fixed.txt",
    "too_large": "split -C 20M {path} part-",
    "encrypted": "qpdf --decrypt --password=PASSWORD {path} open.pdf",
    "no_text": "ocrmypdf {path} with-text.pdf",
    "permission": "chmod u+r {path}",
    "outside": 'cp --remove-destination "$(readlink -f {path})" {path}',
}
_ADVICE = {
    "encoding": "Save it as UTF-8, then it is read at the next change.",
    "too_large": "Split it, or leave it out of the sources.",
    "bomb": "Look at it on a machine that you can lose. If it is honest, unpack it and add its parts.",
    "timeout": "Save it anew with the program that made it, or split it.",
    "corrupt": "Open it with its own program and save it anew; if that fails, fetch it from a backup.",
    "encrypted": "Save a copy without the password.",
    "no_text": "Run text recognition over it and add the result; this version reads no pictures.",
    "unsupported": "Save it as PDF, DOCX, HTML, Markdown or text.",
    "outside": "Put the file itself where the link is, or add the folder it leads to as a source.",
    "permission": "Let the user that runs Colonnade read it.",
    "erased": "Nothing to do: it stays out.",
}


@dataclass(frozen=True, slots=True)
class Mending:
    """Why a file was not read, what to do, and the command for it."""

    reason: str
    advice: str
    command: str


def mending(code: str, path: str) -> Mending:
    """The words for an unreadable file. The command mends where one can; else it explains the code, offline."""
    command = _MEND.get(code, "colonnade explain {code}").format(path=shlex.quote(path), code=shlex.quote(code))
    return Mending(UNREADABLE_CODES.get(code, "It could not be read."), _ADVICE.get(code, ""), command)


def abstention(reason: str) -> Abstention:
    """The words for an abstention's reason."""
    return ABSTENTIONS.get(reason, OTHER_ABSTENTION)


def state(code: str) -> tuple[str, str]:
    """A state in words and its tone: good, bad, quiet, or live for whatever is still moving."""
    return STATES.get(code, (code.replace("_", " "), "live"))


def is_live(code: str) -> bool:
    """Whether a state is still moving, so that the page should keep watching."""
    return state(code)[1] == "live"


def part(devices: int, share: str) -> str:
    """What a lease is of, in prose.

    >>> part(1, "0.5"), part(2, "0.5"), part(8, "1"), part(0, "0")
    ('0.5 of a device', '0.5 of each of 2 devices', '8 devices', 'no device')
    """
    if devices == 0:
        return "no device"
    if share == "1":
        return "a device" if devices == 1 else f"{devices} devices"
    return f"{share} of a device" if devices == 1 else f"{share} of each of {devices} devices"


def would_start(leases: int, single: bool) -> str:
    """Whose end starts it; the leases themselves are named after it."""
    if not leases:
        return "No end of a lease would start it as things are."
    if leases == 1:
        return "It starts when this one ends:"
    return f"It starts when any one of these {leases} ends:" if single else f"It starts when these {leases} have ended:"
