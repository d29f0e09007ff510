# SPDX-License-Identifier: Apache-2.0
"""A replica's program: it brings together the ways to load a model and who judges what may be loaded.

    python -P -m colonnade.app.wiring_replica FOLDER

Imports as little as it can: every replica pays for it.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

from colonnade.adapters.replicas.worker import main
from colonnade.observe.security.allowed import uses
from colonnade.observe.security.judge import judge_open


class Judging:
    """Implements `adapters.replicas.model.Judge` by what `colonnade scan` knows."""

    def why_not(self, file: BinaryIO, name: str) -> str:
        """See `Judge.why_not`."""
        verdict = judge_open(file, name)
        return "" if verdict.clean else (verdict.reasons or (verdict.verdict,))[0]

    def known(self, module: str, name: str) -> bool:
        """See `Judge.known`."""
        return bool(uses(module, name))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Judging()))
