# SPDX-License-Identifier: Apache-2.0
"""The gateway of `bench/gateway.py` over a house in memory, in a process of its own: `gateway_server.py PORT
UPSTREAM_URL`.

Captures are counted and dropped, as the real writer's queue is emptied. The ledger's cost is not in it: the real
daemon has that.
"""

from __future__ import annotations

import sys

from colonnade.gateway.app import make_app
from colonnade.gateway.backend import Capture, Upstream
from colonnade.gateway.serve import GatewayServer, bind
from colonnade.testing.backend import FakeBackend


class CountingBackend(FakeBackend):
    """Keeps no captures."""

    taken = 0
    tokens_taken = 0

    def used(self, key: str) -> None:
        self.last_key = key

    def record(self, capture: Capture) -> None:
        self.taken += 1
        self.tokens_taken += capture.tokens_out


if __name__ == "__main__":
    port, upstream = int(sys.argv[1]), sys.argv[2]
    backend = CountingBackend(upstream=Upstream(upstream, "dummy-1", "sk-dummy"))
    GatewayServer(make_app(backend), bind("127.0.0.1", port)).run()
