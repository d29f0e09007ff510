# SPDX-License-Identifier: Apache-2.0
"""Whether a request without a key comes from a program of the very user who runs the daemon, on this machine.

That user can read the owner's token, so a key would prove nothing more. The kernel says who holds the other end of the
connection (Linux: sock_diag(7), or else /proc/net/tcp). What a browser sends, or what was forwarded, never counts: a
page or another machine may stand behind it. Elsewhere, and in doubt, the answer is no.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import sys
from pathlib import Path

from colonnade.gateway.http import Request

BROWSERS = (b"origin", b"referer", b"cookie", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"sec-ch-ua")
FORWARDED = (b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip")
ESTABLISHED = 1
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1
_HEADER = struct.Struct("=IHHII")
_MESSAGE_BYTES = 72
"""struct inet_diag_msg: family, state, timer, retransmissions (1 byte each), the socket's addresses (48 bytes), then
expires, rqueue, wqueue, uid, inode (4 bytes each).
"""
Address = tuple[str, int]


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


def user_of(near: Address, far: Address) -> int | None:
    """The user whose socket `near` is connected to `far` on this machine, or None.

    Asked anew for each request (some 35 us): a port may be somebody else's a moment later.
    """
    try:
        return _by_diagnosis(near, far)
    except OSError:
        return _by_table(near, far)


def _by_diagnosis(near: Address, far: Address) -> int | None:
    """By the kernel's own look-up of the one socket. Raises OSError where it cannot be asked."""
    ends = [ipaddress.ip_address(host).packed for host, _ in (near, far)]
    family = socket.AF_INET6 if len(ends[0]) == 16 else socket.AF_INET
    asked = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
    asked += struct.pack("!HH", near[1], far[1]) + ends[0].ljust(16, b"\0") + ends[1].ljust(16, b"\0")
    asked += struct.pack("=I", 0) + b"\xff" * 8  # any interface, any cookie
    with socket.socket(_netlink(), socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(1)
        kernel.send(_HEADER.pack(_HEADER.size + len(asked), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + asked)
        told = kernel.recv(8192)
    kind, body = _HEADER.unpack_from(told)[1], told[_HEADER.size :]
    if kind != SOCK_DIAG_BY_FAMILY or len(body) < _MESSAGE_BYTES or body[1] != ESTABLISHED:
        return None
    return int(struct.unpack_from("=5I", body, 52)[3])


def _by_table(near: Address, far: Address) -> int | None:
    """By the table of all sockets, which may be long."""
    wanted = f" {_entry(*near)} {_entry(*far)} {ESTABLISHED:02X} "
    try:
        text = Path("/proc/net/tcp6" if ":" in near[0] else "/proc/net/tcp").read_text("ascii")
    except OSError:
        return None
    at = text.find(wanted)
    if at < 0:
        return None
    return int(text[at + len(wanted) : text.find("\n", at)].split()[3])  # after queues, timer and retransmissions


def _netlink() -> int:
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        raise OSError("no netlink here")
    return int(family)


def _entry(host: str, port: int) -> str:
    """An address as the kernel's table spells it: words in the machine's order, in hexadecimal."""
    packed = ipaddress.ip_address(host).packed
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{port:04X}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _names_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
    return name == "localhost" or _is_loopback(name.strip("[]"))
