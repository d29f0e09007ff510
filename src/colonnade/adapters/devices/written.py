# SPDX-License-Identifier: Apache-2.0
"""Read what `simulated://...` describes: machines and their devices. Pure but for the node file; nothing is simulated.

simulated://8xH100-80GB                          one machine with eight
simulated://2xA100-40GB,4xL4-24GB?isolation=hard a mixed one, whose devices claim to keep a share hard
simulated://8xH100-80GB?cordoned=0,3             two of them take no new work
simulated://nodes.csv                            machines from a file: sn,cpu_milli,memory_mib,gpu,model
"""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from colonnade.core.claims import ISOLATIONS, Device
from colonnade.core.errors import UsageError

SCHEME = "simulated://"
GIB = 1024
MOST = 65_536
"""Devices in all: beyond that it is a slip of the finger."""
SOLD_WITH_GIB = {
    "A10": 24, "A100": 80, "A30": 24, "B200": 180, "G2": 24, "G3": 24, "H100": 80, "H200": 141, "L4": 24, "L40S": 48,
    "P100": 16, "T4": 16, "V100M16": 16, "V100M32": 32,
}  # fmt: skip
"""Memory of models that are written without it (node files do)."""
_GROUP = re.compile(r"(\d{1,5})x([A-Za-z0-9][A-Za-z0-9._+]*?)(?:-(\d{1,4})GB)?")
_NOTHING = {"none", "0xnone"}
_COLUMNS = {"sn", "cpu_milli", "memory_mib", "gpu", "model"}
_EXAMPLE = "For example simulated://8xH100-80GB, simulated://2xA100-40GB,4xL4-24GB?isolation=hard, or a node file."


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine of a node file, without its devices. Zeros where the text does not say."""

    name: str
    cpu_milli: int = 0
    memory_mib: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """What the text describes."""

    machines: tuple[Machine, ...]
    devices: tuple[Device, ...]


def read_simulated(text: str, *, folder: Path, node: str) -> Written:
    """The machines of `simulated://...`; a relative node file lies in `folder`, an inline machine is called `node`.

    A device's uuid is made of its place and model (and of its machine's name in a file), so that it is the same after
    a restart, and another one once another device stands in its place. Raises `UsageError`.

    >>> read_simulated("simulated://2xL4-24GB", folder=Path(), node="here").devices[1].uuid
    'SIM-1-93a2cee8'
    """
    if not text.startswith(SCHEME):
        raise _bad(text, "it does not begin with simulated://")
    body, _, query = text.removeprefix(SCHEME).partition("?")
    isolation, cordoned = _options(text, query)
    if body in _NOTHING:
        return Written((Machine(node),), ())
    if body.endswith(".csv"):
        written = _from_file(folder / body, isolation)
    else:
        written = Written((Machine(node),), _from_groups(text, body, node, isolation))
    if not written.devices or len(written.devices) > MOST:
        raise _bad(text, f"it has {len(written.devices)} devices, and 1 to {MOST} can be simulated")
    if missing := cordoned - {device.place for device in written.devices}:
        raise _bad(text, f"there is no device {min(missing)} to be cordoned")
    return Written(written.machines, tuple(_cordoned(device, cordoned) for device in written.devices))


def _from_groups(text: str, body: str, node: str, isolation: str) -> tuple[Device, ...]:
    devices: list[Device] = []
    for group in body.split(","):
        found = _GROUP.fullmatch(group)
        if found is None:
            raise _bad(text, f"{group!r} is not COUNTxMODEL-MEMORYGB")
        count, name, said = int(found[1]), found[2], found[3]
        gib = int(said) if said else SOLD_WITH_GIB.get(name, 0)
        if not gib:
            raise _bad(text, f"how much memory has {name}? Write {count}x{name}-24GB")
        if len(devices) + count > MOST:
            raise _bad(text, f"more than {MOST} devices cannot be simulated")
        model = f"{name}-{gib}GB"
        start = len(devices)
        devices += [_device(node, "", place, model, gib * GIB, isolation) for place in range(start, start + count)]
    return tuple(devices)


def _from_file(path: Path, isolation: str) -> Written:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = _COLUMNS - set(reader.fieldnames or ())
            if missing:
                raise UsageError(
                    f"{path.name} is no node file: it lacks the column {min(missing)!r}.",
                    hint="Its first line must be sn,cpu_milli,memory_mib,gpu,model.",
                )
            rows = list(reader)
        machines = tuple(Machine(row["sn"], int(row["cpu_milli"]), int(row["memory_mib"])) for row in rows)
        devices = tuple(
            _device(row["sn"], row["sn"], place, row["model"], SOLD_WITH_GIB.get(row["model"], 0) * GIB, isolation)
            for row in rows
            for place in range(int(row["gpu"]))
        )
    except (OSError, UnicodeDecodeError) as cause:
        raise UsageError(f"The node file {path} cannot be read: {cause}.", hint=_EXAMPLE) from cause
    except (ValueError, TypeError) as cause:
        raise UsageError(f"{path.name} has a number that is none: {cause}.", hint="Look for an empty cell.") from cause
    if len({machine.name for machine in machines}) != len(machines):
        raise UsageError(f"{path.name} names a machine twice.", hint="The column sn must be different in every row.")
    return Written(machines, devices)


def _device(node: str, seed: str, place: int, model: str, memory_mib: int, isolation: str) -> Device:
    digest = hashlib.sha256(f"{seed}/{place}/{model}".encode()).hexdigest()[:8]
    return Device(f"SIM-{place}-{digest}", node, place, model, memory_mib, isolation)


def _cordoned(device: Device, places: frozenset[int]) -> Device:
    if device.place not in places:
        return device
    return Device(device.uuid, device.node, device.place, device.model, device.memory_mib, device.isolation, "cordoned")


def _options(text: str, query: str) -> tuple[str, frozenset[int]]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    isolation = options.pop("isolation", "none")
    if isolation not in ISOLATIONS:
        raise _bad(text, f"isolation={isolation} is none of {', '.join(ISOLATIONS)}")
    cordoned = options.pop("cordoned", "")
    if cordoned and not re.fullmatch(r"\d{1,5}(,\d{1,5})*", cordoned):
        raise _bad(text, f"cordoned={cordoned} is no list of places such as 0,3")
    if options:
        raise _bad(text, f"there is no option {min(options)!r}; there are isolation and cordoned")
    return isolation, frozenset(int(place) for place in cordoned.split(",") if place)


def _bad(text: str, why: str) -> UsageError:
    return UsageError(f"{text!r} describes no devices: {why}.", hint=_EXAMPLE)
