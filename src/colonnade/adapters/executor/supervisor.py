# SPDX-License-Identifier: Apache-2.0
"""The small process that each run's command lives under. It outlives the daemon, and ends after the whole tree has.

    python -I -S supervisor.py FOLDER          run the command that stands in descriptor 0, which lies in memory
    python -I -S supervisor.py FOLDER sweep    the supervisor was lost: kill what it left behind, then say so

FOLDER is `runs/RUN`; descriptor 3 holds the lock on `FOLDER/lock`, which is let go by dying and by nothing else.

- It is the subreaper of the tree (prctl(2)): an orphan becomes its child, so "no child left" is "tree gone".
- The command dies with it (PR_SET_PDEATHSIG). What the command had started is then found by its mark (sweep.py).
- How it stands is in `FOLDER/state` (record.py); should that not be writable, the exit status tells the end.

Only the standard library's small modules: each run costs one of these (no json, typing, dataclasses, subprocess), and
nothing of this package: it is started without its path. It has no environment of its own and writes no value of the
command's to disk.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys

if __name__ == "__main__":  # started by its path: its neighbours are found as a package without our package
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    __package__ = "executor"

from .command import Supervisor


def main(folder: str, mode: str = "run") -> int:
    """Be the supervisor, or the sweeper, of the run whose folder this is."""
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    os.set_inheritable(3, False)
    os.umask(0o077)
    os.chdir(folder)
    if mode == "sweep":
        from .sweep import sweep

        sweep()
        return 0
    with open(0, "rb") as file:
        work = marshal.load(file)  # noqa: S302  from our own starter, through memory that nobody else can open
    os.open(os.devnull, os.O_RDWR)
    return Supervisor(work).run()


if __name__ == "__main__":
    try:
        status = main(*sys.argv[1:])
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(status)
