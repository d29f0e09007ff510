# SPDX-License-Identifier: Apache-2.0
"""Whether a request without a key comes from a program of the very user who runs the daemon, on this machine.

That user can read the owner's token, so a key would prove nothing more. The kernel says who holds the other end of the
connection (Linux: /proc/net/tcp). What a browser sends, or what was forwarded, never counts: a page or another machine
may stand behind it. Elsewhere, and in doubt, the answer is no.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path

from colonnade.gateway.http import Request

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
BROWSERS = (b"origin", b"referer", b"cookie", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"sec-ch-ua")
FORWARDED = (b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip")
ESTABLISHED = "01"


def from_same_user(request: Request) -> bool:
    """Whether a program of the daemon's own user, and no browser and no proxy, sent this request."""
    client, server = request.scope.get("client"), request.scope.get("server")
    if not client or not server or not _is_loopback(client[0]):
        return False
    if any(request.raw_header(name) for name in (*BROWSERS, *FORWARDED)):
        return False
    if b"mozilla/" in request.raw_header(b"user-agent").lower() or not _names_loopback(request.header("host")):
        return False
    return user_of((client[0], client[1]), (server[0], server[1])) == os.geteuid()


def user_of(near: tuple[str, int], far: tuple[str, int]) -> int | None:
    """The user whose socket `near` is connected to `far` on this machine, or None."""
    wanted = f" {_entry(*near)} {_entry(*far)} {ESTABLISHED} "
    table = TABLES[1] if ":" in near[0] else TABLES[0]
    try:
        text = table.read_text("ascii")
    except OSError:
        return None
    at = text.find(wanted)
    if at < 0:
        return None
    fields = text[at + len(wanted) : text.find("\n", at)].split()
    return int(fields[3])  # after queues, timer and retransmissions


def _entry(host: str, port: int) -> str:
    """An address as the kernel's table spells it: words in the machine's order, in hexadecimal."""
    packed = ipaddress.ip_address(host).packed
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    spelled = "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
    return f"{spelled}:{port:04X}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
    return name == "localhost" or _is_loopback(name.strip("[]"))
