# SPDX-License-Identifier: Apache-2.0
"""The official `tritonclient` infers over REST, binary by default, as JSON when asked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serving.served_project import Served

SCRIPT = Path(__file__).parents[1] / "gateway/scripts/triton_calls.py"


@pytest.mark.slow
def test_the_official_client_infers_in_binary_and_in_json(client_python: Callable[[str], Path], tmp_path: Path) -> None:
    python = client_python("triton2")
    project = Served.make(tmp_path)
    try:
        project.up()
        version = project.service()["version"]
        done = subprocess.run(
            [str(python), str(SCRIPT), project.url, project.token, "credit"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        project.end()
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert (seen["live"], seen["ready"], seen["model_ready"]) == (True, True, True)
    assert seen["server"]["name"] == "colonnade"
    assert seen["metadata"]["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]
    assert seen["metadata"]["versions"] == [version]
    for way in ("default", "binary", "json", "mixed"):
        assert seen[way] == {"y": [7.0, 25.0, 0.0], "id": "one", "version": version}, way
    assert "shape" in seen["wrong_shape"]["message"]
    assert seen["no_key"]["status"] == "401"
    assert seen["unknown"]["status"] == "404"
