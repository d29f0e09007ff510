# SPDX-License-Identifier: Apache-2.0
"""Node and pod files are read as people have them, and refused with the line and a hint."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from colonnade.app.simulating import Wish, load_nodes, load_pods
from colonnade.core.errors import UsageError
from colonnade.fabric.simulate.inventory import more_nodes, simulated

NODES = "sn,cpu_milli,memory_mib,gpu,model\nb,64000,262144,2,T4\na,96000,393216,8,A100-80GB\n"
PODS = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,scheduled_time,deletion_time\n"
    "p2,4000,8192,1,500,T4|V100,BE,10,110\np1,4000,8192,0,0,,LS,,\np3,8000,8192,2,1000,,LS,0,100000\n"
)


def write(path: Path, text: str) -> str:
    """The path of a file with this text."""
    path.write_text(text)
    return str(path)


def wish(nodes: str, **more: object) -> Wish:
    """A wish for nodes alone."""
    return Wish(nodes, "", ("ours",), **more)  # type: ignore[arg-type]


def test_a_node_file_gives_nodes_with_their_devices(tmp_path: Path) -> None:
    nodes = load_nodes(wish(write(tmp_path / "n.csv", NODES)))
    assert {(n.name, len(n.devices), n.devices[0].model, n.devices[0].memory_mib) for n in nodes} == {
        ("a", 8, "A100-80GB", 81920),
        ("b", 2, "T4", 0),
    }


def test_the_order_of_the_file_and_the_names_of_the_nodes_do_not_matter(tmp_path: Path) -> None:
    head, *lines = [f"n{n},{32000 + n % 3},1000,{1 + n % 4},T4" for n in range(40)]
    columns = "sn,cpu_milli,memory_mib,gpu,model"
    forth = load_nodes(wish(write(tmp_path / "a.csv", "\n".join([columns, head, *lines]))))
    back = load_nodes(wish(write(tmp_path / "b.csv", "\n".join([columns, *reversed(lines), head.replace("n0", "zz")]))))
    assert [(n.cpu_milli, n.devices) for n in forth] == [(n.cpu_milli, n.devices) for n in back]


def test_yaml_says_the_same_in_fewer_words(tmp_path: Path) -> None:
    text = "nodes:\n  - {name: dgx, count: 3, cpu_milli: 112000, memory_mib: 2097152, gpu: 8, model: H100-80GB}\n"
    nodes = load_nodes(wish(write(tmp_path / "n.yaml", text)))
    assert sorted(n.name for n in nodes) == ["dgx-0", "dgx-1", "dgx-2"]
    assert all(len(n.devices) == 8 for n in nodes)


def test_a_gzipped_pod_file_is_read_and_its_pods_are_sorted_by_name(tmp_path: Path) -> None:
    path = tmp_path / "p.csv.gz"
    path.write_bytes(gzip.compress(PODS.encode()))
    cpu, share, multi = load_pods(str(path))
    assert (cpu.claim.gpus, cpu.claim.milli, cpu.run_s) == (0, 0, None)
    assert (share.claim.gpu_milli, share.claim.models, share.qos, share.run_s) == (500, ("T4", "V100"), "BE", 100.0)
    assert (multi.claim.gpus, multi.run_s) == (2, 7200.0)


@pytest.mark.parametrize(
    "text, message, hint",
    [
        ("", r"n\.csv: the file is empty", "it needs the columns sn or name, cpu_milli"),
        ("sn,cpu_milli,memory_mib,gpu,model\n", "a head line and nothing below it", "one line a node"),
        ("sn,cpu_milli,gpu,model\na,1,1,T4\n", r"n\.csv:1: missing column memory_mib", "it has sn, cpu_milli, gpu"),
        (NODES + "c,many,1,1,T4\n", r"n\.csv:4: cpu_milli: 'many' is no whole number", "a whole number"),
        (NODES + "c,-1,1,1,T4\n", r"n\.csv:4: cpu_milli: -1 is less than 0", "at least 0"),
        (NODES + "c,1,1,1\n", r"n\.csv:4: 4 cells under 5 columns", "as many cells"),
        (NODES + "a,1,1,1,T4\n", r"n\.csv:4: node a stands on line 3 already", "unique"),
        (NODES + "c,1,1,1,\n", r"n\.csv:4: node c has 1 GPUs of no model", "fill model"),
        (NODES + ",1,1,1,T4\n", r"n\.csv:4: the node has no name", "fill sn"),
    ],
)
def test_a_wrong_node_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_nodes(wish(write(tmp_path / "n.csv", text)))
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text, message",
    [
        ("- {name: a, cpu_milli: 1, memory_mib: 1, gpu: 1}\n", r"n\.yaml:1: missing column model"),
        ("nodes:\n- oops\n", r"n\.yaml:2: this is no mapping"),
        ("nodes: {", r"n\.yaml:\d+: "),
        ("a: 1\nb: 2\n", r"n\.yaml: there is no list"),
    ],
)
def test_a_wrong_yaml_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_nodes(wish(write(tmp_path / "n.yaml", text)))


def test_a_pod_without_a_share_of_its_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"p\.csv:5: gpu_milli: 0 is less than 1"):
        load_pods(write(tmp_path / "p.csv", PODS + "p4,1,1,1,0,,,,\n"))


def test_a_file_that_is_not_there_not_text_or_a_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "raw.csv").write_bytes(b"\xff\xfe\x00")
    for name, message in (("no.csv", "there is no file"), ("raw.csv", "is not text"), ("", "is a folder")):
        with pytest.raises(UsageError, match=message):
            load_pods(str(tmp_path / name))


def test_simulated_nodes_are_said_in_one_word() -> None:
    four = simulated("simulated://4x8xH100-80GB?cpu_milli=64000&isolation=hard")
    assert [(n.cpu_milli, len(n.devices), n.devices[0].isolation) for n in four] == [(64000, 8, "hard")] * 4
    assert len(simulated("simulated://8xH100-80GB")) == 1


@pytest.mark.parametrize(
    "url", ["simulated://H100", "simulated://0xH100", "simulated://8xH100?colour=red", "simulated://8xH100?isolation=x"]
)
def test_other_forms_of_simulated_nodes_are_refused_with_the_form(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        simulated(url)
    assert caught.value.hint


def test_nodes_are_added_and_every_nth_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "n.csv", "sn,cpu_milli,memory_mib,gpu,model,count\na,1000,1000,2,T4,40\n")
    nodes = load_nodes(wish(path, every=8, add_nodes=("2x4xT4", "2xT4*4")))
    assert sorted(len(n.devices) for n in nodes) == [2] * 5 + [4] * 4
    with pytest.raises(UsageError, match="not NODESxDEVICESxMODEL"):
        more_nodes("four nodes")
