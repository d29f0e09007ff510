# SPDX-License-Identifier: Apache-2.0
"""Predictions over files: each row once and in order, through refusals, wrong rows, restarts and kills."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from colonnade.app.batches import asking
from colonnade.app.batches.asking import Asking
from colonnade.app.batches.doing import Wanted, predict_file
from colonnade.app.batches.rows import batches
from colonnade.core.errors import Refused, Unavailable, UsageError
from colonnade.testing.project import until
from tests.serving.served_project import Served

VERSION = "sha256:" + "ab" * 32


class Gateway(ThreadingHTTPServer):
    """Answers a + 1 for each row as our gateway does; a row without `a` makes the request wrong. `moods`: what it
    answers first, instead: (status, Retry-After).
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.moods: list[tuple[int, str | None]] = []
        self.asked: list[list[Any]] = []
        self.lock = threading.Lock()

    def where(self) -> tuple[str, str]:
        return f"http://127.0.0.1:{self.server_port}", "key"


class Handler(BaseHTTPRequestHandler):
    server: Gateway
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        rows = json.loads(self.rfile.read(int(self.headers["content-length"])))["rows"]
        with self.server.lock:
            mood = self.server.moods.pop(0) if self.server.moods else None
        if mood is not None:
            return self.send(mood[0], {"error": {"message": "not now", "code": "overloaded"}}, mood[1])
        self.server.asked.append(rows)
        if any(row.get("a") is None for row in rows):
            return self.send(400, {"error": {"message": "row 0 has no value for 'a'", "code": "invalid_value"}})
        if any(row["a"] == "poison" for row in rows):
            return self.send(500, {"error": {"message": "the model failed", "code": "model_failed"}})
        return self.send(200, {"version": VERSION, "predictions": [row["a"] + 1 for row in rows]})

    def send(self, status: int, body: Any, retry: str | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        if retry is not None:
            self.send_header("retry-after", retry)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the library's)
        pass


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = threading.Thread(target=lambda: server.serve_forever(0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def wanted(folder: Path, text: str, name: str = "in.csv", out: str = "out.csv", **more: Any) -> Wanted:
    (folder / name).write_text(text)
    return Wanted("credit", folder / name, folder / out, **{"batch": 3, "concurrency": 2, **more})


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_row_is_answered_once_and_in_order_whatever_the_formats(gateway: Gateway, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = list(range(100))
    (tmp_path / "in.csv").write_text("id,a\n" + "".join(f"k{value},{value}\n" for value in values))
    (tmp_path / "in.jsonl").write_text("".join(json.dumps({"id": f"k{value}", "a": value}) + "\n" for value in values))
    pq.write_table(pa.table({"id": [f"k{value}" for value in values], "a": values}), tmp_path / "in.parquet")
    for source in ("in.csv", "in.jsonl", "in.parquet"):
        for kind in ("csv", "jsonl", "parquet"):
            out = tmp_path / f"{source}.{kind}"
            job = Wanted("credit", tmp_path / source, out, batch=7, concurrency=3, keep=("id",))
            done = predict_file(job, gateway.where)
            assert (done["rows"], done["answered"], done["wrong"], done["versions"]) == (100, 100, 0, [VERSION])
            if kind == "jsonl":
                rows = lines(out)
            elif kind == "csv":
                rows = list(table(out))
            else:
                rows = pq.read_table(out).to_pylist()
            assert [row["id"] for row in rows] == [f"k{value}" for value in values]
            assert [int(row["prediction"]) for row in rows] == [value + 1 for value in values]
            first = 2 if source == "in.csv" else 1
            assert [int(row["line"]) for row in rows] == [value + first for value in values]
    assert not list(tmp_path.glob("*.progress")) + list(tmp_path.glob("*.rows"))


def test_a_wrong_row_is_told_with_its_line_and_stops_nothing_else(gateway: Gateway, tmp_path: Path) -> None:
    text = '{"a": 1}\n{"b": 1}\nnonsense\n[1]\n\n{"a": "poison"}\n{"a": 2}\n{"a": NaN}\n{"a": 3}\n'
    done = predict_file(wanted(tmp_path, text, "in.jsonl", "out.jsonl", batch=50), gateway.where)
    rows = lines(tmp_path / "out.jsonl")
    assert [(row["line"], row.get("prediction")) for row in rows] == [
        (1, 2), (2, None), (3, None), (4, None), (6, None), (7, 3), (8, None), (9, 4),
    ]  # fmt: skip
    assert (done["answered"], done["wrong"]) == (3, 5)
    assert [row["line"] for row in done["wrong_rows"]] == [2, 3, 4, 6, 8]
    assert "no value for 'a'" in rows[1]["error"]
    assert "no JSON" in rows[2]["error"]
    assert "the model failed" in rows[4]["error"]


def test_a_csv_waits_with_its_header_for_the_first_answer_and_rows_keep_the_lines_they_begin_on(
    gateway: Gateway, tmp_path: Path
) -> None:
    text = 'a,note\n,x\n,"over\ntwo lines"\n5,y\n6\n7,"z, or ""so"""\n'
    predict_file(wanted(tmp_path, text, batch=1, keep=("note",)), gateway.where)
    rows = table(tmp_path / "out.csv")
    assert [row["line"] for row in rows] == ["2", "3", "5", "6", "7"]
    assert [row["prediction"] for row in rows] == ["", "", "6", "", "8"]
    assert [row["note"] for row in rows] == ["x", "over\ntwo lines", "y", "", 'z, or "so"']
    assert "1 values, and the header has 2" in rows[3]["error"]


def test_stop_ends_at_the_first_wrong_row_and_what_stood_before_is_there(gateway: Gateway, tmp_path: Path) -> None:
    job = wanted(tmp_path, "a\n1\n2\nx\n" + "3\n" * 50, stop=True)
    (tmp_path / "in.csv").write_text('a,b\n1,1\n2,1\n3,1\n"",1,1\n4,1\n')
    with pytest.raises(UsageError, match=r"in.csv, line 5: it has 3 values") as raised:
        predict_file(job, gateway.where)
    assert raised.value.code == "invalid_value"
    assert [row["prediction"] for row in table(tmp_path / "out.csv")] == ["2", "3", "4"]


def test_not_now_is_waited_out_as_long_as_the_server_says(gateway: Gateway, request: pytest.FixtureRequest) -> None:
    gateway.moods = [(429, "0"), (429, "2"), (503, "1"), (429, "nonsense")]
    pauses: list[float] = []
    asks = Asking(gateway.where, "credit", pauses.append)
    request.addfinalizer(asks.close)
    assert [answer.value for answer in asks.ask([{"a": 1}, {"a": 2}])] == [2, 3]
    assert asks.waits == 4
    assert 1.5 < max(pauses) <= 2


def test_a_refusal_that_waiting_does_not_mend_is_told_at_once(gateway: Gateway, request: pytest.FixtureRequest) -> None:
    asks = Asking(gateway.where, "credit")
    request.addfinalizer(asks.close)
    gateway.moods = [(401, None)]
    with pytest.raises(Refused):
        asks.ask([{"a": 1}])
    gateway.moods = [(503, None)]
    (answer,) = asks.ask([{"a": 1}])
    assert answer.wrong == "not now", "a request that ended its replica three times"


def test_a_daemon_that_does_not_come_back_ends_it_with_a_way_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE_S", 0.05)
    job = wanted(tmp_path, "a\n1\n")
    with pytest.raises(Unavailable, match="took nothing for") as raised:
        predict_file(job, lambda: ("http://127.0.0.1:9", ""))
    assert "goes on where it stopped" in raised.value.hint


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_run_that_was_killed_goes_on_and_gives_the_same_bytes(gateway: Gateway, tmp_path: Path, kind: str) -> None:
    text = "a\n" + "".join(f"{value}\n" for value in range(60)) + "x,y\n" + "7\n"
    whole = wanted(tmp_path, text, out=f"whole.{kind}")
    predict_file(whole, gateway.where)
    job = Wanted("credit", whole.file, tmp_path / f"out.{kind}", batch=3, concurrency=2)

    class Killed(Exception):
        pass

    def after(rows: int) -> Any:
        def show(_label: str, done: int, _total: int) -> None:
            if done >= rows:
                raise Killed

        return show

    for rows in (1, 20, 31):
        with pytest.raises(Killed):
            predict_file(job, gateway.where, after(rows))
        file = job.out if kind != "parquet" else job.out.with_name(f"{job.out.name}.rows")
        with file.open("ab") as torn:
            torn.write(b'{"line": 99, "predi')  # what a kill in the middle of a write leaves
    gateway.asked.clear()
    done = predict_file(job, gateway.where)
    assert done["resumed_at"] >= 31
    assert sum(map(len, gateway.asked)) <= 62 - 31, "nothing that stood there is asked again"
    assert job.out.read_bytes() == whole.out.read_bytes()
    assert (done["rows"], done["answered"], done["wrong"]) == (62, 61, 1)


def test_what_cannot_be_gone_on_with_is_refused(gateway: Gateway, tmp_path: Path) -> None:
    job = wanted(tmp_path, "a\n1\n2\n3\n4\n5\n6\n7\n")

    def stop(_label: str, done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_file(job, gateway.where, stop)
    for changed, what in (
        (Wanted("other", job.file, job.out), "service"), (Wanted("credit", job.file, job.out, keep=("a",)), "--keep"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=f"begun with another {what}"):
            predict_file(changed, gateway.where)
    text = job.file.read_text()
    job.file.write_text(text + "8\n")
    with pytest.raises(UsageError, match="begun with another input"):
        predict_file(job, gateway.where)
    job.file.write_text(text)
    assert predict_file(job, gateway.where)["rows"] == 7
    with pytest.raises(UsageError, match="is there already"):
        predict_file(job, gateway.where)
    for name in ("out.txt", "out"):
        with pytest.raises(UsageError, match="neither"):
            predict_file(Wanted("credit", job.file, tmp_path / name), gateway.where)


def test_files_that_are_no_rows_say_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"")
    with pytest.raises(UsageError, match="no header"):
        next(batches(tmp_path / "a.csv", 5))
    (tmp_path / "a.jsonl").write_bytes(b'{"a": "\xff"}\n')
    with pytest.raises(UsageError, match="not UTF-8"):
        next(batches(tmp_path / "a.jsonl", 5))
    (tmp_path / "a.parquet").write_bytes(b"PAR1 or not")
    with pytest.raises(UsageError, match="no Parquet"):
        next(batches(tmp_path / "a.parquet", 5))


@pytest.mark.slow
def test_a_killed_command_goes_on_and_the_file_is_whole(tmp_path: Path) -> None:
    project = Served.make(tmp_path, script=True)
    slow = (tmp_path / "serve.py").read_text().replace("    time.sleep", "    time.sleep(0.01)\n    time.sleep")
    project.write("serve.py", slow)
    project.write("in.csv", "a,b\n" + "".join(f"{value},1\n" for value in range(3000)) + "oops\n5,1\n")
    files = ("--file", str(tmp_path / "in.csv"), "--out", str(tmp_path / "out.csv"))
    words = ["predict", "credit", *files, "--batch", "20"]
    try:
        project.up()
        project.live(2)
        with subprocess.Popen(project.command(*words), env=project.env(), stderr=subprocess.DEVNULL) as first:
            until(lambda: (tmp_path / "out.csv").exists() and (tmp_path / "out.csv").stat().st_size > 2000, 30, 0.01)
            first.send_signal(signal.SIGKILL)
        done = project.run(*words, "--json")
        assert done.code == 0, done.err
        assert done.json["resumed_at"] > 0
        assert (done.json["rows"], done.json["answered"], done.json["wrong"]) == (3002, 3001, 1)
        rows = table(tmp_path / "out.csv")
        assert [row["prediction"] for row in rows[:3000]] == [str(2.0 * value + 1) for value in range(3000)]
        assert rows[3000]["error"].startswith("it has 1 values")
        assert project.run(*words).code == 2, "it is there already"
    finally:
        project.end()
