# SPDX-License-Identifier: Apache-2.0
"""The official clients are there for the gateway's tests, in the versions that their names promise."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["openai1", "openai3", "mcp1", "mcp2"])
def test_each_client_environment_has_the_major_version_in_its_name(
    client_python: Callable[[str], Path], name: str
) -> None:
    package, major = name[:-1], name[-1]
    code = f"from importlib.metadata import version; print(version({package!r}))"
    done = subprocess.run([client_python(name), "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(".")[0] == major
