# SPDX-License-Identifier: Apache-2.0
"""Build what the gateway's hot path needs, as one immutable snapshot, whenever keys, rights or routes change."""

from __future__ import annotations

from colonnade.app.house import House
from colonnade.app.settings.declaration import Service
from colonnade.app.settings.environment import secret
from colonnade.core.answers import Asker
from colonnade.gateway.backend import KeyHolder, Route, Snapshot, Upstream


def take_snapshot(house: House, version: int, port: int) -> Snapshot:
    """The snapshot of now."""
    declaration = house.declaration
    assert declaration is not None
    askers = house.people.askers(house.owner)
    keys: dict[bytes, KeyHolder] = {}
    for row in house.api_keys.all():
        asker = askers.get(row["principal"])
        if row["revoked_ms"] is None and asker is not None:
            holder = Asker(
                asker.principal,
                asker.project,
                asker.name,
                asker.groups,
                asker.readers,
                owner=bool(row["owner"]),
                key=row["id"],
            )
            keys[row["hash"]] = KeyHolder(holder, row["expires_ms"])
    services = {row["name"]: row["id"] for row in house.state.rows("services_of_project", project=house.project)}
    people = set(declaration.people()) | {
        askers[row["principal"]].name for row in house.api_keys.all() if row["principal"] in askers
    }
    return Snapshot(
        version=version,
        project=house.project,
        project_name=declaration.project,
        keys=keys,
        people={a.name: a for a in askers.values() if a.name in people and a.principal != house.system},
        routes={
            name: _route(services[name], name, service, house)
            for name, service in declaration.services.items()
            if service.model is None  # asked through `gateway.inference`
        },
        hosts=_hosts(declaration.gateway.host, declaration.gateway.hosts, port),
        max_body_bytes=declaration.gateway.max_body_bytes,
        same_user=askers.get(house.owner) if declaration.tracking.without_key == "same_user" else None,
    )


def _route(service: str, name: str, declared: Service, house: House) -> Route:
    upstream = None
    if declared.answer_with is not None:
        with_ = declared.answer_with
        upstream = Upstream(
            url=with_.url.rstrip("/"),
            model=with_.model,
            key=secret(with_.key_env) if with_.key_env else "",
            timeout_ms=with_.timeout_s * 1000,
            first_byte_ms=with_.first_byte_s * 1000,
        )
    return Route(service, name, declared.knowledge, upstream, house.state.now_ms() // 1000)


def _hosts(host: str, more: list[str], port: int) -> frozenset[str]:
    names = {"127.0.0.1", "localhost", "[::1]", host, *more}
    return frozenset({f"{name}:{port}" for name in names} | {name for name in names if port == 80} | set(more))
