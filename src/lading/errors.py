"""Every error that lading raises.

    LadingError
    ├── InvalidReferenceError, InvalidDigestError, InvalidTagError,  your text does not parse (also ValueError)
    │   InvalidPlatformError, InvalidMediaTypeError
    ├── DocumentError                                                a manifest, index or config is not what it must be
    │   └── UnexpectedMediaTypeError
    ├── VerificationError                                            the content is not what its descriptor says
    │   ├── DigestMismatchError
    │   └── SizeMismatchError
    ├── RegistryError                                                the registry refused
    │   ├── NotFoundError
    │   │   └── BlobUnknownError, BlobUploadUnknownError, ManifestUnknownError, NameUnknownError
    │   ├── UnauthorizedError, DeniedError, UnsupportedError, TooManyRequestsError
    │   ├── RangeNotSatisfiableError, ServerError
    │   └── RejectedError
    │       ├── ManifestInvalidError, ManifestBlobUnknownError, DigestInvalidError
    │       └── NameInvalidError, SizeInvalidError, BlobUploadInvalidError
    ├── ProtocolError                                                the answer breaks the specification, the gate
    │   └── ForbiddenRedirectError, LimitExceededError               or a budget
    ├── TransportError                                               no answer (also OSError)
    │   ├── ConnectionFailedError
    │   └── TimedOutError                                            (also TimeoutError)
    ├── AuthError
    │   └── CredentialHelperError, TokenError
    └── StorageError                                                 the disk refused (also OSError)
        └── LayoutError                                              no image layout, or a damaged one

Every message is one line that says what, where and what to do; longer advice stands in the notes of the exception.
All of them can be pickled: `args` holds the message alone, everything else is an attribute with a default.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Literal, Self

import msgspec


class LadingError(Exception):
    """The root of everything that lading raises on purpose.

    Where a copy or a push failed, `side` says at which end and `digest` at which content, or None where it was about
    none: a tag that is not there, say. The message names both. `gave_up` says that it was tried as often and as long as
    `Retries` allows: another try at once is in vain.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.side: Literal["source", "destination"] | None = None
        self.digest: str | None = None
        self.gave_up = False

    def __str__(self) -> str:
        # OSError formats itself from errno and strerror; one line of ours is clearer everywhere.
        return str(self.args[0])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, self.__dict__


class _TextError(LadingError, ValueError):
    """A text that does not parse; `position` is the index of the first offending character in `text`."""

    def __init__(self, message: str, *, text: str = "", position: int | None = None) -> None:
        super().__init__(message)
        self.text = text
        self.position = position


class InvalidReferenceError(_TextError):
    """A text is not a reference."""


class InvalidDigestError(_TextError):
    """A text is not a digest, or names an algorithm that cannot be computed here."""


class InvalidTagError(_TextError):
    """A text is not a tag."""


class InvalidPlatformError(_TextError):
    """A text is not a platform."""


class InvalidMediaTypeError(_TextError):
    """A text is not a media type."""


class DocumentError(LadingError):
    """A manifest, index or config is not what it must be."""


class UnexpectedMediaTypeError(DocumentError):
    """A document is of another kind than the one asked for."""


class VerificationError(LadingError):
    """Content is not what its descriptor says."""


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


class ErrorEntry(msgspec.Struct, frozen=True):
    """One entry of an error document (distribution-spec, Error Codes); `detail` is whatever JSON the registry put."""

    code: str
    message: str = ""
    detail: Any = None


class RegistryError(LadingError):
    """The registry refused a request.

    `request` is the redacted request, `status` the HTTP status, `errors` the entries of the error document (empty when
    the body was none) and `retry_after` the seconds that the registry asked to wait, if it did.
    """

    def __init__(
        self,
        message: str,
        *,
        request: str = "",
        status: int = 0,
        errors: tuple[ErrorEntry, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.request = request
        self.status = status
        self.errors = errors
        self.retry_after = retry_after


class NotFoundError(RegistryError):
    """What was asked for does not exist (404)."""


class BlobUnknownError(NotFoundError):
    """BLOB_UNKNOWN."""


class BlobUploadUnknownError(NotFoundError):
    """BLOB_UPLOAD_UNKNOWN."""


class ManifestUnknownError(NotFoundError):
    """MANIFEST_UNKNOWN."""


class NameUnknownError(NotFoundError):
    """NAME_UNKNOWN."""


class UnauthorizedError(RegistryError):
    """UNAUTHORIZED, or 401."""


class DeniedError(RegistryError):
    """DENIED, or 403."""


class UnsupportedError(RegistryError):
    """UNSUPPORTED, or 405 or 501."""


class TooManyRequestsError(RegistryError):
    """TOOMANYREQUESTS, or 429; `retry_after` says how long to wait."""


class RangeNotSatisfiableError(RegistryError):
    """416: the range of a request does not fit what is there."""


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
    """The answer breaks HTTP or the specification."""


class ForbiddenRedirectError(ProtocolError):
    """A URL that the server named may not be followed."""


class LimitExceededError(ProtocolError):
    """The answer is larger than its budget."""


class TransportError(LadingError, OSError):
    """No answer came. `temporary` says whether another try may well succeed."""

    def __init__(self, message: str, *, temporary: bool = True) -> None:
        super().__init__(message)
        self.temporary = temporary


class ConnectionFailedError(TransportError):
    """The connection could not be made, or broke. `refused` says that nothing listens on the port."""

    def __init__(self, message: str, *, temporary: bool = True, refused: bool = False) -> None:
        super().__init__(message, temporary=temporary)
        self.refused = refused


class TimedOutError(TransportError, TimeoutError):
    """The answer did not come in time."""


class AuthError(LadingError):
    """Credentials could not be found or used."""


class CredentialHelperError(AuthError):
    """A credential helper failed."""


class TokenError(AuthError):
    """Obtaining a token failed."""


def said_by_system(error: OSError) -> str:
    """Return what the operating system says about a failure, without number and path."""
    return error.strerror or str(error)


class StorageError(LadingError, OSError):
    """The disk, or what is on it, refused. `errno` is the operating system's number for it, where there is one."""

    def __init__(self, message: str, *, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno

    @classmethod
    def because(cls, what: str, error: OSError) -> Self:
        """Make the error for something that the operating system refused."""
        return cls(f"{what}: {said_by_system(error)}", errno=error.errno)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.args, {**self.__dict__, "errno": self.errno}


@contextmanager
def storage_errors(what: str) -> Generator[None]:
    """Turn what the operating system refuses within the block into `StorageError`s that begin with `what`."""
    try:
        yield
    except LadingError:
        raise
    except OSError as error:
        raise StorageError.because(what, error) from error


class LayoutError(StorageError):
    """A directory is no image layout, or a damaged one."""


# Tracebacks and pickles show the public name, also of an error that is raised before it was looked up in `lading`.
for _error in [each for each in list(globals().values()) if isinstance(each, type) and issubclass(each, LadingError)]:
    _error.__module__ = "lading"
