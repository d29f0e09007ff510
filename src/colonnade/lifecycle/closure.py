# SPDX-License-Identifier: Apache-2.0
"""What a script's result can depend on in code: itself, and every module beside it that it imports. Nothing is run."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

from colonnade.core.errors import UsageError


def closure(script: Path) -> dict[str, bytes]:
    """Path relative to the script's folder -> bytes, of the script and of the local modules that it leads to.

    Imports are found in the text, at any depth; a module that is imported by a computed name is not found. Raises
    UsageError for a script that is not there or is no Python.
    """
    root = script.parent
    found: dict[str, bytes] = {}
    waiting = [script]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(root).as_posix()
        if name in found:
            continue
        try:
            found[name] = path.read_bytes()
            tree = ast.parse(found[name], filename=name)
        except OSError as error:
            raise UsageError(f"{name} cannot be read: {error.strerror}", code="script_missing") from error
        except (SyntaxError, ValueError) as error:
            raise UsageError(f"{name} is no Python: {error}", code="script_invalid") from error
        for module in _imports(tree, path.parent.relative_to(root)):
            waiting += [file for file in _files(root, module) if file.is_file()]
    return found


def digest_of(files: dict[str, bytes]) -> str:
    """`sha256:HEX` over names and contents."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def _imports(tree: ast.AST, folder: Path) -> Iterator[str]:
    """Dotted names that a module imports, relative ones resolved from its folder."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = [part for part in folder.parts if part != "."]
            base = above[: len(above) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            if prefix:
                yield prefix
            yield from (f"{prefix}.{alias.name}".strip(".") for alias in node.names)


def _files(root: Path, module: str) -> list[Path]:
    """Where a module would lie: itself, and the packages that it lies in."""
    parts = module.split(".")
    places = [root.joinpath(*parts[:depth]) / "__init__.py" for depth in range(1, len(parts) + 1)]
    return [root.joinpath(*parts).with_suffix(".py"), *places]
