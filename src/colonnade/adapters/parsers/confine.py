# SPDX-License-Identifier: Apache-2.0
"""Take from a parsing process what no parser needs: new rights, other programs, the network, changes to the file tree.

Linux only, by prctl(2) and a seccomp filter (seccomp(2), classic BPF); where the kernel or the machine is another, the
process goes on with its resource limits alone, and `confine` says so. Denied calls fail with EPERM.
"""

from __future__ import annotations

import ctypes
import platform
import struct

_NO_NEW_PRIVS, _SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _FROM, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _DENY = 0x7FFF0000, 0x00050001
_NUMBER, _ARCHITECTURE = 0, 4
_X32 = 0x40000000
"""From here on the numbers of x86-64's other calling convention, which nobody here speaks."""

_X86_64 = {
    "socket": 41, "connect": 42, "sendto": 44, "socketpair": 53, "execve": 59, "truncate": 76, "rename": 82,
    "mkdir": 83, "rmdir": 84, "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "chown": 92, "lchown": 94,
    "ptrace": 101, "mknod": 133, "mkdirat": 258, "mknodat": 259, "fchownat": 260, "unlinkat": 263, "renameat": 264,
    "linkat": 265, "symlinkat": 266, "fchmodat": 268, "process_vm_readv": 310, "process_vm_writev": 311,
    "renameat2": 316, "bpf": 321, "execveat": 322, "io_uring_setup": 425, "fchmodat2": 452,
}  # fmt: skip
_AARCH64 = {
    "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "truncate": 45,
    "fchmodat": 53, "fchownat": 54, "ptrace": 117, "socket": 198, "socketpair": 199, "connect": 203, "sendto": 206,
    "execve": 221, "process_vm_readv": 270, "process_vm_writev": 271, "renameat2": 276, "bpf": 280, "execveat": 281,
    "io_uring_setup": 425, "fchmodat2": 452,
}  # fmt: skip
DENIED = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}
"""Machine -> (audit architecture, system calls that fail), from the kernel's tables."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def confine() -> bool:
    """Confine this process and its children for good; whether the filter is in force."""
    if platform.system() != "Linux" or platform.machine() not in DENIED:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    code = filter_of(*DENIED[platform.machine()])
    program = _Program(len(code) // 8, code)
    return not libc.prctl(_SECCOMP, _FILTER, ctypes.byref(program), 0, 0)


def filter_of(architecture: int, denied: dict[str, int]) -> bytes:
    """The BPF program: another architecture's calls and the denied ones fail, all others pass."""
    numbers = sorted(denied.values())
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, len(numbers) + 3, architecture),
        (_LOAD, 0, 0, _NUMBER),
        (_FROM, len(numbers) + 1, 0, _X32),
        *((_EQUAL, len(numbers) - place, 0, number) for place, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _DENY),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
