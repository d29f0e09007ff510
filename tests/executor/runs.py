# SPDX-License-Identifier: Apache-2.0
"""Real runs in a folder of a test's own, and the certainty that none of their processes outlives the test."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from colonnade.adapters.executor.folder import read
from colonnade.adapters.executor.local import LocalExecutor
from colonnade.adapters.executor.processes import processes, since
from colonnade.ports.outside.executor import Work

PATH = os.environ.get("PATH", os.defpath)


class Runs:
    """Starts executors over one folder, and asks /proc what is there."""

    def __init__(self, folder: Path, *, warm: bool = False) -> None:
        self.folder, self.warm = folder, warm
        self._executors: list[LocalExecutor] = []

    def executor(self) -> LocalExecutor:
        """An executor over the folder; closed at the end."""
        self._executors.append(LocalExecutor(self.folder / "runs", warm=() if self.warm else None))
        return self._executors[-1]

    def shell(self, run: str, script: str, grace_ms: int = 10_000, *, attached: bool = False) -> Work:
        """Work for sh(1), in the folder."""
        return Work(run, ["sh", "-c", script], str(self.folder), {"PATH": PATH}, grace_ms, attached)

    def place(self, run: str) -> Path:
        """The folder of a run."""
        return self.folder / "runs" / run

    def supervisor(self, run: str) -> int:
        """The process that supervises the run."""
        record = read(self.place(run))
        assert record is not None
        return int(record["supervisor"])

    def pipe(self, name: str) -> None:
        """A pipe with a name, in the folder."""
        os.mkfifo(self.folder / name)

    def kill(self, pid: int) -> None:
        """SIGKILL."""
        assert pid > 1
        os.kill(pid, signal.SIGKILL)

    def wait_for_file(self, name: str) -> str:
        """What a file of the folder holds, as soon as it holds a line."""
        path = self.folder / name
        wait(lambda: path.exists() and path.read_text().endswith("\n"), name)
        return path.read_text()

    def living(self) -> set[int]:
        """Every process that works in the folder, or whose output goes there; but for us."""
        return {pid for pid in processes() if since(pid) and self._here(pid)} - {os.getpid()}

    def close(self) -> None:
        """End whatever is left, and say whether something was."""
        for executor in self._executors:
            executor.close()
        for _ in range(50):
            left = self.living()
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            if not left:
                return
            time.sleep(0.02)

    def _here(self, pid: int) -> bool:
        for what in ("cwd", "fd/1", "fd/2"):
            try:
                if (os.readlink(f"/proc/{pid}/{what}") + "/").startswith(f"{self.folder}/"):
                    return True
            except OSError:
                continue
        return False


def wait(holds: Callable[[], bool], what: str = "") -> None:
    """Until it holds; far longer than it takes on a busy machine."""
    for _ in range(3000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError(f"it did not come to pass: {what}")
