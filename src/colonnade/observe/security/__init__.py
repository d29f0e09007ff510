# SPDX-License-Identifier: Apache-2.0
"""May these bytes be loaded? Files of models are judged here without being loaded.

    verdicts  what is answered: clean, malicious, unreadable, with reasons
    stream    bytes read once, forwards, with bounds
    symbols   what the pickle machine's stack holds, as far as it can be known without running anything
    machine   the opcodes of all protocols, walked but never executed
    allowed   the list of names that a pickle may import, and how it may use each
    pickles   one file of one or more pickles: `judge_pickles`
    zips      an archive as its two tables of contents tell it, and where they disagree
    contents  what bytes are, whatever they are named
    judge     a path, whatever is in it: `judge`

Nothing here imports, unpickles, evaluates or runs what it reads, and nothing may be added that does.
"""

from colonnade.observe.security.judge import judge, judge_bytes
from colonnade.observe.security.verdicts import CLEAN, MALICIOUS, UNREADABLE, Limits, Verdict

__all__ = ["CLEAN", "MALICIOUS", "UNREADABLE", "Limits", "Verdict", "judge", "judge_bytes"]
