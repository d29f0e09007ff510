# SPDX-License-Identifier: Apache-2.0
"""The kernel says whose socket is at the other end, by both ways, for both versions of the protocol."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from colonnade.gateway import sameuser

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody is let in without a key")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_both_ways_tell_the_user_of_a_connection_and_nothing_of_one_that_is_none(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"no {host} on this machine")
    with listening, socket.create_connection(listening.getsockname()[:2]) as near:
        far, _ = listening.accept()
        with far:
            ends = near.getsockname()[:2], listening.getsockname()[:2]
            assert sameuser.user_of(*ends) == sameuser._by_table(*ends) == os.geteuid()
            assert sameuser.user_of(ends[0], (host, 1)) is sameuser._by_table(ends[0], (host, 1)) is None
    assert sameuser.user_of(*ends) != 12345


@pytest.mark.parametrize(
    ("host", "ours"),
    [("localhost:1", True), ("localhost", True), ("127.0.0.1:8700", True), ("[::1]:8700", True), ("::1", False),
     ("localhost.evil.test:1", False), ("10.0.0.1:8700", False), ("", False)],
)  # fmt: skip
def test_only_names_of_this_machine_are_names_of_this_machine(host: str, ours: bool) -> None:
    assert sameuser._names_loopback(host) is ours
