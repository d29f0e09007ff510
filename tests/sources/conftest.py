# SPDX-License-Identifier: Apache-2.0
"""A real PostgreSQL server and moto's S3, each begun once and ended with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSWORD = "s3cret-Passw0rd"
CI = os.environ.get("CI") == "true"


@dataclass(frozen=True)
class Server:
    """A database server on this machine."""

    port: int
    binaries: Path
    folder: Path
    user: str | None

    def url(self, user: str = "reader", password: str = "") -> str:
        """The URL of its database `shop`."""
        return f"postgresql://{user}{':' + password if password else ''}@127.0.0.1:{self.port}/shop"

    def run(self, sql: str) -> None:
        """As the owner."""
        import psycopg

        with psycopg.connect(self.url("owner", PASSWORD), autocommit=True) as database:
            for one in sql.split(";"):
                if one.strip():
                    database.execute(one.encode())

    def control(self, *words: str) -> None:
        """`pg_ctl`."""
        call(self, "pg_ctl", "-D", str(self.folder / "data"), "-w", "-s", *words)


def call(server: Server, program: str, *words: str) -> None:
    subprocess.run(
        [str(server.binaries / program), *words], check=True, user=server.user, cwd="/", stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )  # fmt: skip


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def binaries() -> Path | None:
    """Of the newest PostgreSQL that is installed; Debian keeps them out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    where = shutil.which("initdb")
    return found[-1].parent if found else Path(where).parent if where else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    where = binaries()
    if where is None:
        if CI:
            pytest.fail("PostgreSQL is not installed")
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    user = "nobody" if os.geteuid() == 0 else None  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = Server(free_port(), where, folder, user)
    try:
        (folder / "password").write_text(PASSWORD)
        if user:
            for path in (folder, folder / "password"):
                os.chown(path, pwd.getpwnam(user).pw_uid, -1)
        call(server, "initdb", "-D", str(folder / "data"), "-U", "owner", "-A", "scram-sha-256", "--no-sync",
             f"--pwfile={folder / 'password'}", "-E", "UTF8")  # fmt: skip
        options = f"-p {server.port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=10"
        server.control("-o", options, "-l", str(folder / "log"), "start")
        import psycopg

        with psycopg.connect(server.url("owner", PASSWORD).replace("/shop", "/postgres"), autocommit=True) as database:
            database.execute("CREATE DATABASE shop")
            database.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'".encode())
        yield server
    finally:
        subprocess.run(
            [str(where / "pg_ctl"), "-D", str(folder / "data"), "-m", "immediate", "-w", "-s", "stop"],
            check=False, user=user, cwd="/", capture_output=True,
        )  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The URL of moto's server, in a process of its own."""
    import sys

    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            pytest.fail("moto's server did not begin to answer")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
