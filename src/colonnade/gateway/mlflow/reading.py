# SPDX-License-Identifier: Apache-2.0
"""Read a body or a query string into one of the structs, and say what is wrong as MLflow's server says it."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from colonnade.gateway.failures import ApiError

R = TypeVar("R", bound=Struct)


def read_body(data: bytes, kind: type[R]) -> R:
    """A JSON body. Raises `ApiError` 400; a null counts as absent, as in proto3's JSON."""
    if not data.strip():
        data = b"{}"
    try:
        return msgspec.json.decode(data, type=kind, strict=False)
    except msgspec.ValidationError:
        return read_fields(_present(msgspec.json.decode(data)), kind)
    except msgspec.DecodeError as error:
        raise ApiError(400, f"The body is not JSON: {error}", code="invalid_json") from error


def read_fields(given: Any, kind: type[R]) -> R:
    """Fields of a body or a query string. Raises `ApiError` 400."""
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ApiError(400, _said(str(error), given), code="invalid_value") from error


def _said(error: str, given: Any) -> str:
    """What is wrong, in the words of MLflow's server: which parameter, and its value."""
    if absent := re.fullmatch(r"Object missing required field `(\w+)`", error):
        return f"Missing value for required parameter '{absent[1]}'. See the API docs for more information."
    if (at := re.search(r" - at `\$\.(\w+)", error)) and isinstance(given, dict):
        shown = msgspec.json.encode(given.get(at[1]), order="sorted").decode()[:200]
        return f"Invalid value {shown} for parameter '{at[1]}' supplied: {error}"
    return f"Invalid value for a parameter: {error}"


def _present(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _present(one) for key, one in value.items() if one is not None}
    return [_present(one) for one in value] if isinstance(value, list) else value
