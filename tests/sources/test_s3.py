# SPDX-License-Identifier: Apache-2.0
"""S3 as a source, against moto's server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import obstore
import pytest
from obstore.store import S3Store

from colonnade.adapters.sources import s3 as adapter
from colonnade.adapters.sources.outside import OutsideSources
from colonnade.core.errors import Unavailable, UsageError
from colonnade.ports.outside.sources import Source

SECRET = "not-to-be-seen-anywhere"
Put = Callable[[str, bytes], None]


@pytest.fixture
def store(s3: str) -> S3Store:
    """An empty bucket."""
    import urllib.request

    urllib.request.urlopen(urllib.request.Request(f"{s3}/moto-api/reset", method="POST"), timeout=10).close()
    urllib.request.urlopen(urllib.request.Request(f"{s3}/lake", method="PUT"), timeout=10).close()
    return S3Store(
        "lake", endpoint=s3, region="us-east-1", access_key_id="me", secret_access_key=SECRET,
        client_options={"allow_http": True},
    )  # fmt: skip


@pytest.fixture
def source(s3: str) -> Source:
    return Source("s3", "s3://lake/loans/*.csv", endpoint=s3, key_env="KEY", secret_env="SECRET", every_ms=60_000)


@pytest.fixture
def sources(tmp_path: Path) -> OutsideSources:
    environment = {"KEY": "me", "SECRET": SECRET}
    return OutsideSources(tmp_path, lambda name: environment.get(name, ""))


def test_objects_that_match_come_as_files_by_their_names(
    store: S3Store, source: Source, sources: OutsideSources, tmp_path: Path
) -> None:
    for key in ("loans/b.csv", "loans/a.csv", "loans/deep/c.csv", "loans/d.parquet", "loans.csv"):
        obstore.put(store, key, f"name,label\n{key},1\n".encode())
    batches = sources.fetch(source, tmp_path)
    assert [(batch.name, batch.format) for batch in batches] == [
        ("lake/loans/a.csv", "csv"),
        ("lake/loans/b.csv", "csv"),
    ]
    assert batches[0].path.read_text() == "name,label\nloans/a.csv,1\n"
    deep = sources.fetch(replace(source, where="s3://lake/loans/**"), tmp_path)
    assert [batch.format for batch in deep] == ["csv", "csv", "parquet", "csv"]
    one = sources.fetch(replace(source, where="s3://lake/loans.csv"), tmp_path)
    assert [batch.name for batch in one] == ["lake/loans.csv"]


def test_a_new_object_and_a_changed_one_change_the_digest_and_nothing_else_does(
    store: S3Store, source: Source, tmp_path: Path
) -> None:
    now = [0.0]
    environment = {"KEY": "me", "SECRET": SECRET}
    sources = OutsideSources(tmp_path, lambda name: environment.get(name, ""), clock=lambda: now[0])
    seen = []
    for key, data in (("loans/a.csv", b"1"), ("loans/b.csv", b"1"), ("loans/b.csv", b"2"), ("other", b"1")):
        obstore.put(store, key, data)
        now[0] += 60
        seen.append(sources.fingerprint(source))
    assert len(set(seen)) == 3
    assert seen[2] == seen[3] == sources.digest(source)
    obstore.put(store, "loans/c.csv", b"1")
    assert sources.fingerprint(source) == seen[3], "looked at again after its time only"


def test_an_object_that_changes_between_the_list_and_the_read_is_not_taken(
    store: S3Store, source: Source, sources: OutsideSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obstore.put(store, "loans/a.csv", b"old")
    listed = adapter._objects

    def late(given: Source, opened: object) -> object:
        found = listed(given, opened)
        obstore.put(store, "loans/a.csv", b"new and longer")
        return found

    monkeypatch.setattr(adapter, "_objects", late)
    with pytest.raises(Unavailable, match="changed while it was read"):
        sources.fetch(source, tmp_path)


def test_errors_say_what_is_wrong_and_hold_no_secret(
    store: S3Store, source: Source, sources: OutsideSources, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no object matches"):
        sources.digest(source)
    with pytest.raises(Unavailable) as missing:
        sources.digest(replace(source, where="s3://no-such-bucket/*.csv"))
    with pytest.raises(Unavailable) as dead:
        sources.digest(replace(source, endpoint="http://127.0.0.1:1"))
    with pytest.raises(Unavailable, match="NOT_THERE is not set"):
        sources.digest(replace(source, key_env="NOT_THERE"))
    assert SECRET not in f"{missing.value} {dead.value}"
    assert dead.value.code == "source_down"
    dead_print = sources.fingerprint(replace(source, endpoint="http://127.0.0.1:1"))
    assert dead_print.startswith("error source_down")


def test_a_tag_that_holds_the_digits_of_a_refusal_is_no_refusal() -> None:
    changed = type("PreconditionError", (Exception,), {})('If-Match: "9c1403ab" does not hold')
    assert "changed while it was read" in str(adapter._plain(changed, "loans/a.csv"))
    other = type("GenericError", (Exception,), {})('etag "9c1403ab": connection reset')
    assert "does not give" in str(adapter._plain(other, "loans/a.csv"))
    refused = type("GenericError", (Exception,), {})("Client error with status 403 Forbidden: no body")
    assert "refused" in str(adapter._plain(refused, "loans/a.csv"))
