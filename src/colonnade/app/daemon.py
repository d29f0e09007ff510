# SPDX-License-Identifier: Apache-2.0
"""The daemon: one process a state directory, from taking the lock to the last signed checkpoint. Also how `up` starts
it in the
background, and how a second `up` hands its declaration to the first.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from colonnade.app import wiring
from colonnade.app.logs import log_to_file, log_to_terminal
from colonnade.app.presence import await_daemon, daemon_lock, ends_now, lock_mark, pause, private_folder
from colonnade.app.settings.declaration import Declaration, read_declaration
from colonnade.app.settings.environment import Places
from colonnade.core.errors import ColonnadeError, NeedsDaemon, StateError, Unavailable

READY_S = 120
HOME_S, WITHOUT_S = 1.0, 10.0
"""How often it is looked whether the state directory is still there, and how long answers may end once it is not."""
SWITCH_S = 0.0002
"""A thread that computes gives way so soon to the gateway's, which gives way at every read and write."""
GARBAGE = 50_000
"""So many new objects that hold others, and cycles among them are looked for: more than predictions keep at a time."""
_log = logging.getLogger("colonnade.daemon")


def hand_over(places: Places) -> Mapping[str, Any] | None:
    """Give the declaration to the daemon that runs; None if it ended meanwhile: also one that was killed just now, and
    whose lock the kernel has not let go yet.
    """
    from colonnade.sdk import Client

    daemon = await_daemon(places)
    if daemon is None:
        return None
    token = places.token.read_text("utf-8").strip()
    try:
        done = Client(daemon.url, token).apply(places.declaration.read_text("utf-8"), str(places.folder))
    except (NeedsDaemon, Unavailable):
        if ends_now(places, daemon):
            return None
        raise
    return {
        "url": daemon.url, "pid": daemon.pid, "changes": done["changes"], "started": False,
        "checkpoint": done.get("checkpoint"),
    }  # fmt: skip


