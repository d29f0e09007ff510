# SPDX-License-Identifier: Apache-2.0
"""Write the pages of `docs/reference` that are made from the code, so that they cannot lie about it.

    python scripts/make_reference.py           # write them
    python scripts/make_reference.py --check   # exit 1 when they are not what would be written

Pages written by hand in that folder are left alone. A test runs the check.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from colonnade.app.settings.declaration import Declaration, declaration_schema
from colonnade.cli.table import COMMANDS
from colonnade.core import errors
from colonnade.core.documents import UNREADABLE_CODES

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs/reference"
MADE = "<!-- made by scripts/make_reference.py: do not edit -->\n"


# --- errors -----------------------------------------------------------------------------------------


def error_classes() -> list[type[errors.ColonnadeError]]:
    """Every class of the tree, in the order of the file."""
    found = [value for value in vars(errors).values() if inspect.isclass(value)]
    return [c for c in found if issubclass(c, errors.ColonnadeError)]


def codes_in_code() -> Iterator[tuple[str, str, int | None, str]]:
    """(code, class, HTTP status, message) of each call in the package that names a code literally."""
    for path in sorted(p for p in (ROOT / "src").rglob("*.py") if "testing" not in p.parts):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id != "ApiError" and not hasattr(errors, node.func.id):
                continue
            named = {k.arg: k.value for k in node.keywords}
            code = named.get("code")
            if not isinstance(code, ast.Constant) or not isinstance(code.value, str):
                continue
            first = node.args[0] if node.args else None
            status = first.value if isinstance(first, ast.Constant) and isinstance(first.value, int) else None
            yield code.value, node.func.id, status, next(filter(None, map(_literal, node.args)), "")


def _literal(node: ast.expr) -> str:
    """The text of a string in the code; what an f-string fills in becomes an ellipsis."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values)
    return ""


def errors_page() -> str:
    """`errors.md`."""
    own = [
        f"| `{c.code}` | {_first_line(c)} | {c.exit_code} | {c.http_status} |"
        for c in error_classes()
        if "code" in vars(c)
    ]
    known = {c.code for c in error_classes()}
    exact: dict[str, tuple[set[str], list[str]]] = {}
    for code, name, status, message in codes_in_code():
        base = getattr(errors, name, None)
        number = status if status is not None else getattr(base, "http_status", None)
        if code not in known and code not in UNREADABLE_CODES and number is not None:
            numbers, messages = exact.setdefault(code, (set(), []))
            numbers.add(str(number))
            messages += [message] if message and message not in messages else []
    more = [
        f"| `{code}` | {', '.join(sorted(numbers))} | {' / '.join(messages[:2]).replace('|', '&#124;')} |"
        for code, (numbers, messages) in sorted(exact.items())
    ]
    files = [f"| `{code}` | {text} |" for code, text in UNREADABLE_CODES.items()]
    return "\n".join(
        [
            "# Errors",
            MADE,
            "An error is one sentence, a stable code and a hint. `colonnade explain CODE` says the same offline.",
            'Over HTTP it is `{"error": {"message", "type", "param", "code"}}`.',
            "",
            "## Kinds",
            "| code | meaning | exit code | HTTP |",
            "|---|---|---|---|",
            *own,
            "",
            "## More exact codes",
            "Said where a kind above is too wide; for example with these words.",
            "",
            "| code | HTTP | as in |",
            "|---|---|---|",
            *more,
            "",
            "## Files that cannot be read",
            "They stand in `status --json` under `knowledge.NAME.unreadable` and never stop the rest.",
            "",
            "| code | meaning |",
            "|---|---|",
            *files,
            "",
        ]
    )


def _first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").split("\n")[0].replace("|", "\\|")


# --- the declaration ------------------------------------------------------------------------------------


def declaration_page() -> str:
    """`declaration.md`: every key of colonnade.yaml, from its JSON Schema."""
    schema = declaration_schema()
    lines = [
        "# colonnade.yaml",
        MADE,
        "Version 1. Unknown keys are errors, with the line and the nearest key that exists. The same as JSON Schema:",
        "[colonnade.schema.json](colonnade.schema.json).",
        "",
        "| key | what | default |",
        "|---|---|---|",
        *(f"| `{key}` | {what} | {default} |" for key, what, default in keys_of(schema, schema)),
        "",
    ]
    return "\n".join(lines)


