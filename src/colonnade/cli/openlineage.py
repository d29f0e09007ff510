# SPDX-License-Identifier: Apache-2.0
"""OpenLineage events of ingestion runs, pipelines and their steps, as JSON lines.

Each line is one RunEvent (START, COMPLETE, FAIL, ABORT), oldest first. Works without a daemon. To have a daemon send
them, declare `platform.openlineage`.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from colonnade.app.settings.environment import find_places
from colonnade.core.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--since", metavar="TIME", help="only events since this time (RFC 3339)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from colonnade.app.lineage_events import stored_events

    for event in stored_events(find_places(args.folder), _since_ms(args.since)):
        print(json.dumps(event))
    return 0


def _since_ms(text: str | None) -> int:
    """Milliseconds since 1970; a time without a zone is UTC. Raises UsageError."""
    if text is None:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no time", hint="write it as 2026-11-25T09:00:00Z") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
