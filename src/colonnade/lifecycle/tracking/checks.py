# SPDX-License-Identifier: Apache-2.0
"""What a name, a value, a path may be, and how a refusal is worded. Limits are those of MLflow 3, so that a program
that ran there runs here. Pure.
"""

from __future__ import annotations

import json
import math
import posixpath
import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, unquote_plus

from colonnade.core.errors import UnknownName, UsageError

KEY_CHARS = 250
PARAM_CHARS = 6000
TAG_CHARS = 8000
EXPERIMENT_CHARS = 500
EXPERIMENT_TAG_CHARS = 20_000
MODEL_TAG_CHARS = 100_000
ALIAS_CHARS = 255
PATH_CHARS = 1024
BATCH_METRICS, BATCH_OTHERS, BATCH_ALL = 1000, 100, 1000
FIRST, LAST = -(1 << 63), (1 << 63) - 1
_KEY = re.compile(r"[/\w.\- :]*")
_ALIAS = re.compile(r"[\w\-]+")


def wrong(message: str, *, hint: str = "") -> UsageError:
    """A value that cannot be."""
    return UsageError(message, hint=hint, code="invalid_value")


def shown(value: object) -> str:
    """A value within a message, as JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)[:200]


def missing(message: str) -> UnknownName:
    """Nothing of that name or id."""
    return UnknownName(message)


def taken(message: str) -> UsageError:
    """It is there already."""
    return UsageError(message, code="exists")


def key(name: str | None, *, path: str = "key") -> str:
    """A name of a parameter, metric or tag, as it was given. Raises UsageError."""
    if not name:
        raise wrong(f"Missing value for required parameter '{path}'. A key name must be provided.")
    if _KEY.fullmatch(name) is None:
        allowed = "alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/)"
        raise wrong(f"Invalid value {shown(name)} for parameter '{path}' supplied: Names may only contain {allowed}.")
    if _ambiguous(name):
        said = "Names may be treated as files in certain cases, and must not resolve to other names"
        raise wrong(
            f"Invalid value {shown(name)} for parameter '{path}' supplied: {said}: {posixpath.normpath(name)!r}"
        )
    return bounded(name, KEY_CHARS, path)


def bounded(text: str, limit: int, what: str) -> str:
    """A text of at most so many characters, as it was given."""
    if len(text) > limit:
        raise wrong(f"'{what}' exceeds the maximum length of {limit} characters")
    return text


def param(name: str | None, value: str | None, *, path: str = "key") -> tuple[str, str]:
    """A parameter; a value that is too long is cut, as MLflow does."""
    return key(name, path=path), (value or "")[:PARAM_CHARS]


def tag(name: str | None, value: str | None, *, path: str = "key") -> tuple[str, str]:
    """A run's tag; a value that is too long is cut, as MLflow does."""
    return key(name, path=path), (value or "")[:TAG_CHARS]


def tags(given: Sequence[Mapping[str, str]], limit: int = TAG_CHARS) -> dict[str, str]:
    """Tags as a list of {key, value}; of a repeated key the last. A value that is too long is refused."""
    return {key(one.get("key")): bounded(one.get("value") or "", limit, "value") for one in given}


def number(value: object, what: str, low: int = FIRST) -> int:
    """An integer of 64 bits."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= LAST:
        kind = "nonnegative long" if low == 0 else "valid long"
        raise wrong(
            f"Invalid value {shown(value)} for parameter '{what}' supplied: it must be a {kind} (64-bit integer)."
        )
    return value


def real(value: object, what: str) -> float:
    """A number, `NaN` and the infinities among them."""
    if value is None:
        raise wrong(f"Missing value for required parameter '{what}'.")
    if isinstance(value, bool) or not isinstance(value, int | float):
        said = "Please specify value as a valid double (64-bit floating point)"
        raise wrong(f"Invalid value {shown(value)} for parameter '{what}' supplied: {said}")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def experiment_name(name: str | None) -> str:
    """A group's name."""
    if not name:
        raise wrong(f"Invalid experiment name: '{name or ''}'")
    return bounded(name, EXPERIMENT_CHARS, "name")


def model_name(name: str | None, what: str = "name") -> str:
    """A registered model's name: it stands in `models:/NAME/VERSION`."""
    if name is None or not name.strip():
        raise wrong(f"Missing value for required parameter '{what}'.")
    if "/" in name or ":" in name or _ambiguous(name):
        raise wrong(f"Invalid model name '{name}'. Names cannot contain '/' or ':'.")
    return bounded(name, KEY_CHARS, what)


def model_version(version: object) -> int:
    """A version's number."""
    text = str(version)
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise wrong(f"Parameter 'version' must be an integer, got '{version}'.")
    return int(text)


def alias(name: str | None, *, new: bool = False) -> str:
    """An alias; a `new` one is no reserved word."""
    if not name:
        raise wrong("Registered model alias name cannot be empty.")
    if _ALIAS.fullmatch(name) is None:
        said = "Names may only contain alphanumerics, underscores (_), and dashes (-)."
        raise wrong(f"Invalid alias name: '{name}'. {said}")
    if new and name.lower() == "latest":
        raise wrong("'latest' alias name (case insensitive) is reserved.")
    if new and re.fullmatch(r"[vV]\d+", name):
        raise wrong(f"Version alias name '{name}' is reserved.")
    return bounded(name, ALIAS_CHARS, "Registered model alias name")


def inner_path(path: str) -> str:
    """A relative path that stays where it is; "" is the root. Raises UsageError for any other."""
    path = path.strip("/")
    plain = path
    while (again := unquote(plain)) != plain:
        plain = again
    parts = plain.split("/")
    drive = any(len(part) == 2 and part[1] == ":" for part in parts)
    if path and (drive or {"", ".", ".."} & set(parts) or any(ord(c) < 32 or c == "\\" for c in plain)):
        raise wrong("Invalid path")
    return bounded(path, PATH_CHARS, "path")


def absolute(source: str) -> None:
    """A model's source has no way up in it, however it is spelled. Raises UsageError."""
    plain = source
    while (again := unquote_plus(plain)) != plain:
        plain = again
    if "\0" in plain or ".." in plain.split("/"):
        said = "an absolute path must be provided without relative path references present"
        kinds = "http, https, local file path, ftp, objectstore, or mlflow-artifacts uri"
        raise wrong(f"Invalid model version source: '{source}'. If supplying a source as an {kinds}, {said}.")


def _ambiguous(name: str) -> bool:
    norm = posixpath.normpath(name)
    return norm != name or norm in {".", ".."} or norm.startswith(("../", "/"))
