# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments: does a project end where an undisturbed one ends?

    python bench/soak/kills.py --kills 20 --files 300
    python bench/soak/kills.py --kills 20 --example examples/acme

One project is ingested undisturbed. Another of the same files is killed while it starts, reads, embeds, answers and
follows changes, and started again each time; sometimes only the embedder's or a parser's process is killed. Then:
equal content digests, vectors that agree to cosine .9999, no process left over, an intact log, every acknowledged
answer still there.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import psutil

from colonnade.core.errors import ColonnadeError
from colonnade.sdk import Client
from colonnade.testing.project import Project, until

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_COSINE = 0.9999


def topics(project: Project, files: int, seed: int) -> None:
    """Files of the language reference that every CPython carries, some equal, one unreadable."""
    from pydoc_data.topics import topics as all_topics

    chance = random.Random(seed)
    paragraphs = [p.strip() for text in all_topics.values() for p in text.split("\n\n") if 80 < len(p.strip()) < 1200]
    for number in range(files):
        body = "\n\n".join(chance.sample(paragraphs, chance.randrange(1, 4)))
        project.write(f"docs/{number % 11}/{number:04}.md", f"# Note {number}\n\n{body}\n")
    project.write("docs/again.md", (project.folder / "docs/0/0000.md").read_bytes())
    project.write("docs/broken.docx", b"not a zip")


def change(project: Project, number: int, where: str = "docs") -> None:
    """What somebody does to the files before kill `number`; the same for both projects."""
    project.write(f"{where}/late/{number}.md", f"# Late {number}\n\nThe late lamp {number} has {number * 37} hours.\n")
    late = sorted((project.folder / where / "late").glob("*.md"))
    if number % 3 == 1:
        late[0].rename(late[0].with_name(f"renamed-{number}.md"))
    if number % 5 == 4:
        late[-1].unlink()


class Asker(threading.Thread):
    """Asks all the time; keeps the ref of each answer that was acknowledged."""

    def __init__(self, project: Project) -> None:
        super().__init__(daemon=True)
        self.project, self.refs, self.ended = project, list[str](), threading.Event()

    def run(self) -> None:
        """Ask until told to end; a daemon that is away is no news."""
        while not self.ended.is_set():
            with contextlib.suppress(ColonnadeError, OSError):
                client = Client(self.project.url, self.project.token)
                self.refs.append(client.ask(f"How many hours has the late lamp {len(self.refs) % 20}?")["ref"])
            self.ended.wait(0.1)


def below(pid: int) -> list[psutil.Process]:
    """The processes below one."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def none_runs(processes: list[psutil.Process]) -> bool:
    """Whether all of them have ended."""
    return not alive(processes)


def vectors(project: Project) -> dict[str, NDArray[np.float32]]:
    """(path, first chunk) -> the vectors stored for every live document, opened with the project's keys."""
    from colonnade.app import wiring
    from colonnade.app.settings.environment import places_of

    os.environ["COLONNADE_KEYS"] = str(project.folder / ".keys")
    places = places_of(project.folder / "colonnade.yaml")
    state = wiring.open_state(places, wiring.open_clock(), readonly=True)
    try:
        keys = wiring.open_keys(places, state, readonly=True)
        found: dict[str, NDArray[np.float32]] = {}
        for base in state.rows("knowledge_of_project", project=state.rows("projects_all")[0]["id"]):
            for version in state.rows("versions_live", knowledge=base["id"]):
                document, content, embedder = version["document"], version["content"], base["embedder"]
                path = keys.open((document,), version["path_sealed"], f"{document}/path").decode()
                for row in state.rows("vectors_of_content", content=content, embedder=embedder):
                    opened = keys.open((content,), row["rows"], f"{content}/vectors/{embedder}/{row['first']}")
                    rows = np.frombuffer(opened, "<f2").reshape(row["count"], -1).astype(np.float32)
                    for place, one in enumerate(rows):
                        found[f"{path}#{row['first'] + place}"] = one
        return found
    finally:
        state.close()


