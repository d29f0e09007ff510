# SPDX-License-Identifier: Apache-2.0
"""How much of a file's text the parsers get, how fast, and within which memory, beside a peer on the same files.

python bench/ingestion_formats.py FILES [--expected DIR] [--peer PYTHON]   # writes bench/results/ingestion_formats.json

FILES is a folder of real files; the expected text of FILES/a/b.docx is DIR/a/b.docx.md. PYTHON is an interpreter with
markitdown. Score: F1 over bags of lower-case words, as `\\w+` finds them, Markdown's images and link targets left out.
CPU seconds are those of parsing alone, imports and start apart, each file parsed twice and the second run counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any

from report import write_result

FORMATS = (".pdf", ".docx", ".pptx", ".xlsx", ".html", ".odt", ".ods", ".ipynb", ".eml")
FLOORS = {".pdf": 0.96, ".docx": 0.92, ".pptx": 0.88, ".xlsx": 0.83, ".html": 0.97}
GOALS = {".pdf": 0.97, ".docx": 0.95, ".pptx": 0.92, ".xlsx": 0.90, ".html": 0.98}
_WORD = re.compile(r"\w+")
_MARKUP = re.compile(r"<!--.*?-->|!\[[^\]]*\]\([^)]*\)|(?<=\])\([^)\n]*\)", re.DOTALL)

_LOOP = """
import json, resource, sys, time
for line in sys.stdin:
    path = line.rstrip("\\n")
    text, used, failed = "", 0.0, ""
    for _ in range(2):
        start = time.process_time()
        try:
            text = read(path)
        except Exception as error:
            failed = getattr(error, "code", "") or type(error).__name__
            break
        finally:
            used = time.process_time() - start
    print(json.dumps([path, text, used, failed, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]), flush=True)
"""
_OURS = """
import os
from colonnade.adapters.parsers.formats import parse_raw
from colonnade.ports.outside.parsers import ParseLimits
limits = ParseLimits()
def read(path):
    with open(path, "rb") as file:
        return parse_raw(file.read(), os.path.splitext(path)[1].lower(), limits).text
"""
_PEER = """
import logging, warnings
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
from markitdown import MarkItDown
reader = MarkItDown()
def read(path):
    return reader.convert_local(path).text_content
"""


def words(text: str) -> Counter[str]:
    """The bag of words of a text or of Markdown."""
    return Counter(_WORD.findall(_MARKUP.sub(" ", text).lower()))


def f1(found: Counter[str], expected: Counter[str]) -> float:
    """Harmonic mean of precision and recall over words with their counts."""
    total = sum(found.values()) + sum(expected.values())
    return 2 * sum((found & expected).values()) / total if total else 1.0


def run(python: str, program: str, files: list[Path]) -> dict[str, tuple[str, float, str, int]]:
    """Each file's text, CPU seconds, failure and peak memory in KiB so far, in one process of that interpreter."""
    done = subprocess.run(
        [python, "-c", program + _LOOP],
        input="".join(f"{path}\n" for path in files),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return {path: (text, used, failed, peak) for path, text, used, failed, peak in rows}


def row(suffix: str, files: list[Path], root: Path, expected: Path | None, peer: str | None) -> dict[str, Any]:
    """One format's line of the table."""
    ours = run(sys.executable, _OURS, files)
    theirs = run(peer, _PEER, files) if peer else {}
    made: dict[str, Any] = {"format": suffix, "files": len(files), "refused": {}}
    made |= {"f1_floor": FLOORS.get(suffix), "f1_goal": GOALS.get(suffix)}
    for name, results in (("ours", ours), ("peer", theirs)):
        if not results:
            continue
        # speed over what both read: a refused file is fast for the wrong reason
        both = [p for p in results if not any(r.get(p, ("", 0, "x", 0))[2] for r in (ours, theirs) if r)]
        made[f"{name}_cpu_s"] = round(sum(results[p][1] for p in both), 4)
        made[f"{name}_slowest_s"] = round(max((r[1] for r in results.values()), default=0.0), 3)
        made[f"{name}_peak_mb"] = round(max(r[3] for r in results.values()) * 1024 / 1e6)
        made["refused"][name] = dict(Counter(r[2] for r in results.values() if r[2]))
        scores = _scores(results, root, expected)
        if scores:
            made[f"{name}_f1"] = round(fmean(scores), 4)
            made["scored"] = len(scores)
    if theirs and made["ours_cpu_s"]:
        made["times_the_peer"] = round(made["peer_cpu_s"] / made["ours_cpu_s"], 1)
    return made


def _scores(results: dict[str, tuple[str, float, str, int]], root: Path, expected: Path | None) -> list[float]:
    """F1 of each file whose expected text is there and has at least twenty words; a failure counts zero."""
    scores = []
    for path, (text, _, _, _) in results.items():
        wanted = (expected / f"{Path(path).relative_to(root)}.md") if expected else None
        if wanted is not None and wanted.exists():
            bag = words(wanted.read_text())
            if sum(bag.values()) >= 20:
                scores.append(f1(words(text), bag))
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path)
    parser.add_argument("--expected", type=Path)
    parser.add_argument("--peer")
    given = parser.parse_args()
    rows = []
    for suffix in FORMATS:
        files = sorted(p for p in given.files.rglob(f"*{suffix}") if p.is_file())
        if files:
            rows.append(row(suffix, files, given.files, given.expected, given.peer))
            print(json.dumps(rows[-1]))
    write_result(
        "ingestion_formats",
        asked="F1 against the expected text of held-back files; 20 times markitdown's speed; no file over 512 MB",
        ran="files of the test suites in python-docx, python-pptx, pypdf, pikepdf, odfpy, html2text and trafilatura; "
        "expected: docling's export of the same files, for its taste; none for PDF. The files asked about: held back",
        rows=rows,
        packages=("pypdfium2", "python-calamine", "selectolax"),
    )


if __name__ == "__main__":
    main()
