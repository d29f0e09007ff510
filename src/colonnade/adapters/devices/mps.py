# SPDX-License-Identifier: Apache-2.0
"""NVIDIA's Multi-Process Service, one control daemon a device: started for the first lease that needs it, ended with
the last, found again after a crash, and started anew when it died. Speaks the legacy interface, which every driver
since Volta's has.

Sources: NVIDIA's MPS guide, "Legacy MPS v2 Interface", "Quick Start" (several control daemons by pipe directory) and
"Environment Variables". Why this is `soft`: docs/concepts/isolation.md. Not yet run on hardware.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from colonnade.adapters.devices.processes import started
from colonnade.core.claims import WHOLE

PROGRAM = "nvidia-cuda-mps-control"
PID_FILE = f"{PROGRAM}.pid"
_SOCKET_ROOM = 40
"""A socket's path has 107 bytes: so many must the folder leave for the names within."""
_ANSWER_S = 10.0


class MpsFailed(Exception):  # not a ColonnadeError: the next weaker level is taken instead
    """The control daemon does not start."""


class Mps:
    """Control daemons by device uuid, with their pipes and logs under one folder. Not thread-safe.

    Args:
        folder: where pipes and logs lie.
        program: the control program, by name or path.
        environment: what it inherits; PATH tells where it is looked for.
    """

    def __init__(self, folder: Path, program: str = PROGRAM, environment: Mapping[str, str] | None = None) -> None:
        self._folder, self._program = folder, program
        self._inherited = {"PATH": os.defpath, **(environment or {})}

    def missing(self) -> str:
        """Why there is no MPS here, one sentence, or ""."""
        if shutil.which(self._program, path=self._inherited["PATH"]) is None:
            return f"MPS needs {PROGRAM}, which comes with NVIDIA's driver."
        return ""

    def serve(self, uuid: str) -> None:
        """A daemon serves the device: the one that does already, or a new one. Raises `MpsFailed`."""
        if self.alive(uuid):
            return
        pipes, logs = self.pipes(uuid), self._logs(uuid)
        _private(pipes)
        logs.mkdir(parents=True, exist_ok=True)
        for left in pipes.iterdir():  # of a daemon that died
            left.unlink(missing_ok=True)
        code, said = self._run(["-d"], uuid)
        deadline = time.monotonic() + _ANSWER_S
        while not self.alive(uuid):
            if code or time.monotonic() > deadline:
                raise MpsFailed(f"{PROGRAM} -d ended with {code}" + (f": {said}" if said else "."))
            time.sleep(0.02)

    def alive(self, uuid: str) -> bool:
        """Whether a control daemon lives behind the device's pipes."""
        pid = self._pid(uuid)
        try:
            named = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        return bool(pid) and b"mps-control" in named

    def end(self, uuid: str) -> None:
        """The device's daemon, and its servers with it, are gone."""
        if self.alive(uuid):
            self._stop(uuid, self._pid(uuid))
        if not self.pipes(uuid).is_symlink():
            shutil.rmtree(self.pipes(uuid), ignore_errors=True)

    def _stop(self, uuid: str, pid: int) -> None:
        since = started(pid)
        with contextlib.suppress(MpsFailed):
            self._run([], uuid, b"quit\n")
        for sent in (None, signal.SIGTERM, signal.SIGKILL):
            if sent is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, sent)
            deadline = time.monotonic() + (1.0 if sent else 2.0)
            while started(pid) == since and self.alive(uuid):
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
            else:
                return

    def environment(self, uuid: str, milli: int, limit_mib: int) -> Mapping[str, str]:
        """What makes a program a client of the device's daemon, with its share of the multiprocessors (whole percents,
        rounded down, at least 1) and a limit on the device memory of each of its processes (0: none).
        """
        found = {
            "CUDA_MPS_PIPE_DIRECTORY": str(self.pipes(uuid)),
            "CUDA_MPS_LOG_DIRECTORY": str(self._logs(uuid)),
            "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": str(max(1, milli * 100 // WHOLE)),
        }
        if limit_mib:
            found["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] = f"{uuid}={limit_mib}M"
        return found

    def pipes(self, uuid: str) -> Path:
        """The folder of the device's pipes: short enough for sockets wherever the state lies."""
        direct = self._folder / uuid / "pipe"
        if len(os.fsencode(direct.absolute())) <= 107 - _SOCKET_ROOM:
            return direct.absolute()
        short = hashlib.sha256(os.fsencode(direct.absolute())).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"colonnade-mps-{os.getuid()}-{short}"

    def served(self) -> set[str]:
        """Devices for which a daemon was ever started here, by what is left of it."""
        return {path.name for path in self._folder.iterdir() if path.is_dir()} if self._folder.is_dir() else set()

    def _logs(self, uuid: str) -> Path:
        return (self._folder / uuid / "log").absolute()

    def _pid(self, uuid: str) -> int:
        try:
            return int((self.pipes(uuid) / PID_FILE).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0

    def _run(self, arguments: list[str], uuid: str, words: bytes = b"") -> tuple[int, str]:
        environment = {
            **self._inherited,
            "CUDA_VISIBLE_DEVICES": uuid,
            "CUDA_MPS_PIPE_DIRECTORY": str(self.pipes(uuid)),
            "CUDA_MPS_LOG_DIRECTORY": str(self._logs(uuid)),
        }
        try:
            with tempfile.TemporaryFile() as said:  # no pipe: a daemon may keep it open, and then it never ends
                program = shutil.which(self._program, path=self._inherited["PATH"]) or self._program
                done = subprocess.run(
                    [program, *arguments], input=words, stdout=said, stderr=said, env=environment,
                    timeout=_ANSWER_S, start_new_session=True,
                )  # fmt: skip
                said.seek(0)
                return done.returncode, said.read(2000).decode(errors="replace").strip()
        except (OSError, subprocess.TimeoutExpired) as cause:
            raise MpsFailed(f"{PROGRAM}: {cause}.") from cause


def _private(folder: Path) -> None:
    """Make a folder that only we can enter: whoever reaches the pipes commands the daemon. Raises `MpsFailed`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.geteuid():
        raise MpsFailed(f"{folder} belongs to somebody else.")
    folder.chmod(0o700)
