# SPDX-License-Identifier: Apache-2.0
"""The house itself: one daemon with its state, in a StatefulSet of one, behind a Service. No key value is in here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from colonnade.fabric.kubernetes.objects import DOMAIN, Lack, Rendered, labelled, made, namespace
from colonnade.fabric.kubernetes.site import House, Site

NAME = "colonnade"
SECRETS = "colonnade-keys"
"""The Secret that whoever applies this makes: one entry for each `key_env`, named like the variable."""
FOLDER = "/srv/colonnade"
_USER = 10001
_VOLUMES = (("state", "20Gi"), ("keys", "1Gi"), ("sources", "10Gi"))


def service_hosts(project: str) -> list[str]:
    """By what names clients within the cluster call the house."""
    full = f"{NAME}.{namespace(project)}.svc"
    return [NAME, f"{NAME}.{namespace(project)}", full, f"{full}.cluster.local"]


def secret_key(variable: str) -> str:
    """The entry of the Secret for an environment variable; the variable's name where a Secret takes it."""
    return re.sub(r"[^-._a-zA-Z0-9]", "_", variable)


def house_objects(site: Site) -> Iterator[Rendered]:
    """Namespace, declaration, address, daemon."""
    house = site.house
    yield made("v1", "Namespace", namespace(site.project), site.project, component="house", cluster=True)
    yield made(
        "v1",
        "ConfigMap",
        NAME,
        site.project,
        component="house",
        data={"colonnade.yaml": house.declaration},
        lacks=_lacks(house),
    )
    yield made(
        "v1",
        "Service",
        NAME,
        site.project,
        component="house",
        spec={
            "selector": _selector(site),
            "ports": [{"name": "http", "port": house.port, "targetPort": "http", "protocol": "TCP"}],
        },
    )
    yield made(
        "apps/v1",
        "StatefulSet",
        NAME,
        site.project,
        component="house",
        spec={
            "serviceName": NAME,
            "replicas": 1,
            "selector": {"matchLabels": _selector(site)},
            "template": {
                "metadata": {
                    "labels": labelled(site.project, "house", NAME),
                    "annotations": {f"{DOMAIN}/declaration": house.digest},  # another declaration restarts it
                },
                "spec": _pod(house),
            },
            "volumeClaimTemplates": [_volume(name, size) for name, size in _VOLUMES],
        },
    )


def _selector(site: Site) -> dict[str, str]:
    every = labelled(site.project, "house", NAME)
    return {key: every[key] for key in ("app.kubernetes.io/name", "app.kubernetes.io/component")}


def _volume(name: str, size: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def _pod(house: House) -> dict[str, Any]:
    return {
        "terminationGracePeriodSeconds": 60,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(house)],
        "volumes": [
            {"name": "declaration", "configMap": {"name": NAME}},
            {"name": "scratch", "emptyDir": {}},
        ],
    }


def _container(house: House) -> dict[str, Any]:
    # State and keys lie in folders of the daemon's own within their volumes: it makes them private to itself.
    settings = {
        "COLONNADE_HOME": "/var/lib/colonnade/state/home",
        "COLONNADE_KEYS": "/var/lib/colonnade/keys/home",
        "HOME": "/tmp",  # noqa: S108  (an emptyDir of this pod alone)
        "XDG_CACHE_HOME": "/tmp/cache",  # noqa: S108
    }
    env: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in settings.items()]
    for variable in house.secrets:
        reference = {"secretKeyRef": {"name": SECRETS, "key": secret_key(variable)}}
        env.append({"name": variable, "valueFrom": reference})
    alive = {"httpGet": {"path": "/healthz", "port": "http", "httpHeaders": [{"name": "Host", "value": NAME}]}}
    return {
        "name": NAME,
        "image": house.image,
        "command": ["colonnade", "-C", FOLDER, "up"],
        "env": env,
        "ports": [{"name": "http", "containerPort": house.port, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "4Gi"}},
        "startupProbe": {**alive, "periodSeconds": 2, "failureThreshold": 150},
        "readinessProbe": {**alive, "periodSeconds": 5},
        "livenessProbe": {**alive, "periodSeconds": 20, "failureThreshold": 6},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "sources", "mountPath": FOLDER},
            {"name": "declaration", "mountPath": f"{FOLDER}/colonnade.yaml", "subPath": "colonnade.yaml"},
            {"name": "state", "mountPath": "/var/lib/colonnade/state"},
            {"name": "keys", "mountPath": "/var/lib/colonnade/keys"},
            {"name": "scratch", "mountPath": "/tmp"},  # noqa: S108
        ],
    }


def house_needs(site: Site) -> Iterator[str]:
    """What whoever applies this brings along: keys and files are not in here."""
    house = site.house
    if house.secrets:
        listed = ", ".join(secret_key(variable) for variable in house.secrets)
        yield f"the Secret {SECRETS} in the namespace {namespace(site.project)}, with {listed}"
    if house.folders:
        yield f"in the volume `sources`, which lies at {FOLDER}, your {', '.join(house.folders)}"


def _lacks(house: House) -> list[Lack]:
    if not house.outside:
        return []
    message = f"what lies outside the declaration's folder is not found there: {', '.join(house.outside)}"
    return [Lack("house", "sources", message)]
