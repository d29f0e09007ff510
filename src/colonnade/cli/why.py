# SPDX-License-Identifier: Apache-2.0
"""Everything that led to something: an answer, a document, a decision, a run, a person's rights.

REF is kind/id as every command prints it, a bare id, or kind/name: person/anna, knowledge/handbook. Works without a
daemon.
"""

from __future__ import annotations

import argparse

from colonnade.cli.lineage import configure, show

__all__ = ["configure", "run"]


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    return show(args, "why")
