# SPDX-License-Identifier: Apache-2.0
"""Where a model's data come from, and the contract that they keep: the keys `data` and `contract` of a model.

A secret stands in no declaration: it is named by the environment variable that holds it.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from colonnade.app.settings.retrain import Duration
from colonnade.app.settings.strict import Strict
from colonnade.core.quantities import ms_of
from colonnade.core.tables import ColumnRule, Fresh, Rules
from colonnade.ports.outside.sources import Source

Kind = Literal["integer", "number", "text", "boolean", "date"]
EVERY = "60s"


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    return text


class Column(Strict):
    """What the contract says of one column."""

    type: Kind | None = Field(None, description="Default: whatever the values look like.")
    min: float | int | None = None
    max: float | int | None = None
    values: list[str] = Field(default_factory=list, description="The only values that may stand there.")
    pattern: Annotated[str, AfterValidator(_pattern)] | None = Field(
        None, description="A regular expression that the whole value matches."
    )
    max_length: int | None = Field(None, ge=0, description="Characters of a value.")
    nulls: float | int = Field(0, ge=0, le=1, description="The share of rows of a batch that may be empty here.")


class FreshRule(Strict):
    """How old the newest row may be."""

    column: str = Field(min_length=1, description="A column of dates or moments.")
    within: Duration = Field(description="Such as 2d.")


class Contract(Strict):
    """What every batch (a file, a query's result) must keep; one that does not is quarantined, with the rows shown."""

    columns: dict[str, Column] = Field(default_factory=dict)
    unique: list[str] = Field(default_factory=list, description="Columns in which no value stands twice in a batch.")
    unique_together: list[str] = Field(
        default_factory=list, description="Columns in which no value of an earlier batch stands again."
    )
    rows_at_least: int = Field(1, ge=0)
    fresh: FreshRule | None = Field(None, description="How old the newest row of all may be.")

    def rules(self) -> Rules:
        """In the words of the room."""
        columns = {
            name: ColumnRule(
                one.type or "", one.min, one.max, tuple(one.values), float(one.nulls), one.pattern or "", one.max_length
            )
            for name, one in self.columns.items()
        }
        fresh = Fresh(self.fresh.column, ms_of(self.fresh.within)) if self.fresh else None
        return Rules(columns, tuple(self.unique), self.rows_at_least, tuple(self.unique_together), fresh)


class DataSource(Strict):
    """One source: files (`path`), a query (`sql`), or objects (`s3`)."""

    path: str | None = Field(None, min_length=1, description="A path or a pattern, relative to the declaration.")
    sql: str | None = Field(None, min_length=1, description="A query; it only reads.")
    url: str | None = Field(
        None, description="`sqlite:///FILE`, relative to the declaration, or `postgresql://HOST/DATABASE`; no password."
    )
    url_env: str | None = Field(None, description="The environment variable that holds the URL, with its password.")
    password_env: str | None = Field(None, description="The environment variable that holds the password.")
    changes: str | None = Field(
        None, description="A cheap query whose result changes when the data do, such as `SELECT max(id) FROM t`."
    )
    s3: str | None = Field(None, description="`s3://BUCKET/PREFIX/*.parquet`.")
    endpoint: str | None = Field(None, description="Of a store that is not Amazon's.")
    region: str | None = None
    key_env: str | None = Field(None, description="The variable that holds the key's id. Default: AWS_ACCESS_KEY_ID.")
    secret_env: str | None = Field(None, description="That of the key. Default: AWS_SECRET_ACCESS_KEY.")
    every: Duration = Field(EVERY, description="How often a query or a bucket is looked at.")
    timeout_s: int = Field(600, ge=1, le=86_400, description="Of one query.")

    @model_validator(mode="after")
    def _one(self) -> DataSource:
        if sum(kind is not None for kind in (self.path, self.sql, self.s3)) != 1:
            raise ValueError("a source is exactly one of path, sql, s3")
        given = self.model_fields_set - {"path", "sql", "s3"}
        fitting = {
            "path": set[str](),
            "sql": {"url", "url_env", "password_env", "changes", "every", "timeout_s"},
            "s3": {"endpoint", "region", "key_env", "secret_env", "every"},
        }
        kind = "path" if self.path else "sql" if self.sql else "s3"
        if given - fitting[kind]:
            raise ValueError(f"{', '.join(sorted(given - fitting[kind]))}: not for a source by `{kind}`")
        if self.s3 is not None and re.fullmatch(r"s3://[^/]+/.+", self.s3) is None:
            raise ValueError(f"{self.s3!r} is no address of objects: write s3://BUCKET/PREFIX/*.parquet")
        if self.sql and (self.url is None) == (self.url_env is None):
            raise ValueError("a query needs exactly one of url, url_env")
        if self.url is not None:
            self._plain_url(self.url)
        if (self.key_env is None) != (self.secret_env is None):
            raise ValueError("key_env and secret_env go together")
        return self

    def _plain_url(self, url: str) -> None:
        scheme = url.partition(":")[0]
        if scheme not in {"sqlite", "postgresql", "postgres"}:
            raise ValueError("a url begins with sqlite:/// or postgresql://")
        if urlsplit(url).password is not None or "password=" in url:
            raise ValueError("a password stands in no declaration: name its variable by url_env or password_env")

    def source(self) -> Source:
        """In the words of the room; of a query or objects."""
        if self.s3 is not None:
            return Source(
                "s3", self.s3, endpoint=self.endpoint or "", region=self.region or "", key_env=self.key_env or "",
                secret_env=self.secret_env or "", every_ms=ms_of(self.every),
            )  # fmt: skip
        kind = "sqlite" if (self.url or "").startswith("sqlite:") else "postgres"
        return Source(
            kind, self.sql or "", url=self.url or "", url_env=self.url_env or "", password_env=self.password_env or "",
            changes=self.changes or "", every_ms=ms_of(self.every), timeout_s=self.timeout_s,
        )  # fmt: skip


def _form(given: object) -> str:
    return "several" if isinstance(given, list) else "path" if isinstance(given, str) else "source"


One = Annotated[
    Annotated[DataSource, Tag("source")] | Annotated[str, Field(min_length=1), Tag("path")], Discriminator(_form)
]
Data = Annotated[
    Annotated[DataSource, Tag("source")]
    | Annotated[str, Field(min_length=1), Tag("path")]
    | Annotated[list[One], Field(min_length=1), Tag("several")],
    Discriminator(_form),
]
"""A path or pattern, a source, or several of both."""


def patterns_of(data: Data) -> list[str]:
    """Paths and patterns of files."""
    return [one if isinstance(one, str) else one.path or "" for one in _all(data) if _is_file(one)]


def sources_of(data: Data) -> list[Source]:
    """Queries and objects."""
    return [one.source() for one in _all(data) if isinstance(one, DataSource) and one.path is None]


def _all(data: Data) -> list[str | DataSource]:
    return list(data) if isinstance(data, list) else [data]


def _is_file(one: str | DataSource) -> bool:
    return isinstance(one, str) or one.path is not None
