# SPDX-License-Identifier: Apache-2.0
"""Each file of other people's that we carry is the one we meant, with its licence beside it."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted((ROOT / "src/colonnade/gateway/static/vendor").iterdir())
FOR_TESTS = sorted((ROOT / "tests/console/vendor").iterdir())


def test_there_is_something_to_check() -> None:
    assert {f.name.rpartition("-")[0] for f in SHIPPED} == {"htmx", "uplot"}
    assert {f.name.rpartition("-")[0] for f in FOR_TESTS} == {"axe-core"}


@pytest.mark.parametrize("folder", [*SHIPPED, *FOR_TESTS], ids=lambda f: f.name)
def test_a_vendored_folder_holds_exactly_the_files_whose_hashes_it_lists(folder: Path) -> None:
    described = tomllib.loads((folder / "vendor.toml").read_text())
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir() if p.name != "vendor.toml"}
    assert found == described["sha256"]
    assert "LICENSE" in found
    assert folder.name.endswith("-" + described["version"])
    assert {"name", "spdx", "purpose", "integrity"} <= described.keys()


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda f: f.name)
def test_the_wheel_declares_the_licence_of_what_it_carries(folder: Path) -> None:
    spdx = tomllib.loads((folder / "vendor.toml").read_text())["spdx"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert spdx in project["license"].split(" AND ")
    assert spdx in (ROOT / "THIRD_PARTY.md").read_text()


def test_what_only_tests_use_is_not_in_the_package() -> None:
    assert not list((ROOT / "src").rglob("*axe*"))
