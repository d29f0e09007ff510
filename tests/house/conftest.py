# SPDX-License-Identifier: Apache-2.0
"""A copy of this checkout to install, break and move about; the real `.venv` is never touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from scripts.bootstrap import find_uv

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def offline(installer: dict[str, str]) -> dict[str, str]:
    """The environment of a machine that has installed once and has since lost its network; uv is on the path."""
    uv = find_uv() or pytest.skip("needs uv at the locked version: ./dev setup fetches it")
    keep = {k: v for k, v in installer.items() if k in {"HOME", "LANG", "UV_CACHE_DIR", "XDG_CACHE_HOME"}}
    return keep | {
        "PATH": f"{uv.parent}:/usr/bin:/bin",
        "UV_OFFLINE": "1",
        "PYTHON": os.path.realpath(ROOT / ".venv/bin/python"),
    }


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `./dev` needs of a clone."""
    home = tmp_path / "clone"
    (home / "scripts").mkdir(parents=True)
    for name in ("dev", "pyproject.toml", "uv.lock", "README.md", "LICENSE", "THIRD_PARTY.md", "scripts/bootstrap.py"):
        shutil.copy2(ROOT / name, home / name)
    shutil.copytree(ROOT / "src", home / "src", ignore=shutil.ignore_patterns("__pycache__"))
    return home
