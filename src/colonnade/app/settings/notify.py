# SPDX-License-Identifier: Apache-2.0
"""The section `notify` of the declaration: who is told, of what, and what proves that it was us. No logic."""

from __future__ import annotations

from typing import Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from colonnade.app.settings.strict import Strict

Event = Literal["promoted", "rolled_back", "refused", "quarantined", "failed", "alarm", "asked"]
EVENTS: tuple[Event, ...] = get_args(Event)


class Notify(Strict):
    """A URL that gets a POST for each event. No redirect is followed."""

    url: str | None = Field(None, description="Where to: https, or http for a receiver of your own network.")
    url_env: str | None = Field(
        None, min_length=1, description="The environment variable that holds it, where the address is a secret itself."
    )
    on: list[Event] = Field(default_factory=lambda: list(EVENTS), min_length=1, description="Of what. Default: all.")
    secret_env: str | None = Field(
        None, min_length=1, description="The environment variable that holds the secret by which a POST is signed."
    )

    @model_validator(mode="after")
    def _one_address(self) -> Notify:
        if (self.url is None) == (self.url_env is None):
            raise ValueError("give either `url` or `url_env`")
        if self.url is not None and (wrong := wrong_url(self.url)):
            raise ValueError(f"`url` {wrong}")
        if len(set(self.on)) != len(self.on):
            raise ValueError("an event stands twice in `on`")
        return self


def wrong_url(url: str) -> str:
    """What is wrong with an address, or ""; without the address itself, which may be a secret.

    >>> wrong_url("https://hooks.example.com/T1?x=2"), wrong_url("ftp://example.com"), wrong_url("https://a:b@c/")
    ('', 'must begin with https:// or http://', 'must hold no name and password; `secret_env` signs')
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no address"
    if parts.scheme not in {"https", "http"}:
        return "must begin with https:// or http://"
    if not host or not url.isascii() or any(sign.isspace() or not sign.isprintable() for sign in url):
        return "is no address"
    if parts.username is not None or parts.password is not None:
        return "must hold no name and password; `secret_env` signs"
    return "must hold no fragment (#)" if parts.fragment else ""
