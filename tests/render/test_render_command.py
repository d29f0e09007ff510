# SPDX-License-Identifier: Apache-2.0
"""`colonnade render` as people call it: its stream against a golden file, its JSON, its folder; and the house, run.

Nothing here needs a cluster: the container's command, environment and paths are tried as a process on this machine.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from colonnade import __version__
from colonnade.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "golden"
ACME = ROOT / "examples/acme"


def rendered(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[str, str]:
    """stdout and stderr of `colonnade render --target kubernetes WORDS`."""
    assert main(["render", "--target", "kubernetes", *words]) == 0
    said = capsys.readouterr()
    return said.out, said.err


def test_the_same_declaration_gives_the_same_manifests_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = rendered(capsys, "-C", str(GOLDEN), "--gpus", "12")
    golden = (GOLDEN / "manifests.yaml").read_text("utf-8")
    assert out == golden.replace("colonnade 0.1.0", f"colonnade {__version__}").replace(
        "colonnade:0.1.0", f"colonnade:{__version__}"
    ), "if this is meant: colonnade render --target kubernetes -C tests/render/golden --gpus 12 > .../manifests.yaml"


@pytest.mark.parametrize("folder", [GOLDEN, ACME], ids=["golden", "acme"])
def test_every_object_of_an_example_is_valid(folder: Path, judge: Any, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = rendered(capsys, "-C", str(folder), "--json")
    document = json.loads(out)
    assert document["schema"] == "colonnade.render/1"
    judge(document["objects"])
    for warning in document["warnings"]:
        assert f"warning {warning['ref']}: {warning['message']}\n" in err
    for sentence in document["requires"]:
        assert f"needs {sentence}\n" in err


def test_the_stream_and_the_json_and_the_folder_are_the_same_objects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, _ = rendered(capsys, str(GOLDEN))
    document = json.loads(rendered(capsys, str(GOLDEN), "--json", "--out", str(tmp_path / "k8s"))[0])
    assert list(yaml.safe_load_all(stream)) == document["objects"]
    files = [yaml.safe_load((tmp_path / "k8s" / name).read_text()) for name in document["files"][:-1]]
    assert files == document["objects"]
    assert document["files"][-1] == "kustomization.yaml"


def test_used_wrongly_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    for words in (["--target", "nomad"], [], ["--target", "kubernetes", "--gpus", "-1"]):
        assert main(["render", "-C", str(GOLDEN), *words]) == 2
    assert main(["render", "--target", "kubernetes", "-C", str(GOLDEN), "--out", str(tmp_path / "file")]) == 2
    assert main(["render", "--target", "kubernetes", "-C", str(GOLDEN), "--out", str(tmp_path / "file/within")]) == 2
    assert "hint" in capsys.readouterr().err


@pytest.fixture
def port() -> int:
    """One that was free a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_the_house_runs_as_its_container_would_run_it(
    tmp_path: Path, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Volumes are folders, and the ConfigMap's declaration lies where the pod mounts it."""
    (tmp_path / "colonnade.yaml").write_text(f"version: 1\nproject: pod\ngateway: {{port: {port}}}\n")
    document = json.loads(rendered(capsys, str(tmp_path), "--json")[0])
    found = {one["kind"]: one for one in document["objects"]}
    container = found["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]
    place = {mount["name"]: tmp_path / "pod" / mount["name"] for mount in container["volumeMounts"]}
    for folder in place.values():
        folder.mkdir(parents=True)
    mounts = [(mount["mountPath"], str(place[mount["name"]])) for mount in container["volumeMounts"]]

    def here(text: str) -> str:
        inner = [(there, folder) for there, folder in mounts if text == there or text.startswith(there + "/")]
        return inner[0][1] + text.removeprefix(inner[0][0]) if inner else text

    (place["sources"] / "colonnade.yaml").write_text(found["ConfigMap"]["data"]["colonnade.yaml"])
    assert container["command"][0] == "colonnade"
    entry = "from colonnade.cli.main import entry; entry()"
    command = [sys.executable, "-c", entry, *map(here, container["command"][1:])]
    env = {one["name"]: here(one["value"]) for one in container["env"]}
    daemon = subprocess.Popen(
        command, env={"PATH": os.environ["PATH"], **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        probe = container["livenessProbe"]["httpGet"]
        headers = {one["name"]: one["value"] for one in probe["httpHeaders"]}
        assert answered(port, probe["path"], headers) == 200
        assert answered(port, "/v1/models", {"Host": f"colonnade.pod.svc.cluster.local:{port}"}) == 401
        assert answered(port, "/v1/models", {"Host": "elsewhere.example"}) == 421
        assert (place["state"] / "home/state.db").exists()
    finally:
        daemon.terminate()
        daemon.wait(timeout=30)
    assert daemon.returncode == 0


def answered(port: int, path: str, headers: dict[str, str]) -> int:
    """The status, once somebody listens."""
    for _ in range(600):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().status
        except ConnectionRefusedError:
            time.sleep(0.05)
        finally:
            connection.close()
    raise AssertionError("nobody listens")
