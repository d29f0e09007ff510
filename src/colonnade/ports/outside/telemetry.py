# SPDX-License-Identifier: Apache-2.0
"""What we ask of a place that telemetry is sent to: one body at a time. Batching and trying again are the caller's."""

from __future__ import annotations

from typing import Protocol


class Telemetry(Protocol):
    """A collector of traces, or of lineage events."""

    def send(self, body: bytes, content_type: str) -> None:
        """Hand it over; waits some seconds at most.

        Raises Unavailable where it may be tried again, Refused where the same body would be refused again.
        """
        ...
