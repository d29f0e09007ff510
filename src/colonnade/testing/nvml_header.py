# SPDX-License-Identifier: Apache-2.0
"""Write `nvml_table.json` from NVIDIA's header: for each function that we call, its signature, its line, and the return
codes that its comment lists. Nothing is written by hand, so that nothing is invented.

    pip install --target H nvidia-nvml-dev==13.4.92
    python -m colonnade.testing.nvml_header H/nvidia/cu13/include/nvml.h 13.4.92 FUNCTION... > nvml_table.json

Without functions: those that the table has already.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("nvml_table.json")
_CODE = re.compile(r"NVML_(?:SUCCESS|ERROR_[A-Z0-9_]+)")


def table_of(header: Path, version: str, functions: list[str]) -> dict[str, Any]:
    """The table. Raises `LookupError` for a function that the header does not declare."""
    text = header.read_text(encoding="utf-8", errors="replace")
    values = re.findall(r"^\s+(NVML_(?:SUCCESS|ERROR_\w+))\s*=\s*(\d+)", text, re.MULTILINE)
    return {
        "header": f"nvml.h of the package nvidia-nvml-dev {version}",
        "codes": {name: int(value) for name, value in values},
        "functions": {name: _entry(text, name) for name in sorted(functions)},
    }


def _entry(text: str, name: str) -> dict[str, Any]:
    found = re.search(rf"^[\w (),.]*\bDECLDIR {name}\(([^)]*)\);", text, re.M)
    if found is None:
        raise LookupError(f"{name} is not declared")
    comment = text[text.rindex("/**", 0, found.start()) : found.start()]
    if "*/" in comment and comment.rstrip()[-2:] != "*/":
        comment = ""  # an undocumented function: the comment before it is another's
    listed = comment[comment.index("@return") :] if "@return" in comment else ""
    return {
        "line": text.count("\n", 0, found.start()) + 1,
        "signature": " ".join(found[0].split()).replace("DECLDIR ", ""),
        "returns": sorted(set(_CODE.findall(listed)), key=lambda code: (code != "NVML_SUCCESS", code)),
    }


if __name__ == "__main__":
    known = list(json.loads(TABLE.read_text(encoding="utf-8"))["functions"]) if TABLE.exists() else []
    print(json.dumps(table_of(Path(sys.argv[1]), sys.argv[2], sys.argv[3:] or known), indent=1))
