# SPDX-License-Identifier: Apache-2.0
"""YAML with line numbers: plain values, and where each key stands. Duplicate keys and tags are refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from colonnade.core.errors import DeclarationError

Path = tuple[str | int, ...]
_DEPTH = 32


@dataclass(slots=True)
class Located:
    """Plain values with the 1-based line of every path within them."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """The line of the path, or of its nearest ancestor."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def load_yaml(text: str, file: str) -> Located:
    """Parse one document. Raises DeclarationError with the line."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise DeclarationError(
            f"not valid YAML: {error.problem or error.context}",
            file=file,
            line=line,
            hint="YAML takes no tabs: indent with spaces"
            if "'\\t'" in str(error.problem)
            else "check the indentation and the quotes near this line",
        ) from error
    except yaml.YAMLError as error:
        raise DeclarationError(
            f"not valid YAML: {error}", file=file, line=1, hint="the file must be UTF-8 text"
        ) from error
    located = Located(None)
    if node is not None:
        located.value = _value(node, (), located, file)
    return located


def _value(node: yaml.Node, path: Path, located: Located, file: str) -> Any:
    line = node.start_mark.line + 1
    located.lines.setdefault(path, line)
    if len(path) > _DEPTH:
        raise DeclarationError(
            "nested too deeply", file=file, line=line, hint="a declaration is a handful of levels deep"
        )
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, located, file)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, place), located, file) for place, item in enumerate(node.value)]
    if not node.tag.startswith("tag:yaml.org,2002:"):
        raise DeclarationError(f"the tag {node.tag} is not allowed", file=file, line=line, hint="write a plain value")
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise DeclarationError(
            f"{getattr(node, 'value', '')!r} is not a value: {error}", file=file, line=line, hint="quote it"
        ) from error
    finally:
        loader.dispose()


def _mapping(node: yaml.MappingNode, path: Path, located: Located, file: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = str(key_node.value)
        if key in found:
            raise DeclarationError(f"{key!r} stands twice", file=file, line=line, hint="keep one of them")
        located.lines[(*path, key)] = line
        found[key] = _value(value_node, (*path, key), located, file)
    return found
