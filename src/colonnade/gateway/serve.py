# SPDX-License-Identifier: Apache-2.0
"""Run the gateway on uvicorn, in the main thread or another, and let it end cleanly. No settings are read here."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable

import uvicorn

from colonnade.core.errors import Unavailable
from colonnade.gateway.heads import BoundedHeads
from colonnade.gateway.http import ASGIApp

BACKLOG = 512


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `Unavailable` when the port is taken; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except OSError as taken:
        bound.close()
        message = f"Port {port} on {host} cannot be opened: {taken.strerror or taken}."
        hint = "Choose another: gateway.port, or `up --port 0` for any free one."
        raise Unavailable(message, hint=hint, code="port_taken") from taken
    bound.setblocking(False)
    return bound


class _Server(uvicorn.Server):
    """uvicorn's, which takes whoever has connected before it stops to listen: closing resets them unanswered."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take who waits, then end as uvicorn does."""
        loop = asyncio.get_running_loop()

        def protocol() -> BoundedHeads:
            return BoundedHeads(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

        for listening in sockets or []:
            with contextlib.suppress(OSError):  # nobody waits any more
                while True:
                    peer, _ = listening.accept()
                    await loop.connect_accepted_socket(protocol, peer)
        await super().shutdown(sockets)


class GatewayServer:
    """A uvicorn server around an app and a bound socket.

    Args:
        app: the ASGI app.
        bound: a listening socket (`bind`); closed at the end.
        drain_s: how long open requests may take to end after `stop`.
        on_started: called in the server's loop once it accepts connections.
    """

    def __init__(
        self, app: ASGIApp, bound: socket.socket, *, drain_s: int = 10, on_started: Callable[[], None] | None = None
    ) -> None:
        config = uvicorn.Config(
            app,
            http=BoundedHeads,
            loop="asyncio",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=drain_s,
            timeout_keep_alive=75,
            backlog=BACKLOG,
        )
        self._server = _Server(config)
        # Head and body go out apart: with Nagle's algorithm each answer would wait 40 ms for an acknowledgement.
        # asyncio turns it off only for sockets that were made with the protocol named; connections inherit this.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = bound
        self._on_started = on_started
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.getsockname()[1])

    def run(self) -> None:
        """Serve in this thread until `stop`. Signals are the caller's: none is caught here."""
        try:
            asyncio.run(self._serve())
        except BaseException as failure:
            self._failure = failure
            raise
        finally:
            self._ready.set()
            self._socket.close()

    async def _serve(self) -> None:
        waiting = asyncio.ensure_future(self._announce())
        try:
            await self._server._serve([self._socket])
        finally:
            waiting.cancel()

    async def _announce(self) -> None:
        while not self._server.started:
            await asyncio.sleep(0.005)
        self._ready.set()
        if self._on_started is not None:
            self._on_started()

    def start(self, timeout_s: float = 30.0) -> GatewayServer:
        """Serve in a thread of its own; returns once connections are accepted. Raises `Unavailable`."""
        self._thread = threading.Thread(target=self._run_quietly, name="gateway", daemon=True)
        self._thread.start()
        if not self._ready.wait(timeout_s) or not self._server.started:
            raise Unavailable("The gateway did not start.", code="gateway_failed") from self._failure
        return self

    def _run_quietly(self) -> None:
        try:
            self.run()
        except Exception as failure:
            self._failure = failure

    def stop(self) -> None:
        """Accept no more, let open requests end. May be called from any thread, and twice."""
        self._server.should_exit = True

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for a server that `start` began."""
        if self._thread is not None:
            self._thread.join(timeout_s)
