"""Every error that lading raises.

    LadingError
    ├── InvalidReferenceError, InvalidDigestError, InvalidTagError,  a string does not parse (also ValueError)
    │   InvalidPlatformError, InvalidMediaTypeError
    ├── DocumentError                                                a manifest, index or config is not valid
    │   └── UnexpectedMediaTypeError, PlatformUnknownError
    ├── VerificationError                                            content differs from its descriptor
    │   ├── DigestMismatchError
    │   └── SizeMismatchError
    ├── RegistryError                                                the registry refused, or nothing was found
    │   ├── NotFoundError
    │   │   └── BlobUnknownError, BlobUploadUnknownError, ManifestUnknownError, NameUnknownError
    │   ├── UnauthorizedError, DeniedError, UnsupportedError, TooManyRequestsError
    │   ├── RangeNotSatisfiableError, ServerError
    │   └── RejectedError
    │       ├── ManifestInvalidError, ManifestBlobUnknownError, DigestInvalidError
    │       └── NameInvalidError, SizeInvalidError, BlobUploadInvalidError
    ├── ProtocolError                                                the response breaks the protocol, the gate
    │   └── ForbiddenRedirectError, LimitExceededError               or a budget
    ├── TransportError                                               no response (also OSError)
    │   ├── ConnectionFailedError
    │   └── TimedOutError                                            (also TimeoutError)
    ├── AuthError
    │   └── CredentialHelperError, TokenError
    ├── StorageError                                                 the disk refused (also OSError)
    │   └── LayoutError                                              not an image layout, or a damaged one
    └── ClientClosedError                                            the client was closed before (also RuntimeError)

Every message is one line that says what, where and what to do; longer advice is in the notes of the exception. All of
them can be pickled: `args` holds the message alone, everything else is an attribute with a default.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal, Self

from lading._result import Result
from lading.raw_response import RawResponse


class LadingError(Exception):
    """Base class of all errors that depend on anything but the arguments of a call.

    The message of an error of a copy or push names its side and content.

    Attributes:
    - `side`: side of a copy or push that failed, `"source"` or `"destination"`; None for other operations.
    - `digest`: digest of the content at which a copy or push failed; None if the error is not about one content.
    - `gave_up`: whether the operation was tried as often and as long as `Retries` allows, so that trying again at once
      will not help.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.side: Literal["source", "destination"] | None = None
        self.digest: str | None = None
        self.gave_up = False

    def __str__(self) -> str:
        # OSError would format itself from errno and strerror.
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, self.__dict__


class _TextError(LadingError, ValueError):
    """A string that does not parse; `position` is the index of the first offending character in `text`."""

    def __init__(self, message: str, *, text: str = "", position: int | None = None) -> None:
        super().__init__(message)
        self.text = text
        self.position = position


class InvalidReferenceError(_TextError):
    """A string is not a reference."""


class InvalidDigestError(_TextError):
    """A string is not a digest, or its algorithm is not supported here."""


class InvalidTagError(_TextError):
    """A string is not a tag."""


class InvalidPlatformError(_TextError):
    """A string is not a platform."""


class InvalidMediaTypeError(_TextError):
    """A string is not a media type."""


class DocumentError(LadingError):
    """A manifest, index or config is not valid."""


class UnexpectedMediaTypeError(DocumentError):
    """A document is of another kind than the requested one."""


class PlatformUnknownError(DocumentError):
    """An index has no manifest for the platform, or a single manifest is for another one or for none."""


class VerificationError(LadingError):
    """Content differs from its descriptor."""


class DigestMismatchError(VerificationError):
    """The digest of the content differs from the expected one."""

    def __init__(self, message: str, *, expected: str = "", actual: str = "") -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class SizeMismatchError(VerificationError):
    """The size of the content, in bytes, differs from the expected one."""

    def __init__(self, message: str, *, expected: int = 0, actual: int = 0) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class ErrorEntry(Result, frozen=True):
    """One entry of an error document (distribution-spec, Error Codes)."""

    code: str
    """Code such as `MANIFEST_UNKNOWN`; empty if the registry sent none."""
    message: str = ""
    """Message of the registry on one line, 1,000 characters at most, without secrets."""
    detail: Any = None
    """Any JSON value that the registry added."""


class RegistryError(LadingError):
    """The registry refused a request, or a layout, archive or target does not have what was asked for.

    Attributes:
    - `request`: method, host and target of the request, without secrets; empty where there was no request.
    - `status`: HTTP status, 0 without a response. A request that is not sent has the status for which it is not.
    - `errors`: entries of the error document (distribution-spec, Error Codes); empty if the body was not one.
    - `retry_after`: seconds that the registry asked to wait, or None.
    - `until`: time, in UTC, before which no request like this one is sent, as the registry asked for a longer wait than
      `Retries` allows; None if it did not, or if the time is not known.
    - `response`: the response with header fields and body (64 KiB at most); None without a request.
    """

    def __init__(
        self,
        message: str,
        *,
        request: str = "",
        status: int = 0,
        errors: tuple[ErrorEntry, ...] = (),
        retry_after: float | None = None,
        response: RawResponse | None = None,
    ) -> None:
        super().__init__(message)
        self.response = response
        self.request = request
        self.status = status
        self.errors = errors
        self.retry_after = retry_after
        self.until: datetime | None = None


