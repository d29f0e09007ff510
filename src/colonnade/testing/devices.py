# SPDX-License-Identifier: Apache-2.0
"""A virtual clock and health for tests that use devices. The devices themselves are `simulated://`: there is no second
fake. No engine library here.
"""

from __future__ import annotations

from pathlib import Path


class Milliseconds:
    """A clock that stands still until it is moved.

    >>> clock = Milliseconds(); clock.now += 20; clock()
    20
    """

    def __init__(self, now: int = 0) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def write_health(folder: Path, ill: dict[str, str]) -> None:
    """Say which simulated devices are ill: by uuid or place, and how ("xid 79"). An empty dict heals all."""
    (folder / "health").write_text("".join(f"{which} {how}\n" for which, how in ill.items()), encoding="utf-8")
