# SPDX-License-Identifier: Apache-2.0
"""The documentation is whole: links lead somewhere, made pages are fresh, what a user can set or meet is named."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from colonnade.cli.table import COMMANDS, Command
from scripts import make_reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "bench/README.md", *ROOT.glob("examples/*/README.md")]
)
DOCS = "\n".join(page.read_text() for page in PAGES)
CODE = {path: path.read_text() for path in sorted((ROOT / "src").rglob("*.py"))}


def anchors(page: Path) -> set[str]:
    """The fragments that a page's headings make, as the usual renderers spell them."""
    headings = re.findall(r"^#+ +(.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_each_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, fragment = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (fragment and fragment not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_the_made_pages_of_the_reference_are_what_the_code_says() -> None:
    assert make_reference.stale() == [], "run: ./dev fmt"


def test_each_page_of_the_documentation_is_reachable_from_its_first_page() -> None:
    docs = ROOT / "docs"
    reached, todo = set(), [docs / "README.md"]
    while todo:
        page = todo.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        todo += [(page.parent / t.split("#")[0]).resolve() for t in re.findall(r"\]\(([^):\s]+)\)", page.read_text())]
    assert [str(p.relative_to(docs)) for p in sorted(docs.rglob("*.md")) if p not in reached] == []


def test_each_environment_variable_of_ours_is_documented() -> None:
    named = {name for text in CODE.values() for name in re.findall(r"\bCOLONNADE_[A-Z_]+\b", text)}
    assert named
    assert sorted(name for name in named if name not in DOCS) == []


MAY_READ_THE_ENVIRONMENT = {
    "adapters/models/endpoint.py": "looks up the variable that `key_env` names, when it is used",
    "testing/project.py": "starts the real command line with an environment of its own",
    "adapters/parsers/pool.py": "hands its child the few variables that a child needs",
    "adapters/tables/confined.py": "hands its child the few variables that a child needs",
    "adapters/executor/inhabit.py": "becomes a command, with the environment of its order",
    "sdk/flow/calling.py": "a step in a child process, under the contract of steps",
    "sdk/flow/remote.py": "a user's own program looks for the daemon of its project",
    "adapters/learning/script.py": "a script in a child process, under the contract of scripts",
    "lifecycle/seeded.py": "a script in a child process, under the contract of scripts",
}


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT / "src/colonnade"))
        for path, text in CODE.items()
        if re.search(r"\bos\.(environ|getenv)\b", text)
    }
    assert [
        name
        for name in sorted(readers)
        if not name.startswith("app/settings/") and name not in MAY_READ_THE_ENVIRONMENT
    ] == []


def test_each_code_of_an_error_stands_in_the_reference() -> None:
    page = (ROOT / "docs/reference/errors.md").read_text()
    codes = {code for code, *_ in make_reference.codes_in_code()} | {c.code for c in make_reference.error_classes()}
    assert sorted(code for code in codes if f"`{code}`" not in page) == []


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_each_command_that_help_lists_is_there_and_in_the_reference(command: Command) -> None:
    assert importlib.util.find_spec(f"colonnade.cli.{command.module}")
    assert f"\n## {command.name}\n" in (ROOT / "docs/reference/commands.md").read_text()