class NotFoundError(RegistryError):
    """The requested thing does not exist (404)."""


class BlobUnknownError(NotFoundError):
    """BLOB_UNKNOWN."""


class BlobUploadUnknownError(NotFoundError):
    """BLOB_UPLOAD_UNKNOWN."""


class ManifestUnknownError(NotFoundError):
    """MANIFEST_UNKNOWN."""


class NameUnknownError(NotFoundError):
    """NAME_UNKNOWN."""


class UnauthorizedError(RegistryError):
    """UNAUTHORIZED, or 401; or a registry or its token server refused the login."""


class DeniedError(RegistryError):
    """DENIED, or 403."""


class UnsupportedError(RegistryError):
    """UNSUPPORTED, or 405 or 501."""


class TooManyRequestsError(RegistryError):
    """TOOMANYREQUESTS, or 429; `retry_after` says how long to wait."""


class RangeNotSatisfiableError(RegistryError):
    """416: the range of a request is outside the content."""


class ServerError(RegistryError):
    """5xx: the registry failed."""


class RejectedError(RegistryError):
    """The registry does not accept the content or the request (400 and the codes below)."""


class ManifestInvalidError(RejectedError):
    """MANIFEST_INVALID."""


class ManifestBlobUnknownError(RejectedError):
    """MANIFEST_BLOB_UNKNOWN."""


class DigestInvalidError(RejectedError):
    """DIGEST_INVALID."""


class NameInvalidError(RejectedError):
    """NAME_INVALID."""


class SizeInvalidError(RejectedError):
    """SIZE_INVALID."""


class BlobUploadInvalidError(RejectedError):
    """BLOB_UPLOAD_INVALID."""


class ProtocolError(LadingError):
    """The response breaks HTTP or the specification."""


class ForbiddenRedirectError(ProtocolError):
    """The gate refused a URL that the server named."""


class LimitExceededError(ProtocolError):
    """A response or an image exceeds its budget."""


class TransportError(LadingError, OSError):
    """There was no response. `temporary` is true if another try may succeed."""

    def __init__(self, message: str, *, temporary: bool = True) -> None:
        super().__init__(message)
        self.temporary = temporary


class ConnectionFailedError(TransportError):
    """The connection could not be made, or broke. `refused` is true if nothing listens on the port."""

    def __init__(self, message: str, *, temporary: bool = True, refused: bool = False) -> None:
        super().__init__(message, temporary=temporary)
        self.refused = refused


class TimedOutError(TransportError, TimeoutError):
    """The response did not come in time. `slow` is true if it came, or was read, below `Budgets.min_rate`."""

    def __init__(self, message: str, *, temporary: bool = True, slow: bool = False) -> None:
        super().__init__(message, temporary=temporary)
        self.slow = slow


class AuthError(LadingError):
    """Credentials could not be found or used."""


class CredentialHelperError(AuthError):
    """A credential helper failed."""


class TokenError(AuthError):
    """Obtaining a token failed."""


# Of Windows: sharing violation, lock violation.
_IN_USE = frozenset({32, 33})


def said_by_system(error: OSError) -> str:
    """Return the system's message for a failure, without number and path; on Windows in the words of POSIX."""
    number = getattr(error, "winerror", None)
    if number in _IN_USE:
        return "in use by another program"
    # Windows has sentences, in the language of the user. EINVAL is also the number of all that errno cannot tell apart,
    # and numbers from 10000 on are those of sockets.
    if number is not None and error.errno is not None and error.errno < 10_000 and error.errno != errno.EINVAL:
        return os.strerror(error.errno)
    return error.strerror or str(error)


class StorageError(LadingError, OSError):
    """A file or directory could not be read or written. `errno` is the number of the system's error, or None."""

    def __init__(self, message: str, *, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno

    @classmethod
    def because(cls, what: str, error: OSError) -> Self:
        """Make the error for an operation that the operating system refused."""
        return cls(f"{what}: {said_by_system(error)}", errno=error.errno)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, {**self.__dict__, "errno": self.errno}


@contextmanager
def storage_errors(what: str) -> Generator[None]:
    """Convert each `OSError` of the block to a `StorageError` that begins with `what`."""
    try:
        yield
    except LadingError:
        raise
    except OSError as error:
        raise StorageError.because(what, error) from error


@contextmanager
def naming(target: str) -> Generator[None]:
    """Name the target in the error for a platform that an index does not have."""
    try:
        yield
    except PlatformUnknownError as error:
        error.args = (f"{target}: {error}",)
        raise


class LayoutError(StorageError):
    """A directory is not an image layout, or a damaged one."""


class ClientClosedError(LadingError, RuntimeError):
    """A client, or something that it gave out, was used after the client was closed."""


# Tracebacks and pickles show the public name, also of an error that is raised before it was looked up in `lading`.
for _error in [each for each in list(globals().values()) if isinstance(each, type) and issubclass(each, LadingError)]:
    _error.__module__ = "lading"