def keys_of(node: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(path, description, default) of each key below a schema node; `NAME` stands for a name that you choose."""
    for key, inner in node.get("properties", {}).items():
        path, target, suffix = f"{prefix}{key}", _resolve(inner, schema), ""
        if "properties" not in target and (values := _values(target)):
            target, suffix = _resolve(values, schema), ".NAME"
        if target.get("type") == "array":
            target, suffix = _resolve(target["items"], schema), suffix + "[]"
        what = inner.get("description") or target.get("description") or _type(inner, target)
        default = _default(inner, required=key in node.get("required", []))
        yield path + suffix, " ".join(what.split()), default
        if "properties" in target:
            yield from keys_of(target, schema, f"{path}{suffix}.")


def _resolve(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    for option in (*node.get("anyOf", []), *node.get("oneOf", [])):
        if option.get("type") != "null":
            return _resolve(option, schema)
    if "$ref" in node:
        found: Mapping[str, Any] = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
        return found
    return node


def _values(node: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a mapping with free keys holds."""
    patterns = list(node.get("patternProperties", {}).values())
    extra = node.get("additionalProperties")
    return patterns[0] if patterns else extra if isinstance(extra, dict) else None


def _type(node: Mapping[str, Any], target: Mapping[str, Any]) -> str:
    if "const" in node or "const" in target:
        return f"always `{node.get('const', target.get('const'))}`"
    limits = [f"at least {target['minimum']}"] if "minimum" in target else []
    limits += [f"at most {target['maximum']}"] if "maximum" in target else []
    return ", ".join([str(target.get("type", "a value")), *limits])


def _default(node: Mapping[str, Any], *, required: bool) -> str:
    if required:
        return "*needed*"
    default = node.get("default")
    return "" if default is None else f"`{json.dumps(default, ensure_ascii=False)}`"


# --- the command line -----------------------------------------------------------------------------------


def commands_page() -> str:
    """`commands.md`: every command with what it takes."""
    lines = ["# Commands", MADE, "`-C DIR` and `--json` go with every command.", ""]
    lines += ["| command | what it does |", "|---|---|"]
    there = [c for c in COMMANDS if importlib.util.find_spec(f"colonnade.cli.{c.module}")]
    lines += [f"| [`{c.name}`](#{c.name}) | {c.line} |" for c in there]
    for command in there:
        module = importlib.import_module(f"colonnade.cli.{command.module}")
        parser = argparse.ArgumentParser(prog=f"colonnade {command.name}", add_help=False)
        module.configure(parser)
        lines += ["", f"## {command.name}", f"{command.line}.", "", *_arguments(parser, f"colonnade {command.name}")]
    return "\n".join(lines) + "\n"


def _arguments(parser: argparse.ArgumentParser, usage: str) -> Iterator[str]:
    """A usage line and a table of what a parser takes; for one with sub-commands, those of each."""
    actions = [a for a in parser._actions if a.dest != "help" and a.help != argparse.SUPPRESS]
    nested = [a for a in actions if isinstance(a, argparse._SubParsersAction)]
    plain = [a for a in actions if a not in nested]
    if plain or not nested:
        words = " ".join(f"[{_spelled(a)}]" if a.option_strings or a.nargs == "?" else _spelled(a) for a in plain)
        yield f"    {usage} {words}".rstrip()
    if plain:
        yield from ["", "| argument | meaning | default |", "|---|---|---|"]
        yield from (f"| `{_spelled(a)}` | {_help(a)} | {_shown_default(a)} |" for a in plain)
    for action in nested:
        for name, inner in action.choices.items():
            yield ""
            yield from _arguments(inner, f"{usage} {name}")


def _spelled(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if action.choices is not None and action.metavar is None:
        value = "{" + ",".join(str(c) for c in action.choices) + "}"
    if not action.option_strings:
        return value
    longest = max(action.option_strings, key=len)
    return longest if action.nargs == 0 else f"{longest} {value}"


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("|", "\\|").replace("%%", "%")


def _shown_default(action: argparse.Action) -> str:
    dull = action.default in (None, False, argparse.SUPPRESS) or action.nargs == 0
    return "" if dull else f"`{action.default}`"


# --- writing --------------------------------------------------------------------------------------------


def pages() -> dict[str, str]:
    """File name -> text of every page that is made."""
    assert Declaration.__doc__
    return {
        "errors.md": errors_page(),
        "declaration.md": declaration_page(),
        "commands.md": commands_page(),
        "colonnade.schema.json": json.dumps(declaration_schema(), indent=1, ensure_ascii=False) + "\n",
    }


def stale() -> list[str]:
    """Names of pages whose file is not what would be written."""
    return [
        name
        for name, text in pages().items()
        if not (REFERENCE / name).exists() or (REFERENCE / name).read_text() != text
    ]


def main(arguments: list[str]) -> int:
    """Write, or check."""
    if "--check" in arguments:
        for name in (wrong := stale()):
            print(f"docs/reference/{name} is not what the code says: python scripts/make_reference.py")
        return bool(wrong)
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
