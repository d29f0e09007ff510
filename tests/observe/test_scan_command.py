# SPDX-License-Identifier: Apache-2.0
"""`colonnade scan` as people and programs see it: no daemon, no project, nothing run, an exit code to rely on."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from colonnade.cli.main import main
from tests.observe.pickle_attacks import EVIL


def scan(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict]:  # type: ignore[type-arg]
    code = main(["scan", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_clean_file_exits_0_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps([1, 2]))
    code, said = scan(capsys, str(path))
    assert (code, said["verdict"], said["reasons"]) == (0, "clean", [])
    assert main(["scan", str(path)]) == 0
    assert "clean" in capsys.readouterr().out


def test_a_foreign_global_exits_1_and_its_payload_never_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sentinel = tmp_path / "sentinel"
    path = tmp_path / "model.joblib"
    path.write_bytes(b"cos\nsystem\n(Vtouch " + str(sentinel).encode() + b"\ntR.")
    code, said = scan(capsys, str(path))
    assert (code, said["verdict"], said["globals"]) == (1, "malicious", ["os.system"])
    assert "outside of the allow-list" in said["reasons"][0]
    assert not sentinel.exists()


def test_a_folder_has_a_verdict_for_each_file_and_the_worst_for_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(1))
    (tmp_path / "deep" / "b.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(30))
    code, said = scan(capsys, str(tmp_path))
    assert (code, said["verdict"]) == (1, "unreadable")
    (tmp_path / "deep" / "er" / "weights.dat").write_bytes(EVIL)
    code, said = scan(capsys, str(tmp_path))
    assert (code, said["verdict"]) == (1, "malicious")
    assert {file["path"]: file["verdict"] for file in said["files"]} == {
        "a.pkl": "clean",
        "deep/b.7z": "unreadable",
        "deep/er/weights.dat": "malicious",
    }
    assert main(["scan", str(tmp_path)]) == 1
    assert "1 of 3 files clean" in capsys.readouterr().out


def test_what_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    assert main(["scan", str(tmp_path / "none")]) == 2
    assert main(["scan", str(tmp_path)]) == 2


def test_a_name_from_the_file_cannot_write_to_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(b"c\x1b[2Jos\nsystem\n.")
    assert main(["scan", str(path)]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_a_pipe_is_not_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.pkl")
    code, said = scan(capsys, str(tmp_path / "pipe.pkl"))
    assert (code, said["verdict"]) == (1, "unreadable")
