# SPDX-License-Identifier: Apache-2.0
"""The bodies about registered models, versions and aliases, as `requests` has them for the rest."""

from __future__ import annotations

from msgspec import Struct

from colonnade.gateway.mlflow.requests import Pair


class NewRegistered(Struct, omit_defaults=True):
    """`registered-models/create`."""

    name: str
    tags: list[Pair] = []
    description: str = ""
    deployment_job_id: str = ""


class Registered(Struct, omit_defaults=True):
    """Which registered model."""

    name: str


class Rename(Struct, omit_defaults=True):
    """`registered-models/rename`."""

    name: str
    new_name: str = ""


class Describe(Struct, omit_defaults=True):
    """`registered-models/update`."""

    name: str
    description: str = ""
    deployment_job_id: str = ""


class Latest(Struct, omit_defaults=True):
    """`registered-models/get-latest-versions`."""

    name: str
    stages: list[str] = []


class NamedPair(Struct, omit_defaults=True):
    """`registered-models/set-tag`."""

    name: str
    key: str
    value: str = ""


class NamedKey(Struct, omit_defaults=True):
    """`registered-models/delete-tag`."""

    name: str
    key: str


class NewVersion(Struct, omit_defaults=True):
    """`model-versions/create`."""

    name: str
    source: str = ""
    run_id: str = ""
    tags: list[Pair] = []
    run_link: str = ""
    description: str = ""
    model_id: str = ""


class Version(Struct, omit_defaults=True):
    """Which version."""

    name: str
    version: str


class DescribeVersion(Version, omit_defaults=True):
    """`model-versions/update`."""

    description: str = ""


class VersionPair(Version, omit_defaults=True):
    """`model-versions/set-tag`."""

    key: str = ""
    value: str = ""


class VersionKey(Version, omit_defaults=True):
    """`model-versions/delete-tag`."""

    key: str = ""


class Alias(Struct, omit_defaults=True):
    """An alias of a registered model."""

    name: str
    alias: str


class SetAlias(Alias, omit_defaults=True):
    """`registered-models/alias`."""

    version: str = ""
