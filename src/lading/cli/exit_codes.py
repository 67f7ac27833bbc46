"""Exit codes and error messages of the command."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from lading import (
    AuthError,
    DeniedError,
    InvalidDigestError,
    InvalidMediaTypeError,
    InvalidPlatformError,
    InvalidReferenceError,
    InvalidTagError,
    LadingError,
    NotFoundError,
    PlatformUnknownError,
    RegistryError,
    TransportError,
    UnauthorizedError,
    VerificationError,
    printable,
)
from lading.cli.output import Output, UsageError

FAILED, USAGE, NOT_FOUND, NOT_ALLOWED, UNVERIFIED, NO_ANSWER = 1, 2, 3, 4, 5, 6

_INVALID = (InvalidReferenceError, InvalidTagError, InvalidDigestError, InvalidPlatformError, InvalidMediaTypeError)
_CODES: tuple[tuple[int, tuple[type[Exception], ...]], ...] = (
    (USAGE, (UsageError, *_INVALID)),
    (NOT_FOUND, (NotFoundError, PlatformUnknownError)),
    (NOT_ALLOWED, (UnauthorizedError, DeniedError, AuthError)),
    (UNVERIFIED, (VerificationError,)),
    (NO_ANSWER, (TransportError,)),
)
_LONGEST_NOTE = 1000


def tell(error: Exception, output: Output, *, about: str = "") -> int:
    """Print what went wrong, after the thing that it is `about`, and return the exit code.

    With LADING_TRACEBACK in the environment, the traceback comes first.
    """
    if os.environ.get("LADING_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, LadingError | UsageError):
        output.problem(f"{about}: {error}" if about else str(error), *_notes(error))
    else:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        output.problem(f"internal error (please report it): {what}", "  hint: LADING_TRACEBACK=1 shows where")
    return exit_code(error)


def record(error: LadingError) -> dict[str, str]:
    """Return the fields of the record of a failure: `error`, and `until` if the registry wants no requests before."""
    until = error.until if isinstance(error, RegistryError) else None
    return {"error": str(error)} | ({} if until is None else {"until": f"{until:%Y-%m-%dT%H:%M:%SZ}"})


def exit_code(error: Exception) -> int:
    """Return the exit code for an error."""
    return next((code for code, kinds in _CODES if isinstance(error, kinds)), FAILED)


def common(codes: Iterable[int]) -> int:
    """Return the exit code for several results: that of the failures if they have the same one, else 1."""
    failures = set(codes) - {0}
    return failures.pop() if len(failures) == 1 else FAILED if failures else 0


def _notes(error: Exception) -> Iterator[str]:
    for note in getattr(error, "__notes__", ()):
        # A note that is indented is a drawing, with a caret under the fault; any other is advice.
        prefix = "" if note.startswith(" ") else "  hint: "
        for line in note.splitlines():
            yield prefix + printable(line, _LONGEST_NOTE)
