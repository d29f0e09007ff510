# SPDX-License-Identifier: Apache-2.0
"""What we install is listed with its licence, and stays small and free of what we promised to do without."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
THIRD_PARTY = (ROOT / "THIRD_PARTY.md").read_text()


def locked(root: str, *, groups: tuple[str, ...] = (), extra: str = "") -> set[str]:
    """Names of everything that `root` needs, itself left out, from `uv.lock`; only what Linux installs."""
    packages = {p["name"]: p for p in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    wanted = [d["name"] for d in packages[root].get("dependencies", [])]
    wanted += [d["name"] for group in groups for d in packages[root]["dev-dependencies"][group]]
    optional = packages[root]["optional-dependencies"][extra] if extra else []
    wanted += [d["name"] for d in optional]
    wanted += [d["name"] for one in optional for part in one.get("extra", [])
               for d in packages[one["name"]]["optional-dependencies"][part]]  # fmt: skip
    seen: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in seen:
            seen.add(name)
            deps = packages[name].get("dependencies", [])
            wanted += [d["name"] for d in deps if "win32" not in d.get("marker", "")]
    return seen


def test_third_party_lists_exactly_what_the_base_install_brings() -> None:
    table = THIRD_PARTY.split("## Installed beside it")[1].split("\n## ")[0]
    listed = set(re.findall(r"^\| ([a-z0-9-]+) \|", table, re.M)) - {"package"}
    assert listed == locked("colonnade")


def test_third_party_and_the_page_of_extras_list_exactly_what_each_extra_brings() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    table = THIRD_PARTY.split("## Extras")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([a-z0-9, ]+) \| ([a-z0-9-]+) \|", table, re.M)[1:]
    listed = {(extra, package) for extras, package in rows for extra in extras.split(", ")}
    assert listed == {
        (extra, name) for extra in declared for name in locked("colonnade", extra=extra) - locked("colonnade")
    }
    page = (ROOT / "docs/reference/extras.md").read_text()
    assert set(re.findall(r"^\| `([a-z0-9]+)` \|", page, re.M)) == set(declared)


def test_the_base_install_has_at_most_45_packages_and_no_torch() -> None:
    names = locked("colonnade", groups=("weights",))
    assert len(names) <= 45
    assert not names & {"torch", "transformers", "sentence-transformers", "tokenizers", "scipy", "pandas"}


def test_the_licence_is_the_whole_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
