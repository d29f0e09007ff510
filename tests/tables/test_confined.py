# SPDX-License-Identifier: Apache-2.0
"""Tables are read in a process of their own: a hostile file ends that and nothing else; no secret is in it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colonnade.adapters.tables.confined import ConfinedTables
from colonnade.adapters.tables.judge import judge
from colonnade.core.errors import StorageFull, UsageError
from colonnade.core.tables import ColumnRule, Rules
from colonnade.ports.outside.tables import Batch, Division
from colonnade.testing.project import until


def parquet(path: Path, rows: int = 1000) -> Batch:
    table = pa.table(
        {"age": list(range(rows)), "word": [f"w{n % 7}" for n in range(rows)], "label": [1, 0] * (rows // 2)}
    )
    pq.write_table(table, path)
    return Batch(path.name, path, "parquet")


def test_a_child_says_what_the_engine_says_in_place(tmp_path: Path) -> None:
    batches = [parquet(tmp_path / "a"), parquet(tmp_path / "b", 20)]
    rules = Rules({"age": ColumnRule("integer", 0, 500)}, ("age",))
    assert ConfinedTables().judge(batches, rules, "label") == judge(batches, rules, "label")


def test_every_cut_of_a_file_and_any_noise_in_it_is_only_a_breach(tmp_path: Path) -> None:
    good = parquet(tmp_path / "good")
    data, rng, batches = good.path.read_bytes(), random.Random(7), [good]
    for number in range(24):
        path = tmp_path / f"bad-{number}"
        noise = bytearray(data)
        for _ in range(40):
            noise[rng.randrange(len(noise))] = rng.randrange(256)
        path.write_bytes(bytes(noise) if number % 2 else data[: len(data) * number // 24])
        batches.append(Batch(path.name, path, "parquet"))
    found = ConfinedTables().judge(batches, Rules(), "label")
    assert [one.name for one in found.judged] == [batch.name for batch in batches]
    assert not found.judged[0].breaches
    assert sum(bool(one.breaches) for one in found.judged[1:]) >= 12


def test_a_file_that_swells_is_quarantined_and_the_others_go_on(tmp_path: Path) -> None:
    big = pa.table({"age": pa.array(["x" * 2_000_000]).take(pa.array([0] * 600)), "label": [1] * 600})
    pq.write_table(big, tmp_path / "bomb", compression="zstd")
    assert (tmp_path / "bomb").stat().st_size < 3_000_000
    batches = [parquet(tmp_path / "good"), Batch("bomb", tmp_path / "bomb", "parquet")]
    pq.write_table(pa.table({"age": list(range(10)), "word": ["x"] * 10, "label": [1] * 10}), tmp_path / "good")
    found = ConfinedTables(memory_mib=900).judge(batches, Rules(), "label")
    assert [bool(one.breaches) for one in found.judged] == [False, True]
    assert "memory" in found.judged[1].breaches[0].rule


def test_a_pattern_that_never_ends_is_ended(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("word,label\n" + "a" * 60 + "b,1\n")
    batch = Batch("a.csv", tmp_path / "a.csv", "csv")
    found = ConfinedTables(cpu_s=2).judge([batch], Rules({"word": ColumnRule(pattern="(a+)+")}), "label")
    assert "took more than 2 s" in found.judged[0].breaches[0].rule


def test_no_secret_of_the_daemon_is_in_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "s3cret")
    given: list[dict[str, str]] = []
    popen = subprocess.Popen

    def watched(*args: object, **options: object) -> object:
        given.append(options["env"])  # type: ignore[arg-type]
        return popen(*args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", watched)
    ConfinedTables().judge([parquet(tmp_path / "a")], Rules(), "label")
    assert given
    assert "s3cret" not in str(given)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_full_disk_is_said_as_such(tmp_path: Path, form: str) -> None:
    batch = parquet(tmp_path / "a")
    (tmp_path / "out").mkdir()
    os.symlink("/dev/full", tmp_path / "out" / f"train.{form}")
    with pytest.raises(StorageFull, match="no space left"):
        ConfinedTables().divide([batch], Division("label", 0.3, format=form), tmp_path / "out")
    assert not (tmp_path / "out" / "buckets").exists()


def test_a_division_in_the_child_gives_what_is_asked_for(tmp_path: Path) -> None:
    batch = parquet(tmp_path / "a")
    found = ConfinedTables().divide([batch], Division("label", 0.25, "age", format="parquet"), tmp_path / "out")
    assert (found.train, found.test) == (750, 250)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["test.csv", "test.parquet", "train.parquet"]
    with pytest.raises(UsageError, match="there is no column 'when'"):
        ConfinedTables().divide([batch], Division("label", 0.25, "when", format="parquet"), tmp_path / "out")


def test_the_process_that_reads_ends_with_its_daemon(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("word,label\n" + "a" * 60 + "b,1\n")
    code = f"""
from pathlib import Path
from colonnade.adapters.tables.confined import ConfinedTables
from colonnade.core.tables import ColumnRule, Rules
from colonnade.ports.outside.tables import Batch
rules = Rules({{"word": ColumnRule(pattern="(a+)+")}})
ConfinedTables().judge([Batch("a.csv", Path({str(tmp_path / "a.csv")!r}), "csv")], rules, "label")
"""
    daemon = psutil.Popen([sys.executable, "-c", code])
    try:
        until(lambda: bool(daemon.children()), 20)
        (child,) = daemon.children()
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        assert psutil.wait_procs([child], timeout=10)[0] == [child]
    finally:
        if daemon.poll() is None:
            daemon.kill()
