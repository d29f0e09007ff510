# SPDX-License-Identifier: Apache-2.0
"""Answers and errors in the shapes that MLflow's clients read: `{"error_code", "message"}`, NaN and infinities as
words.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from colonnade.core.errors import ColonnadeError
from colonnade.gateway.context import JSON
from colonnade.gateway.http import Response

PREFIXES = ("/api/", "/ajax-api/")
CODES = {
    "not_found": "RESOURCE_DOES_NOT_EXIST",
    "unknown_route": "ENDPOINT_NOT_FOUND",
    "exists": "RESOURCE_ALREADY_EXISTS",
    "not_implemented": "NOT_IMPLEMENTED",
    "invalid_json": "BAD_REQUEST",
    "method_not_allowed": "BAD_REQUEST",
    "no_key": "UNAUTHENTICATED",
    "invalid_key": "UNAUTHENTICATED",
}
BY_STATUS = {
    400: "INVALID_PARAMETER_VALUE",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    413: "INVALID_PARAMETER_VALUE",
    421: "PERMISSION_DENIED",
    429: "REQUEST_LIMIT_EXCEEDED",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
}


def answer(value: Any) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(_finite(value)), content_type=JSON)


def mlflow_error(error: ColonnadeError) -> bytes:
    """An error of the tree as MLflow's server words it; our code and hint stand in the message."""
    code = CODES.get(error.code) or BY_STATUS.get(error.http_status, "INTERNAL_ERROR")
    text = f"{error.message} Hint: {error.hint}" if error.hint else error.message
    return msgspec.json.encode({"error_code": code, "message": text})


def _finite(value: Any) -> Any:
    """Numbers that JSON has no word for, as proto3 spells them."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
