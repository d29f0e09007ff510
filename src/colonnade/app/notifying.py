# SPDX-License-Identifier: Apache-2.0
"""Who is told what happens to models: receivers as they are declared, a thread for each, signed POSTs.

What is said, kept and tried again is `lifecycle.notices`'s business. A receiver that answers late or never delays
nobody else: not the loops, not the other receivers, not `down`. Addresses and secrets are looked up when they are used.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from colonnade.app import wiring
from colonnade.app.notified import receiver_id, shown
from colonnade.app.settings.environment import secret
from colonnade.app.settings.notify import Notify, wrong_url
from colonnade.lifecycle import notices
from colonnade.ports.outside.notices import NotTold
from colonnade.ports.outside.state import Row

if TYPE_CHECKING:
    from colonnade.app.house import House

LOOK_S = 5.0
"""How often a receiver's thread looks by itself whether a further try is due."""
AT_ONCE = 20
AGENT = "colonnade-notice/1"
_log = logging.getLogger("colonnade.notices")


class Telling(Protocol):
    """Who shows that a receiver is not told: `app.alarms.Alarms`."""

    def tell(self, room: str, alarm: Mapping[str, Any], /) -> None: ...

    def clear(self, room: str, /) -> None: ...


class Notifying:
    """The receivers of one house."""

    def __init__(self, house: House, alarms: Telling) -> None:
        self._house, self._alarms = house, alarms
        self._post = wiring.open_webhook()
        self._receivers: dict[str, Notify] = {}
        self._lines: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def apply(self, declared: Sequence[Notify]) -> None:
        """Tell those who are declared now, of what happens from now on, and nobody else."""
        with self._lock:
            wanted = {receiver_id(one.model_dump()): one for one in declared}
            gone = self._receivers.keys() - wanted.keys()
            with self._house.state.transaction() as tx:
                if wanted:
                    notices.begin(tx)
                else:
                    notices.end(tx)
                kept = notices.counts(self._house.state, self._house.project)
                for receiver in kept.keys() - wanted.keys():
                    tx.run("notices_drop", receiver=receiver)
            for receiver in gone:
                self._lines.pop(receiver).set()
                self._alarms.clear(_room(receiver))
            self._receivers = wanted
            for receiver in wanted.keys() - self._lines.keys():
                self._lines[receiver] = threading.Event()
                threading.Thread(target=self._serve, args=(receiver, self._lines[receiver]),
                                 name=f"notify/{receiver[:6]}", daemon=True).start()  # fmt: skip

    def step(self) -> None:
        """Make notices of what has happened. Raises ColonnadeError."""
        with self._lock:
            receivers = [notices.Receiver(one, frozenset(declared.on)) for one, declared in self._receivers.items()]
        if receivers and notices.collect(self._house.state, self._house.project, receivers, self._page):
            for line in list(self._lines.values()):
                line.set()

    def deliver(self, receiver: str) -> bool:
        """Try what is due for one receiver; whether more may be due at once."""
        declared, state = self._receivers.get(receiver), self._house.state
        due = state.rows("notices_due", receiver=receiver, now_ms=state.now_ms(), limit=AT_ONCE)
        for row in due:
            if declared is None or self._house.stop.is_set():
                return False
            said, final = "", False
            try:
                self._post(*signed(declared, row))
            except NotTold as error:
                said, final = str(error), error.final
            notices.tried(state, receiver, row, said, final=final)
            self._show(receiver, declared, said)
        return len(due) == AT_ONCE

    def _serve(self, receiver: str, line: threading.Event) -> None:
        while not self._house.stop.is_set() and self._lines.get(receiver) is line:
            try:
                if self.deliver(receiver):
                    continue
            except Exception:
                if self._house.stop.is_set():  # the store is closed already
                    return
                _log.exception("notices to a receiver failed")
            line.wait(self._pause(receiver))
            line.clear()

    def _pause(self, receiver: str) -> float:
        try:
            rows = self._house.state.rows("notices_next", receiver=receiver)
            due = rows[0]["next_ms"]
            return LOOK_S if due is None else min(LOOK_S, max(0.05, (due - self._house.state.now_ms()) / 1000))
        except Exception:
            return LOOK_S

    def _show(self, receiver: str, declared: Notify, said: str) -> None:
        if not said:
            self._alarms.clear(_room(receiver))
            return
        message = f"{shown(declared.model_dump())} is not told: {said}"
        _log.warning("notices: %s", message)
        hint = "it is tried again for a day; `colonnade status` counts what waits"
        self._alarms.tell(
            _room(receiver), {"room": "notify", "code": "notify_failed", "message": message, "hint": hint}
        )

    def _page(self, model: str) -> str:
        return f"{self._house.url}/models/{model}" if model else f"{self._house.url}/runs"


def signed(declared: Notify, row: Row, now_s: Callable[[], float] = time.time) -> tuple[str, dict[str, str], bytes]:
    """(address, headers, body) of one try, as the Standard Webhooks say: the signature is over `id.timestamp.body`.

    Raises NotTold where a variable is not set: nothing is sent unsigned that is declared to be signed.
    """
    url = declared.url if declared.url is not None else secret(str(declared.url_env))
    if not url:
        raise NotTold(f"the variable {declared.url_env} is not set")
    if wrong := wrong_url(url):
        raise NotTold(f"the address in {declared.url_env} {wrong}")
    body, at = row["body"].encode(), str(int(now_s()))
    headers = {
        "content-type": "application/json", "user-agent": AGENT, "idempotency-key": row["id"],
        "webhook-id": row["id"], "webhook-timestamp": at, "colonnade-event": row["event"],
    }  # fmt: skip
    if declared.secret_env is not None:
        key = key_of(secret(declared.secret_env))
        if not key:
            raise NotTold(f"the variable {declared.secret_env} is not set")
        mac = hmac.new(key, f"{row['id']}.{at}.".encode() + body, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(mac).decode()}"
    return url, headers, body


def key_of(said: str) -> bytes:
    """The key of a secret: `whsec_` and base64, or any text as it stands."""
    if said.startswith("whsec_"):
        try:
            return base64.b64decode(said[6:], validate=True)
        except (binascii.Error, ValueError):
            raise NotTold("the secret after whsec_ is not base64") from None
    return said.encode()


def _room(receiver: str) -> str:
    return f"notify/{receiver[:12]}"
