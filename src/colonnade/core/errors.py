# SPDX-License-Identifier: Apache-2.0
"""The one error tree. "Not yet" is a value, not an error; what stands here is refused, broken or missing.

    ColonnadeError                   code, message, hint; exit code 1
    ├── UsageError                   used wrongly: a bad flag, a bad declaration; exit 2, HTTP 400
    │   ├── DeclarationError         colonnade.yaml, with file and line
    │   └── UnknownName              a person, service, knowledge base or ref that does not exist; HTTP 404
    ├── Refused                      a policy or a gate said no; exit 3, HTTP 403
    ├── NeedsDaemon                  the command needs a running daemon; exit 4
    ├── Unavailable                  something outside did not answer, or is not installed; HTTP 503
    │   ├── UpstreamDown             the language model or embedding endpoint
    │   └── MissingExtra             an optional package, with the command that installs it
    ├── StateError                   the state store: locked, full, of a newer version
    │   ├── Lost                     the lease or the compare-and-set was lost to somebody else
    │   └── StorageFull              no space left on the device
    ├── Unreadable                   a source file that cannot be read, with a stable code
    └── Tampered                     the ledger or the state is not what was signed

Every class has a stable `code` (its default), which `colonnade explain CODE` describes offline.
"""

from __future__ import annotations


class ColonnadeError(Exception):
    """Something that a person must know, with what to do next.

    Args:
        message: what happened, one sentence, no secret in it.
        hint: the next step, or "".
        code: a more exact stable code than the class's own.
    """

    code = "error"
    exit_code = 1
    http_status = 500

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message}\n\nhint: {self.hint}" if self.hint else self.message


class UsageError(ColonnadeError):
    """Used wrongly."""

    code = "usage"
    exit_code = 2
    http_status = 400


class DeclarationError(UsageError):
    """The declaration is wrong at a known file and line."""

    code = "declaration_invalid"

    def __init__(self, message: str, *, file: str, line: int, hint: str = "", code: str | None = None) -> None:
        super().__init__(f"{file}:{line}: {message}", hint=hint, code=code)
        self.file = file
        self.line = line


class UnknownName(UsageError):
    """Names something that does not exist here, or that the caller may not see: the two answer alike."""

    code = "not_found"
    http_status = 404


class Refused(ColonnadeError):
    """A policy or a gate said no."""

    code = "refused"
    exit_code = 3
    http_status = 403


class NeedsDaemon(ColonnadeError):
    """The command needs a running daemon."""

    code = "needs_daemon"
    exit_code = 4
    http_status = 503


class Unavailable(ColonnadeError):
    """Something that is needed did not answer."""

    code = "unavailable"
    http_status = 503


class UpstreamDown(Unavailable):
    """A language model or embedding endpoint did not answer in time, or answered nonsense."""

    code = "upstream_down"


class MissingExtra(Unavailable):
    """An optional package is not installed."""

    code = "missing_extra"


class StateError(ColonnadeError):
    """The state store cannot do it."""

    code = "state"


class Lost(StateError):
    """The lease, or the compare-and-set, was lost to somebody else."""

    code = "lost"
    http_status = 409


class StorageFull(StateError):
    """No space left where the state lies."""

    code = "storage_full"
    http_status = 507


class Unreadable(ColonnadeError):
    """A source file cannot be read. Its code is one of those in `core.documents.UNREADABLE_CODES`."""

    code = "unreadable"
    http_status = 422


class Tampered(ColonnadeError):
    """The ledger or the state is not what was signed."""

    code = "tampered"
