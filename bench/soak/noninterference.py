# SPDX-License-Identifier: Apache-2.0
"""Does what a reader gets depend on what they may not read? Random (reader, query) pairs against a project of the
permitted files alone.

    python bench/soak/noninterference.py --pairs 100000 --files 400

Each reader's own project is another process with another state directory, ids and order of ingestion. Ids are compared
as (path, start),
scores to 1e-6. Answers (status, quotes) are compared for one pair in twenty.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from colonnade.sdk import Client
from colonnade.testing.project import Project, until

GROUPS = ("everyone", "alpha", "beta", "gamma")
PEOPLE = {"anna": ("alpha",), "ben": ("beta", "gamma"), "chiara": ("alpha", "beta", "gamma"), "dora": ()}
TOLERANCE = 1e-6
PATIENCE_S = 120


def topics(chance: random.Random, count: int) -> list[tuple[str, str]]:
    """(name, text) drawn from the language reference that every CPython carries."""
    from pydoc_data.topics import topics as all_topics

    paragraphs = [p.strip() for text in all_topics.values() for p in text.split("\n\n") if 80 < len(p.strip()) < 1200]
    made = []
    for number in range(count):
        body = "\n\n".join(chance.sample(paragraphs, chance.randrange(1, 5)))
        made.append((f"{number:04}.md", f"# Note {number}\n\n{body}\n"))
    return made


def declaration(folders: Sequence[str], *, groups: bool) -> str:
    """colonnade.yaml over these folders; without groups everybody reads everything."""
    lines = ["version: 1", "project: soak", "access:", "  groups:", '    everyone: ["*"]']
    lines.append(f"    people: [{', '.join(PEOPLE)}]")
    if groups:
        for group in GROUPS[1:]:
            lines.append(f"    {group}: [{', '.join(person for person, theirs in PEOPLE.items() if group in theirs)}]")
    lines += ["knowledge:", "  base:", "    sources:"]
    for folder in folders:
        lines.append(f"      - {{path: ./{folder}, readers: [{folder if groups else 'everyone'}]}}")
    return "\n".join([*lines, "services:", "  assistant: {knowledge: base}", ""])


def build(folder: Path, files: dict[str, list[tuple[str, str]]], *, groups: bool, shuffle: random.Random) -> Project:
    """A project of these files, written in a random order, up and ready."""
    folder.mkdir(parents=True)
    project = Project(folder)
    everything = [(group, name, text) for group, made in files.items() for name, text in made]
    shuffle.shuffle(everything)
    for group, name, text in everything:
        project.write(f"{group}/{name}", text)
    project.write("colonnade.yaml", declaration(list(files), groups=groups))
    project.up(ready=600)
    return project


def queries(chance: random.Random, files: dict[str, list[tuple[str, str]]]) -> str:
    """A few words of any file, readable or not, or of two."""
    texts = [text for made in files.values() for _, text in made]
    words = [word for text in chance.sample(texts, chance.randrange(1, 3)) for word in chance.sample(text.split(), 4)]
    return " ".join(words)


def hits(client: Client, query: str, person: str | None) -> list[tuple[str, int, float]]:
    """(path, start, score) of the first ten."""
    found = client.search(query, k=10, acting_as=person)["hits"]
    return [(hit["path"], hit["start"], hit["score"]) for hit in found]


def differs(a: list[tuple[str, int, float]], b: list[tuple[str, int, float]]) -> bool:
    """Whether ids differ, or scores by more than the tolerance."""
    return [h[:2] for h in a] != [h[:2] for h in b] or any(
        abs(x[2] - y[2]) > TOLERANCE for x, y in zip(a, b, strict=True)
    )


def said(answer: dict[str, Any]) -> tuple[str, list[tuple[str, int, int]]]:
    """What an answer says, without ids."""
    return answer["status"], [(c["path"], c["start"], c["end"]) for c in answer["citations"]]


def settle(client: Client, person: str | None) -> None:
    """Until the thresholds are those of what the person may read now, not of before."""
    until(lambda: client.ask("What is said here?", acting_as=person)["signals"]["settled"] == 1.0, PATIENCE_S)


def compare(folder: Path, pairs: int, count: int, seed: int) -> dict[str, Any]:
    """Run it; how many pairs, and which differed."""
    chance = random.Random(seed)
    made = topics(chance, count)
    files = {group: made[place :: len(GROUPS)] for place, group in enumerate(GROUPS)}
    whole = build(folder / "whole", files, groups=True, shuffle=chance)
    projects = [whole]
    different: list[str] = []
    asked = 0
    try:
        everything = Client(whole.url, whole.token)
        for person, theirs in PEOPLE.items():
            permitted = {group: files[group] for group in ("everyone", *theirs)}
            alone = build(folder / person, permitted, groups=False, shuffle=chance)
            projects.append(alone)
            client = Client(alone.url, alone.token)
            settle(everything, person)
            settle(client, None)
            for number in range(pairs // len(PEOPLE)):
                query = queries(chance, files)
                if differs(hits(everything, query, person), hits(client, query, None)):
                    different.append(f"{person}: {query}")
                if number % 20 == 0 and said(everything.ask(query, acting_as=person)) != said(client.ask(query)):
                    different.append(f"{person} asks: {query}")
                asked += 1
            alone.down()
    finally:
        for project in projects:
            project.run("down")
    return {"pairs": asked, "different": len(different), "examples": different[:10]}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    began = time.perf_counter()
    try:
        ran = compare(folder, asked.pairs, asked.files, asked.seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(ran)
    from bench.report import write_result

    write_result(
        "soak_noninterference",
        asked="0 of 10^5 random (reader, query) pairs may differ from a project of the permitted files alone",
        ran=f"{ran['pairs']} pairs over {asked.files} files and {len(PEOPLE)} readers, one in twenty also asked",
        rows=[{"pairs": ran["pairs"], "different": ran["different"], "s": round(time.perf_counter() - began)}],
        seeds=[asked.seed],
    )
    return 1 if ran["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
