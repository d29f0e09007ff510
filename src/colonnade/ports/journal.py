# SPDX-License-Identifier: Apache-2.0
"""What every room needs to append to the log: fresh stamps and MACs, for the builders of `core.entries`. It decides
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from colonnade.core.entries import Stamp
from colonnade.ports.outside.keys import Keys
from colonnade.ports.outside.state import State


@dataclass(frozen=True, slots=True)
class Journal:
    """Stamps entries of one project."""

    state: State
    keys: Keys
    project: str

    def stamp(self, actor: str) -> Stamp:
        """A stamp for the next entry: a fresh id, the store's time."""
        return Stamp(self.state.new_id("evt"), self.state.now_ms(), self.project, actor)

    @property
    def mac(self) -> Callable[[str, str, str, bytes], bytes]:
        """`Keys.mac`."""
        return self.keys.mac
