# SPDX-License-Identifier: Apache-2.0
"""The packaged model for the tests of this room, or a reason to skip."""

from __future__ import annotations

from pathlib import Path

import pytest

from colonnade.adapters.models.minilm.folder import ModelFolder, default_folder
from colonnade.core.errors import MissingExtra


@pytest.fixture(scope="session")
def minilm() -> ModelFolder:
    """The folder of all-MiniLM-L6-v2."""
    try:
        return default_folder()
    except MissingExtra:
        pytest.skip("needs the weights of all-MiniLM-L6-v2 (dependency group `weights`)")


@pytest.fixture(scope="session")
def vocabulary(minilm: ModelFolder) -> list[str]:
    """MiniLM's pieces in the order of their ids."""
    return Path(minilm.path / "vocab.txt").read_text("utf-8").split("\n")[:-1]
