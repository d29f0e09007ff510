# SPDX-License-Identifier: Apache-2.0
"""What is known of a run, as its supervisor writes it and everybody else reads it: one block of `runs/RUN/state`.

It is overwritten in place in a block of its own, so that a full disk cannot hide an end. A reader may see a
half-written one: the checksum tells. Supervisors import this: only small modules of the standard library, and nothing
of this package.
"""

from __future__ import annotations

import binascii
import os

RECORD_BYTES = 4096
FIELDS = ("state", "boot", "supervisor", "since", "pid", "code", "started_ms", "ended_ms", "message")
MARK = "COLONNADE_RUN"
LOST = "its supervisor was lost, and with it how it ended"


def pack(record: dict[str, str]) -> bytes:
    """One block: a line a field, then a checksum, since a reader may see a half-written one."""
    body = "".join(f"{name} {' '.join(record[name].split())[:600]}\n" for name in FIELDS).encode("utf-8", "replace")
    return (body + b"%08x\n" % binascii.crc32(body)).ljust(RECORD_BYTES, b"\n")


def unpack(block: bytes) -> dict[str, str] | None:
    """The fields of a record; None while it is not whole."""
    body, _, check = block.rstrip(b"\n").rpartition(b"\n")
    if not body or check != b"%08x" % binascii.crc32(body + b"\n"):
        return None
    return dict(line.partition(" ")[::2] for line in body.decode().split("\n"))


def write_record(descriptor: int, record: dict[str, str]) -> bool:
    """Overwrite the record; whether it could be written."""
    try:
        return os.pwrite(descriptor, pack(record), 0) == RECORD_BYTES
    except OSError:
        return False


def boot() -> str:
    """What names this boot of the machine."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def ring() -> None:
    """Wake whoever waits for changes of any run."""
    try:
        os.utime("../changed")
    except OSError:
        return
