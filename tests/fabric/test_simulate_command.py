# SPDX-License-Identifier: Apache-2.0
"""`colonnade simulate` from outside: the same twice, the same however the file lies, and both protocols over pipes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from colonnade.cli.main import main

TRACE = Path(__file__).resolve().parents[3] / "shared/data/gpu-traces"
COMMAND = [sys.executable, "-m", "colonnade.cli.main", "simulate"]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Twelve nodes and sixty pods, as arguments."""
    draw = random.Random(7)
    nodes = [f"n{n},32000,262144,{(2, 4, 8)[n % 3]},{('T4', 'A10')[n % 2]}" for n in range(12)]
    pods = []
    for n in range(60):
        gpus = draw.choice([0, 1, 1, 1, 1, 2])
        milli = draw.choice([250, 500, 1000]) if gpus == 1 else 1000 * (gpus > 0)
        model = draw.choice(["", "", "T4|A10", "A10"])
        pods.append(
            f"p{n:02d},{draw.choice([1000, 4000])},4096,{gpus},{milli},{model},{'LSBE'[2 * (n % 2) :][:2]},0,{60 + n}"
        )
    (tmp_path / "nodes.csv").write_text("\n".join(["sn,cpu_milli,memory_mib,gpu,model", *nodes]))
    head = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,scheduled_time,deletion_time"
    (tmp_path / "pods.csv").write_text("\n".join([head, *pods]))
    return ["--nodes", str(tmp_path / "nodes.csv"), "--pods", str(tmp_path / "pods.csv")]


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What `simulate --json` says, without its timing."""
    assert main(["simulate", *words, "--json"]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert said["schema"] == "colonnade.simulate/1"
    assert set(said["timing"]) == {policy["policy"] for policy in said["policies"]}
    del said["timing"]
    return said


def test_twice_is_the_same_but_for_the_timing(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [*files, "--policy", "ours,fgd,bestfit,firstfit,packing,random", "--load", "0.8", "--jobs", "200"]
    first = document(capsys, *words)
    assert first == document(capsys, *words)
    assert first != document(capsys, *words, "--seed", "2")
    for policy in first["policies"]:
        assert policy["allocated_milli"] == round(policy["allocated_share"] * first["nodes"]["capacity_milli"])
        assert sum(policy["arrivals"].values()) == sum(policy["placed"].values()) + sum(policy["rejected"].values())
        assert policy["waits"]["unfinished"] == 0
        assert policy["waits"]["by_size"]["all"]["jobs"] == 140


def test_a_shuffled_node_file_gives_the_same(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, *lines = (tmp_path / "nodes.csv").read_text().splitlines()
    before = document(capsys, *files)
    random.Random(1).shuffle(lines)
    (tmp_path / "nodes.csv").write_text("\n".join([head, *lines]))
    assert document(capsys, *files) == before


def test_what_ifs_change_what_they_say(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    plain = document(capsys, *files, "--policy", "fgd")
    more = document(capsys, *files, "--policy", "fgd", "--add-nodes", "2x8xA10")
    cut = document(capsys, *files, "--policy", "fgd", "--quota", "BE=4")
    mig = document(capsys, *files, "--policy", "fgd", "--add-nodes", "2x8xH100-80GB", "--mig")
    assert more["nodes"]["gpus"] == plain["nodes"]["gpus"] + 16
    assert mig["mig"]
    assert mig["nodes"]["gpus"] == more["nodes"]["gpus"]
    assert cut["policies"][0]["rejected_by_quota"] > 0
    assert cut["policies"][0]["allocated_milli"] < plain["policies"][0]["allocated_milli"]


def test_people_get_a_table_and_a_picture(files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "o.png"
    words = ["simulate", *files, "--policy", "fgd,random", "--load", "0.9", "--jobs", "200", "--plot", str(plot)]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "12 nodes, 56 GPUs" in said.out
    assert all(word in said.out for word in ("ALLOCATED", "fgd", "random", "MEAN WAIT", "in use"))
    assert str(plot) in said.err
    with Image.open(plot) as image:
        assert image.width == 1600
        assert len(image.getcolors(1 << 20) or []) > 50


@pytest.mark.parametrize(
    "words, message",
    [
        (["--policy", "best"], "there is no best"),
        (["--ratio", "0"], "--ratio: 0 is out of range"),
        (["--quota", "BE"], "'BE' is not CLASS=GPUS"),
        (["--quota", "XX=1"], "no pod is of class 'XX'"),
        (["--movable", "XX"], "no pod is of class 'XX'"),
        (["--plot", "no/such/folder/o.png"], "there is no folder"),
        (["--nodes", "no.csv"], "there is no file no.csv"),
        (["--load", "9"], "--load: 9 is out of range"),
        (["--mig"], "none of A10, T4 can be cut"),
        (["--mig", "--load", "0.9"], "without departures only"),
    ],
)
def test_what_is_wrong_is_said_with_a_hint_and_status_2(
    files: list[str], capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["simulate", *files, *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "hint: " in said


def test_pods_that_fit_nowhere_are_said(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--nodes", "simulated://2x8xH100-80GB", *files[2:], "--policy", "ours"]
    assert document(capsys, *words)["pods"]["impossible"] > 0
    assert main(["simulate", *words]) == 0
    assert "fit on none of these nodes" in capsys.readouterr().out


# --- over pipes -----------------------------------------------------------------------------------------

NODE = {"cpu_milli": 8000, "memory_mib": 65536, "model": "T4"}
POD = {"cpu_milli": 1000, "memory_mib": 1024, "num_gpu": 1, "gpu_milli": 500, "gpu_spec": ""}
HEADER = {
    "nodes": [{"name": "n0", "gpus": 1, **NODE}, {"name": 'n"1', "gpus": 2, **NODE}],
    "history": [{"pod": 0, **POD}, {"pod": 1, **POD, "num_gpu": 2, "gpu_milli": 1000}],
}


def drive(kind: str, *lines: object) -> tuple[int, list[dict[str, Any]], str]:
    """Status, answers and talk of a driven engine."""
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    done = subprocess.run([*COMMAND, "--drive", kind], input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_driven_engine_places_what_fits_and_refuses_the_rest() -> None:
    pair = {**POD, "num_gpu": 2, "gpu_milli": 1000}
    pods = [{"pod": n, **shape} for n, shape in enumerate([pair, pair, POD, POD, POD, {**POD, "gpu_spec": "A10"}])]
    status, answers, _ = drive("place", HEADER, *pods, {"pod": 6, **POD, "num_gpu": 0, "gpu_milli": 0})
    assert status == 0
    assert answers[0] == {"pod": 0, "node": 'n"1', "gpus": [0, 1]}
    assert answers[1] == {"pod": 1, "node": None}
    assert [answer["node"] for answer in answers[2:6]] == ["n0", "n0", None, None]
    assert answers[6]["gpus"] == []


def test_a_driven_engine_answers_each_line_before_it_gets_the_next() -> None:
    with subprocess.Popen([*COMMAND, "--drive", "place"], stdin=-1, stdout=-1, text=True, bufsize=1) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps(HEADER) + "\n")
        for number in range(3):
            child.stdin.write(json.dumps({"pod": number, **POD}) + "\n")
            child.stdin.flush()
            assert json.loads(child.stdout.readline())["pod"] == number
        child.stdin.close()
        assert child.wait(30) == 0


def test_a_driven_queue_starts_what_waits_when_something_ends() -> None:
    pair = {**POD, "num_gpu": 2, "gpu_milli": 1000, "qos": "LS"}
    history = [{**pod, "qos": "LS", "run_s": 60.0} for pod in HEADER["history"]]
    header = {**HEADER, "history": history, "move_cost_s": 30.0, "movable": "all"}
    instants = [
        {"t": 0.0, "arrive": [{"pod": 0, **pair}, {"pod": 1, **pair}], "end": []},
        {"t": 9.5, "arrive": [], "end": [0]},
    ]
    status, answers, _ = drive("queue", header, *instants)
    assert status == 0
    assert answers == [{"move": [], "start": [[0, 'n"1', [0, 1]]]}, {"move": [], "start": [[1, 'n"1', [0, 1]]]}]


@pytest.mark.parametrize("kind", ["place", "queue"])
@pytest.mark.parametrize(
    "lines, message",
    [
        ([], "stdin ended before the header"),
        (["{"], "stdin:1: "),
        ([{"nodes": [], "history": []}], "the header has no nodes"),
        ([{"history": []}], "stdin:1: "),
        ([HEADER, "[1,2]"], "stdin:2: "),
    ],
    ids=["nothing", "no JSON", "no nodes", "nodes missing", "a pod that is none"],
)
def test_a_line_that_is_not_of_the_protocol_is_named(kind: str, lines: list[object], message: str) -> None:
    status, answers, talk = drive(kind, *lines)
    assert (status, answers) == (2, [])
    assert message in talk
    assert "hint: " in talk


# --- the trace --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not TRACE.is_dir(), reason="the public trace lies beside the checkout in shared/data")
def test_fgd_on_the_trace_fills_as_much_as_its_paper_says(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "--nodes",
        str(TRACE / "openb_node_list_gpu_node.csv"),
        "--pods",
        str(TRACE / "openb_pod_list_default.csv"),
    ]
    found = document(capsys, *words, "--policy", "fgd,bestfit")
    fgd, bestfit = found["policies"]
    assert found["nodes"]["gpus"] == 6212
    assert 0.949 < fgd["allocated_share"] < 0.959
    assert 0.92 < bestfit["allocated_share"] < fgd["allocated_share"] - 0.01
    assert fgd["rejected"]["cpu"] == 0
