# SPDX-License-Identifier: Apache-2.0
"""A project in a folder of its own, driven through the real command line in real processes. For end-to-end tests and
soaks.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SMALL = """\
version: 1
project: small
access:
  groups:
    everyone: ["*"]
    staff: [anna, heidi]
    hr: [heidi]
knowledge:
  handbook:
    sources:
      - {path: ./docs, readers: [everyone]}
      - {path: ./hr, readers: [hr]}
services:
  assistant: {knowledge: handbook}
"""


@dataclass(slots=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The document on stdout."""
        return json.loads(self.out)


@dataclass(slots=True)
class Project:
    """A folder with a declaration. Keys lie beside it, so that nothing of the user's is touched.

    Attributes:
        folder: where it lies.
        environment: added to each command's environment.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def small(cls, folder: Path) -> Project:
        """A declaration with `docs` for everyone and `hr` for heidi; no file yet."""
        for name in ("docs", "hr"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "colonnade.yaml").write_text(SMALL, "utf-8")
        return cls(folder)

    @classmethod
    def copy_of(cls, example: Path, folder: Path) -> Project:
        """A copy of an example."""
        shutil.copytree(example, folder, ignore=shutil.ignore_patterns(".colonnade"))
        return cls(folder)

    @property
    def home(self) -> Path:
        """The state directory."""
        return Path(self.environment.get("COLONNADE_HOME", self.folder / ".colonnade"))

    @property
    def pid(self) -> int:
        """The daemon's process id."""
        return int((self.home / "daemon.pid").read_text())

    @property
    def url(self) -> str:
        """Where the daemon listens."""
        return (self.home / "daemon.url").read_text().strip()

    @property
    def token(self) -> str:
        """The owner's key."""
        return (self.home / "owner.token").read_text().strip()

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file of the project."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def command(self, *words: str) -> list[str]:
        """The command line of a command."""
        return [sys.executable, "-m", "colonnade.cli.main", "-C", str(self.folder), *words]

    def env(self) -> dict[str, str]:
        """The environment of a command."""
        return {**os.environ, "COLONNADE_KEYS": str(self.folder / ".keys"), **self.environment}

    def run(self, *words: str, timeout: float = 120) -> Done:
        """Run a command to its end."""
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, env=self.env(), timeout=timeout, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command and let it run."""
        return subprocess.Popen(
            self.command(*words),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=self.env(),
        )

    def up(self, *words: str, ready: float = 120) -> Mapping[str, Any]:
        """`up --detach` on a free port, then `status --wait`; the status. AssertionError when it is not ready."""
        done = self.run("up", "--detach", "--port", "0", *words)
        assert done.code == 0, done.err
        if ready:
            waited = self.run("status", "--wait", str(ready), "--json", timeout=ready + 30)
            assert waited.code == 0, waited.out + waited.err
        found: Mapping[str, Any] = self.status()
        return found

    def down(self) -> None:
        """Stop the daemon; fine when none runs."""
        done = self.run("down")
        assert done.code == 0, done.err

    def kill(self) -> None:
        """kill -9 the daemon and wait until its lock is free."""
        from colonnade.app.presence import find_daemon
        from colonnade.app.settings.environment import places_of

        places = places_of(self.folder / "colonnade.yaml")
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(self.pid, signal.SIGKILL)
        until(lambda: find_daemon(places) is None, 10)

    def status(self) -> Any:
        """The document of `status --json`."""
        return self.run("status", "--json").json

    def now(self) -> Any:
        """The document of `status --json`, asked of the daemon itself: for waiting, where many commands would take the
        processors from what is waited for. OSError when no daemon answers.
        """
        with contextlib.closing(http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=40)) as line:
            line.request("GET", "/admin/status", headers={"authorization": f"Bearer {self.token}"})
            return json.loads(line.getresponse().read())

    def ask(self, question: str, *words: str) -> Any:
        """The document of `ask --json`."""
        done = self.run("ask", question, "--json", *words)
        assert done.code == 0, done.out + done.err
        return done.json


def until(holds: Callable[[], object], seconds: float, every: float = 0.05) -> None:
    """Wait until something holds. Raises AssertionError when it does not within that time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it did not come to hold within {seconds} s"
        time.sleep(every)
