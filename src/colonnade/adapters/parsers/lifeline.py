# SPDX-License-Identifier: Apache-2.0
"""How a child of the daemon ends with it: the reading end of a pipe whose writing end only the parent holds."""

from __future__ import annotations

import fcntl
import os
import select
import signal


def die_with_parent(lifeline: int) -> None:
    """Let the kernel end us when the other end of the lifeline closes, whatever the parent did with its own signals."""
    deadly = (signal.SIGIO, signal.SIGXCPU)
    for number in deadly:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, deadly)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if select.select([lifeline], [], [], 0)[0]:
        os._exit(0)
