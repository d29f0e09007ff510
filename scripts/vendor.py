# SPDX-License-Identifier: Apache-2.0
"""Fetch a browser library from the npm registry into its vendor folder and write its `vendor.toml`.

Run by a developer who wants a newer version, never by the build, the tests or the product:

    python scripts/vendor.py            # all of them, as pinned below
    python scripts/vendor.py htmx.org   # one

It needs `npm` on the path. The file list and the versions below are the whole configuration.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONSOLE = ROOT / "src/colonnade/gateway/static/vendor"
TESTS = ROOT / "tests/console/vendor"


@dataclass(frozen=True)
class Library:
    """One npm package that we carry: which of its files, under which licence, for what."""

    package: str
    folder: str
    version: str
    spdx: str
    purpose: str
    files: tuple[str, ...]
    into: Path = CONSOLE


LIBRARIES = (
    Library(
        "htmx.org",
        "htmx",
        "4.0.1",
        "0BSD",
        "Swaps parts of console pages without a build step; hx-sse carries live updates.",
        ("dist/htmx.min.js", "dist/ext/hx-sse.min.js", "LICENSE"),
    ),
    Library(
        "uplot",
        "uplot",
        "1.6.32",
        "MIT",
        "Draws the console's time charts on a canvas.",
        ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
    ),
    Library(
        "axe-core",
        "axe-core",
        "4.14.1",
        "MPL-2.0",
        "Checks the console's accessibility in the browser tests; never part of the wheel.",
        ("axe.min.js", "LICENSE", "LICENSE-3RD-PARTY.txt"),
        TESTS,
    ),
)


def fetch(library: Library, scratch: Path) -> tuple[Path, str]:
    """Download the package; return its tarball and the integrity string, after checking one by the other."""
    spec = f"{library.package}@{library.version}"
    asked = subprocess.run(
        ["npm", "view", spec, "dist.integrity", "--json"], capture_output=True, text=True, check=True
    )
    integrity = str(json.loads(asked.stdout))
    packed = subprocess.run(["npm", "pack", spec, "--silent"], cwd=scratch, capture_output=True, text=True, check=True)
    tarball = scratch / packed.stdout.split()[-1]
    digest = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
    if digest != integrity:
        raise SystemExit(f"{spec}: the registry says {integrity}, the file is {digest}")
    return tarball, integrity


def unpack(library: Library, tarball: Path) -> dict[str, str]:
    """Copy the wanted files into the library's folder; return the SHA-256 of each by its name there."""
    folder = library.into / f"{library.folder}-{library.version}"
    folder.mkdir(parents=True, exist_ok=True)
    sums: dict[str, str] = {}
    with tarfile.open(tarball) as archive:
        for name in library.files:
            member = archive.extractfile(f"package/{name}")
            if member is None:
                raise SystemExit(f"{library.package}@{library.version} has no {name}")
            data = member.read()
            target = folder / Path(name).name
            target.write_bytes(data)
            target.chmod(0o644)
            sums[target.name] = hashlib.sha256(data).hexdigest()
    return sums


def describe(library: Library, integrity: str, sums: dict[str, str]) -> str:
    """The text of `vendor.toml`."""
    lines = [
        f'name = "{library.package}"',
        f'version = "{library.version}"',
        f'spdx = "{library.spdx}"',
        f'purpose = "{library.purpose}"',
        f'integrity = "{integrity}"  # of the npm tarball',
        "",
        "[sha256]",
        *(f'"{name}" = "{value}"' for name, value in sorted(sums.items())),
    ]
    return "\n".join(lines) + "\n"


def main(wanted: list[str]) -> None:
    """Fetch the libraries named, or all of them."""
    for library in LIBRARIES:
        if wanted and library.package not in wanted:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            tarball, integrity = fetch(library, Path(scratch))
            sums = unpack(library, tarball)
        folder = library.into / f"{library.folder}-{library.version}"
        (folder / "vendor.toml").write_text(describe(library, integrity, sums))
        print(f"{folder.relative_to(ROOT)}: {len(sums)} files")


if __name__ == "__main__":
    main(sys.argv[1:])
