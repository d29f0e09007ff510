# SPDX-License-Identifier: Apache-2.0
"""Telling a receiver outside what happened: one try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class NotTold(Exception):
    """A try that failed, in words that hold no address and no secret. `final`: no further try will help."""

    def __init__(self, said: str, *, final: bool = False) -> None:
        super().__init__(said)
        self.final = final


class Post(Protocol):
    """Hand a body to an address."""

    def __call__(self, url: str, headers: Mapping[str, str], body: bytes, /) -> None:
        """Returns once the receiver has taken it (any 2xx), within seconds. Raises NotTold."""
        ...