def least_cosine(a: Mapping[str, NDArray[np.float32]], b: Mapping[str, NDArray[np.float32]]) -> float:
    """Of the vectors that belong together, the least alike; -1 if one side lacks any."""
    if set(a) != set(b):
        return -1.0
    return min((float(a[k] @ b[k] / (np.linalg.norm(a[k]) * np.linalg.norm(b[k]))) for k in a), default=1.0)


def soak(
    undisturbed: Project, killed: Project, *, kills: int, seed: int, where: str = "docs", longest_s: float = 2.5
) -> dict[str, Any]:
    """Run it on two projects of equal files that were never up; what was found."""
    chance = random.Random(seed)
    asker = Asker(killed)
    left: list[psutil.Process] = []
    slowest = 0.0
    asker.start()
    try:
        for number in range(kills):
            began = time.monotonic()
            killed.up(ready=0)
            slowest = max(slowest, time.monotonic() - began)
            if number:
                change(killed, number, where)
            time.sleep(chance.uniform(0.0, longest_s))
            children = below(killed.pid)
            if children and chance.random() < 0.5:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(children).pid, signal.SIGKILL)
                time.sleep(chance.uniform(0.0, longest_s / 2))
                children = below(killed.pid)
            killed.kill()
            with contextlib.suppress(AssertionError):
                until(partial(none_runs, children), 5)
            left += alive(children)
        for number in range(1, kills):
            change(undisturbed, number, where)
        expected = undisturbed.up(ready=600)["knowledge"]
        undisturbed.down()
        found = killed.up(ready=600)["knowledge"]
        client = Client(killed.url, killed.token)
        asker.ended.set()
        asker.join()
        lost = [ref for ref in asker.refs if not _is_there(client, ref)]
    finally:
        asker.ended.set()
        undisturbed.run("down")
        killed.run("down")
    return {
        "kills": kills,
        "digests_equal": {n: b["content_digest"] for n, b in expected.items()}
        == {n: b["content_digest"] for n, b in found.items()},
        "documents": sum(b["documents"] for b in found.values()),
        "chunks": sum(b["chunks"] for b in found.values()),
        "least_cosine": least_cosine(vectors(undisturbed), vectors(killed)),
        "left_over": len(alive(left)),
        "answers_acknowledged": len(asker.refs),
        "answers_lost": len(lost),
        "verify": killed.run("verify").code,
        "slowest_start_s": round(slowest, 2),
    }


def _is_there(client: Client, ref: str) -> bool:
    try:
        return bool(client.why(ref)["nodes"])
    except ColonnadeError:
        return False


def holds(found: Mapping[str, Any]) -> bool:
    """Whether a soak's findings are as promised."""
    return bool(
        found["digests_equal"]
        and found["least_cosine"] >= LEAST_COSINE
        and (found["left_over"], found["answers_lost"], found["verify"]) == (0, 0, 0)
    )


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--example", help="an example's folder in place of made files")
    parser.add_argument("--where", default="handbook", help="the example's folder in which files are changed")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    began = time.perf_counter()
    where = asked.where if asked.example else "docs"
    try:
        made = []
        for name in ("undisturbed", "killed"):
            if asked.example:
                project = Project.copy_of(Path(asked.example), folder / name)
            else:
                project = Project.small(folder / name)
                topics(project, asked.files, asked.seed)
            change(project, 0, where)
            made.append(project)
        found = soak(made[0], made[1], kills=asked.kills, seed=asked.seed, where=where)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found["s"] = round(time.perf_counter() - began, 1)
    print(found)
    from bench.report import write_result

    what = Path(asked.example).name if asked.example else f"{asked.files} files"
    write_result(
        f"soak_kills_{Path(asked.example).name if asked.example else 'files'}",
        asked="20 times kill -9 at random moments: the undisturbed run's digest, cosine .9999, nothing left over",
        ran=f"{asked.kills} kills over {what}, children killed as well, questions asked all the while",
        rows=[found],
        seeds=[asked.seed],
    )
    return 0 if holds(found) else 1


if __name__ == "__main__":
    sys.exit(main())