def start_detached(places: Places, *, port: int | None) -> Mapping[str, Any]:
    """Start a daemon in a session of its own and wait until it listens. Raises what it failed with."""
    private_folder(places.home)
    places.logs.mkdir(mode=0o700, exist_ok=True)
    reading, writing = os.pipe()
    command = [
        sys.executable,
        "-m",
        "colonnade.cli.main",
        "-C",
        str(places.declaration),
        "up",
        "--ready-fd",
        str(writing),
    ]
    if port is not None:
        command += ["--port", str(port)]
    with open(places.logs / "daemon.out", "ab", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
        process = subprocess.Popen(
            command,
            pass_fds=[writing],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd="/",
        )
    os.close(writing)
    with open(reading, encoding="utf-8") as ready:
        said = ready.read()
    if not said:
        code = process.wait()
        raise StateError(
            f"the daemon ended at once, with status {code}",
            hint=f"see {places.logs / 'daemon.out'}",
            code="daemon_failed",
        )
    answer: dict[str, Any] = json.loads(said)
    if "error" in answer:
        error = ColonnadeError(answer["error"]["message"], hint=answer["error"]["hint"], code=answer["error"]["code"])
        error.exit_code = answer["error"]["exit_code"]
        raise error
    return answer


def serve(
    places: Places, *, port: int | None, ready: Callable[[Mapping[str, Any]], None], foreground: bool
) -> Mapping[str, Any] | None:
    """Be the daemon until a signal. Returns None then; or what the hand-over gave when another daemon runs already."""
    declaration = read_declaration(places.declaration)
    while True:
        with daemon_lock(places) as mine:
            if mine:
                _serve(places, declaration, port, ready, foreground=foreground)
                return None
        handed = hand_over(places)
        if handed is not None:
            return handed


def _serve(
    places: Places,
    declaration: Declaration,
    port: int | None,
    ready: Callable[[Mapping[str, Any]], None],
    *,
    foreground: bool,
) -> None:
    from colonnade.app.backend import HouseBackend
    from colonnade.app.house import House
    from colonnade.app.runtime import Runtime
    from colonnade.gateway.console.mount import make_gateway
    from colonnade.gateway.serve import GatewayServer, bind
    from colonnade.govern.ledger.seal import break_seal, seal_state

    os.umask(0o077)
    log_to_file(places.logs / "daemon.log")
    if foreground:
        log_to_terminal()
    bound = bind(declaration.gateway.host, declaration.gateway.port if port is None else port)
    number = bound.getsockname()[1]
    changed = changed_while_closed(places)
    break_seal(places.state_file)
    house = House(places, holder=f"{os.getpid()}-{secrets.token_hex(4)}")
    house.break_leases()
    house.url = f"http://{_named(declaration.gateway.host)}:{number}"
    difference = house.apply(declaration)
    ensure_owner_token(house)
    runtime = Runtime(house)
    if changed is not None:
        runtime.alarms.tell("state", changed)
    backend = HouseBackend(house, runtime, number)
    server = GatewayServer(make_gateway(backend), bound)
    backend.on_stop = server.stop
    _on_signals(lambda: threading.Thread(target=backend.stop, daemon=True).start(), told=foreground)
    server.start()
    wiring.private_file(places.pid, f"{os.getpid()}\n")
    wiring.private_file(places.address, f"{house.url}\n")
    runtime.start()
    homeless = _watch_home(places, backend.stop)
    gc.freeze()  # what is loaded stays: to look through it for cycles again and again took a seventh of a prediction
    gc.set_threshold(GARBAGE)
    sys.setswitchinterval(SWITCH_S)
    _log.info("serving %s", house.url)
    last = house.state.rows("checkpoint_last")
    said = {"url": house.url, "pid": os.getpid(), "changes": [c.as_dict() for c in difference], "started": True}
    missed = house.computing.trouble if house.computing is not None else None
    ready({**said, "checkpoint": last[0]["note"] if last else None,
           "warnings": [f"no device can be used: {missed.message} {missed.hint}"] if missed else []})  # fmt: skip
    server.join()
    if homeless():  # what would be written and sealed now has no place, or would land in another daemon's
        os._exit(1)
    backend.stopping.set()
    runtime.stop()
    origin = house.origin()
    house.close()
    seal_state(places.state_file, house.keys, origin)
    _log.info("stopped")


def _watch_home(places: Places, stop: Callable[[], None]) -> Callable[[], bool]:
    """End the daemon once its state directory is gone; what is under its commands ends by itself. The function tells
    whether it is gone.
    """
    mine = lock_mark(places)

    def homeless() -> bool:
        return lock_mark(places) != mine

    def watch() -> None:
        while not homeless():
            pause(HOME_S)
        _log.critical("%s was removed or moved away while in use: stopping", places.home)
        stop()
        pause(WITHOUT_S)
        os._exit(1)

    threading.Thread(target=watch, name="home", daemon=True).start()
    return homeless


def changed_while_closed(places: Places) -> Mapping[str, str] | None:
    """The alarm that the state file is not the one that was closed; None when it is, or when nobody knows."""
    from colonnade.govern.ledger.seal import check_seal, seal_path

    if not seal_path(places.state_file).exists():
        return None
    try:
        state = wiring.open_state(places, wiring.open_clock(), readonly=True)
        try:
            key = wiring.log_key(places, state)
        finally:
            state.close()
        finding = check_seal(places.state_file, key, wiring.signature_check()).finding
        message = finding.message if finding is not None else ""
    except ColonnadeError as error:
        message = error.message
    if not message:
        return None
    _log.error("the state was changed while no daemon ran: %s", message)
    return {
        "room": "state",
        "code": "state_changed_while_closed",
        "message": f"the state was changed while no daemon ran: {message}",
        "hint": "`colonnade down`, then `colonnade verify` says what; restore a backup if nobody of yours did it",
    }


def ensure_owner_token(house: Any) -> None:
    """A first-run key for the owner, 0600 in the state directory; made again if it was lost or revoked."""
    from colonnade.govern.access.apikeys import fingerprint

    path: Path = house.places.token
    rows = house.api_keys.all()
    if path.exists():
        held = fingerprint(path.read_text("utf-8").strip())
        if any(row["hash"] == held and row["revoked_ms"] is None for row in rows):
            os.chmod(path, 0o600)
            return
    taken = {row["name"] for row in rows}
    name = next(n for n in ("owner", *(f"owner-{i}" for i in range(2, 10_000))) if n not in taken)
    with house.state.transaction() as tx:
        key = house.api_keys.create(tx, house.owner, name, actor=house.owner, owner=True)
    wiring.private_file(path, f"{key.secret}\n")


STOPPING = b"\nstopping: what is under way ends first; Ctrl-C again stops at once, and loses nothing acknowledged\n"


def _on_signals(stop: Callable[[], None], *, told: bool) -> None:
    """Once: drain, `told` where a person waits. Twice: end now (the next start goes on from the last transaction)."""
    asked = threading.Event()

    def handle(number: int, _frame: object) -> None:
        if asked.is_set():
            os._exit(128 + number)
        asked.set()
        if told:
            with contextlib.suppress(OSError):
                os.write(2, STOPPING)  # not print: a handler may interrupt one
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def _named(host: str) -> str:
    if host in {"0.0.0.0", "::"}:  # noqa: S104  (asked about, not bound)
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
