# SPDX-License-Identifier: Apache-2.0
"""Sources that need no file of the user's: the language reference that every CPython carries."""

from __future__ import annotations

import re
from pathlib import Path


def builtin_folder(home: Path, name: str) -> Path:
    """A folder with the source's texts, written again whenever this Python's texts differ. Raises ValueError."""
    if name != "python-topics":
        raise ValueError(name)
    from pydoc_data.topics import topics

    folder = home / "builtin" / name
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {f"{re.sub(r'[^A-Za-z0-9_.-]', '_', topic)}.rst": text for topic, text in topics.items()}
    for file in folder.iterdir():
        if file.name not in wanted:
            file.unlink()
    for file_name, text in wanted.items():
        file = folder / file_name
        data = text.encode()
        if not file.exists() or file.read_bytes() != data:
            file.write_bytes(data)
    return folder
