# SPDX-License-Identifier: Apache-2.0
"""Errors as the API says them: always `{"error": {"message", "type", "param", "code"}}`, the shape that OpenAI's
clients read.

No internals and no secrets leave here: an unexpected exception becomes a reference and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from colonnade.core.errors import ColonnadeError

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    421: "permission_error",
    429: "rate_limit_error",
}


class ApiError(ColonnadeError):
    """A refusal with its HTTP status. `close` ends the connection after it; `headers` go with it (`retry-after`)."""

    code = "bad_request"

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
        close: bool = False,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.http_status = status
        self.param = param
        self.headers = dict(headers or {})
        self.close = close


def error_type(status: int) -> str:
    """The `type` of an error with this HTTP status."""
    return TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")


def error_object(
    message: str, status: int, code: str, *, param: str | None = None, hint: str = ""
) -> dict[str, object]:
    """The error as an object; the hint stands in the message, where every client shows it."""
    text = f"{message} Hint: {hint}" if hint else message
    return {"error": {"message": text, "type": error_type(status), "param": param, "code": code}}


def error_body(error: ColonnadeError) -> bytes:
    """The JSON of an error of the tree."""
    param = error.param if isinstance(error, ApiError) else None
    return msgspec.json.encode(error_object(error.message, error.http_status, error.code, param=param, hint=error.hint))


def protocol_error(error: ColonnadeError) -> bytes:
    """The same as the Open Inference Protocol has it: a sentence; our code stands beside it."""
    text = f"{error.message} Hint: {error.hint}" if error.hint else error.message
    return msgspec.json.encode({"error": text, "code": error.code})


NOT_FOUND = msgspec.json.encode(error_object("There is no such thing here, or you may not see it.", 404, "not_found"))
"""One body for what does not exist and for what the asker may not see: it names nothing."""


def not_found() -> ApiError:
    """404 for both: unknown and forbidden."""
    return ApiError(404, "There is no such thing here, or you may not see it.", code="not_found")


def internal(ref: str) -> bytes:
    """The JSON of an unexpected error: only where the log has more."""
    message = f"Something went wrong here; the daemon's log has it under {ref}."
    return msgspec.json.encode(error_object(message, 500, "internal"))
