# SPDX-License-Identifier: Apache-2.0
"""The gateway with the console on it: a question typed in the browser is answered as one sent to the API.

Wiring of the two only.
"""

from __future__ import annotations

from colonnade.core.answers import Answer, Asker
from colonnade.gateway.app import Gateway, make_app
from colonnade.gateway.backend import Backend, Route
from colonnade.gateway.console.routes import make_console
from colonnade.gateway.grounded import grounded_answer


def make_gateway(backend: Backend) -> Gateway:
    """The whole ASGI app over a house: API, and console whose services with a language model use it."""
    console = make_console(backend)
    gateway = make_app(backend, console)

    async def asking(asker: Asker, route: Route, question: str, as_of_ms: int | None) -> Answer:
        return await grounded_answer(gateway.context, asker, route, question, [], as_of_ms)

    console.asking = asking
    return gateway
