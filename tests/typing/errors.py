"""Every error, as a user handles it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, assert_type

from lading import (
    AuthError,
    BlobUnknownError,
    BlobUploadInvalidError,
    BlobUploadUnknownError,
    ClientClosedError,
    ConnectionFailedError,
    CredentialHelperError,
    DeniedError,
    Digest,
    DigestInvalidError,
    DigestMismatchError,
    DocumentError,
    ErrorEntry,
    ForbiddenRedirectError,
    InvalidDigestError,
    InvalidMediaTypeError,
    InvalidPlatformError,
    InvalidReferenceError,
    InvalidTagError,
    LadingError,
    LayoutError,
    LimitExceededError,
    ManifestBlobUnknownError,
    ManifestInvalidError,
    ManifestUnknownError,
    NameInvalidError,
    NameUnknownError,
    NotFoundError,
    PlatformUnknownError,
    ProtocolError,
    RangeNotSatisfiableError,
    RawResponse,
    RegistryError,
    RejectedError,
    ServerError,
    SizeInvalidError,
    SizeMismatchError,
    StorageError,
    TimedOutError,
    TokenError,
    TooManyRequestsError,
    TransportError,
    UnauthorizedError,
    UnexpectedMediaTypeError,
    UnsupportedError,
    VerificationError,
)


def raised() -> str:
    """Handle an error."""
    try:
        return Digest("sha256:x")
    except InvalidDigestError as error:
        return handled(error)


def handled(error: LadingError) -> str:  # noqa: C901, PLR0911  # a case for each cause
    """Return whose fault an error is."""
    assert_type(error.side, Literal["source", "destination"] | None)
    assert_type(error.digest, str | None)
    assert_type(error.gave_up, bool)
    match error:
        case InvalidReferenceError() | InvalidDigestError() | InvalidTagError():
            assert_type(error.text, str)
            assert_type(error.position, int | None)
            return "the text"
        case InvalidPlatformError() | InvalidMediaTypeError():
            return "the text"
        case DigestMismatchError():
            assert_type((error.expected, error.actual), tuple[str, str])
            return "the content"
        case SizeMismatchError():
            assert_type((error.expected, error.actual), tuple[int, int])
            return "the content"
        case VerificationError() | UnexpectedMediaTypeError() | PlatformUnknownError() | DocumentError():
            return "the content"
        case RegistryError():
            return refused(error)
        case ForbiddenRedirectError() | LimitExceededError() | ProtocolError():
            return "the registry"
        case TransportError():
            return unreachable(error)
        case CredentialHelperError() | TokenError() | AuthError():
            return "the login"
        case LayoutError() | StorageError():
            assert_type(error.errno, int | None)
            return "the disk"
        case ClientClosedError():
            return "the program"
        case _:
            return "unknown"


def refused(error: RegistryError) -> str:  # noqa: PLR0911  # likewise
    """Return whose fault a refusal is."""
    assert_type(error.request, str)
    assert_type(error.status, int)
    assert_type(error.errors, tuple[ErrorEntry, ...])
    assert_type(error.retry_after, float | None)
    assert_type(error.until, datetime | None)
    assert_type(error.response, RawResponse | None)
    match error:
        case BlobUnknownError() | BlobUploadUnknownError() | ManifestUnknownError() | NameUnknownError():
            return "the reference"
        case NotFoundError() | UnsupportedError() | RangeNotSatisfiableError():
            return "the request"
        case UnauthorizedError() | DeniedError():
            return "the login"
        case ManifestInvalidError() | ManifestBlobUnknownError() | DigestInvalidError() | NameInvalidError():
            return "the content"
        case SizeInvalidError() | BlobUploadInvalidError() | RejectedError():
            return "the content"
        case TooManyRequestsError() | ServerError():
            return "the registry"
        case _:
            return "unknown"


def unreachable(error: TransportError) -> str:
    """Return whose fault it is that there is no response."""
    assert_type(error.temporary, bool)
    match error:
        case ConnectionFailedError():
            assert_type(error.refused, bool)
            return "the registry" if error.refused else "the network"
        case TimedOutError():
            assert_type(error.slow, bool)
            return "the registry" if error.slow else "the network"
        case _:
            return "unknown"
