# SPDX-License-Identifier: Apache-2.0
"""Where things lie: the declaration, the state directory, the keys. The only file that reads environment variables.

Imports nothing heavy: `status` and `--help` come through here.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from colonnade.core.errors import UsageError

DECLARATION = "colonnade.yaml"


@dataclass(frozen=True, slots=True)
class Places:
    """Paths of one project on this machine.

    Attributes:
        folder: the declaration's folder; source paths are relative to it.
        declaration: the declaration itself (it may not exist yet).
        home: the state directory: `$COLONNADE_HOME`, default `.colonnade/` beside the declaration.
        keys: signing and wrapping keys, outside the state directory: `$COLONNADE_KEYS`, default
            `$XDG_CONFIG_HOME/colonnade/keys`.
    """

    folder: Path
    declaration: Path
    home: Path
    keys: Path

    @property
    def state_file(self) -> Path:
        """The sqlite file."""
        return self.home / "state.db"

    @property
    def blobs(self) -> Path:
        """Sealed originals."""
        return self.home / "blobs"

    @property
    def index(self) -> Path:
        """Derived index files; may be deleted when no daemon runs."""
        return self.home / "index"

    @property
    def runs(self) -> Path:
        """A folder for each lease that a command ran under: what it printed, how it ended."""
        return self.home / "runs"

    @property
    def work(self) -> Path:
        """Where training and evaluation work; emptied when they are done."""
        return self.home / "work"

    @property
    def logs(self) -> Path:
        """The daemon's log files."""
        return self.home / "logs"

    @property
    def lock(self) -> Path:
        """Held by the one daemon."""
        return self.home / "daemon.lock"

    @property
    def pid(self) -> Path:
        """The daemon's process id."""
        return self.home / "daemon.pid"

    @property
    def address(self) -> Path:
        """The daemon's URL."""
        return self.home / "daemon.url"

    @property
    def alarms(self) -> Path:
        """What is wrong now, told by the running daemon."""
        return self.home / "daemon.alarms"

    @property
    def looked(self) -> Path:
        """When a look at all that models are made of began that found nothing left to begin (monotonic, ns)."""
        return self.home / "daemon.looked"

    @property
    def token(self) -> Path:
        """The owner's key, 0600."""
        return self.home / "owner.token"


def own_key() -> str:
    """A person's own key, for what an owner's token may not say: `$COLONNADE_KEY`, or ""."""
    return os.environ.get("COLONNADE_KEY", "").strip()


def passphrase() -> str:
    """What keys are wrapped with for a backup: `$COLONNADE_PASSPHRASE`, or ""."""
    return os.environ.get("COLONNADE_PASSPHRASE", "")


def find_places(start: str | None) -> Places:
    """The places for `-C START`: a folder, a declaration file, or None for the nearest one from here upwards."""
    given = Path(start) if start else None
    if given is not None and given.suffix in {".yaml", ".yml"}:
        return places_of(given.resolve())
    if given is not None and not given.is_dir():
        raise UsageError(
            f"{given} is neither a folder nor a {DECLARATION}",
            hint="give the folder that holds the declaration: -C DIR",
        )
    here = (given or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / DECLARATION).is_file():
            return places_of(folder / DECLARATION)
    return places_of(here / DECLARATION)


def places_of(declaration: Path) -> Places:
    """The places that belong to a declaration file."""
    folder = declaration.parent
    home = os.environ.get("COLONNADE_HOME")
    keys = os.environ.get("COLONNADE_KEYS")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Places(
        folder=folder,
        declaration=declaration,
        home=Path(home).resolve() if home else folder / ".colonnade",
        keys=Path(keys).resolve() if keys else Path(config) / "colonnade" / "keys",
    )


def cache_folder() -> Path:
    """Where things lie that can be made again: `$XDG_CACHE_HOME/colonnade`."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(cache) / "colonnade"


def secret(name: str) -> str:
    """The value of an environment variable that a declaration names (`key_env`); "" when it is not set."""
    return os.environ.get(name, "")


def inherited() -> dict[str, str]:
    """What a command of this shell would inherit, for `colonnade run`: without where our own state and keys lie."""
    return {name: value for name, value in os.environ.items() if name not in {"COLONNADE_KEYS", "COLONNADE_HOME"}}


def for_programs() -> dict[str, str]:
    """What programs of the driver need to be found and to run."""
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}


def is_terminal() -> bool:
    """Whether a person looks at stderr: only then are progress bars and colours drawn."""
    return sys.stderr.isatty() and "CI" not in os.environ and os.environ.get("TERM") != "dumb"


def wants_colour() -> bool:
    """Whether output may be coloured (https://no-color.org)."""
    return is_terminal() and "NO_COLOR" not in os.environ
