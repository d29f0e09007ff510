# SPDX-License-Identifier: Apache-2.0
"""When a house opens its pipelines of functions: once one is declared, asked for, or left under way by the last daemon.
What they are stands in `flows`, which is imported only then.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, overload

from colonnade.app.settings.compute import Compute

if TYPE_CHECKING:
    from colonnade.app.flows import Flows
    from colonnade.app.house import House

_opening = threading.RLock()


@overload
def open_flows(house: House) -> Flows: ...
@overload
def open_flows(house: House, *, needed: Literal[False]) -> Flows | None: ...
def open_flows(house: House, *, needed: bool = True) -> Flows | None:
    """The pipelines as the declaration in force says. `needed`: somebody asks for them, also where none is declared."""
    declaration = house.declaration
    assert declaration is not None
    with _opening:
        new = house.flowing is None
        if new and not needed and not declaration.pipelines and not _left(house):
            return None
        if house.computing is None:
            house.open_compute(declaration.compute or Compute(devices="none"), declaration)
        if house.flowing is None:
            from colonnade.app.flows import Flows

            assert house.computing is not None
            house.flowing = Flows(house, house.computing)
            house.computing.on_change.append(house.flowing.wake)
        if new or not needed:
            house.flowing.apply(declaration.pipelines)
    if new and needed:
        house.on_open()
    return house.flowing


def _left(house: House) -> bool:
    rows = house.state.rows("flows_of_project", project=house.project)
    return any(
        run["state"] == "running"
        for flow in rows
        for run in house.state.rows("pipelines_of_model", model=flow["id"], limit=50)
    )
