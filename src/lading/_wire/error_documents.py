"""Error documents of a registry, as exceptions and back (distribution-spec, Error Codes).

Error documents become exceptions here, and codes become error documents on the server's side, by one table. What a
registry says is shown, but as the text of a stranger: on one line, cut, and without the secrets of the request in it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from lading._wire import header_fields
from lading._wire.endpoints import repository_of
from lading._wire.escaping import shown
from lading._wire.messages import Headers, Request
from lading._wire.urls import redact, redact_within
from lading.errors import (
    BlobUnknownError,
    BlobUploadInvalidError,
    BlobUploadUnknownError,
    DeniedError,
    DigestInvalidError,
    ErrorEntry,
    ManifestBlobUnknownError,
    ManifestInvalidError,
    ManifestUnknownError,
    NameInvalidError,
    NameUnknownError,
    NotFoundError,
    RangeNotSatisfiableError,
    RegistryError,
    RejectedError,
    ServerError,
    SizeInvalidError,
    TooManyRequestsError,
    UnauthorizedError,
    UnsupportedError,
)


class Code(msgspec.Struct, frozen=True):
    """An error code: the class that the client raises, the status and the message that the server answers with."""

    kind: type[RegistryError]
    status: int
    message: str


CODES = {
    "BLOB_UNKNOWN": Code(BlobUnknownError, 404, "blob unknown to registry"),
    "BLOB_UPLOAD_INVALID": Code(BlobUploadInvalidError, 400, "blob upload invalid"),
    "BLOB_UPLOAD_UNKNOWN": Code(BlobUploadUnknownError, 404, "blob upload unknown to registry"),
    "DIGEST_INVALID": Code(DigestInvalidError, 400, "provided digest did not match uploaded content"),
    "MANIFEST_BLOB_UNKNOWN": Code(
        ManifestBlobUnknownError, 400, "manifest references a manifest or blob unknown to registry"
    ),
    "MANIFEST_INVALID": Code(ManifestInvalidError, 400, "manifest invalid"),
    "MANIFEST_UNKNOWN": Code(ManifestUnknownError, 404, "manifest unknown to registry"),
    "NAME_INVALID": Code(NameInvalidError, 400, "invalid repository name"),
    "NAME_UNKNOWN": Code(NameUnknownError, 404, "repository name not known to registry"),
    "SIZE_INVALID": Code(SizeInvalidError, 400, "provided length did not match content length"),
    "UNAUTHORIZED": Code(UnauthorizedError, 401, "authentication required"),
    "DENIED": Code(DeniedError, 403, "requested access to the resource is denied"),
    "UNSUPPORTED": Code(UnsupportedError, 405, "the operation is unsupported"),
    "TOOMANYREQUESTS": Code(TooManyRequestsError, 429, "too many requests"),
    # Not in the specification, but in CNCF Distribution and those that follow it.
    "PAGINATION_NUMBER_INVALID": Code(RejectedError, 400, "invalid number of results requested"),
    "RANGE_INVALID": Code(RangeNotSatisfiableError, 416, "invalid content range"),
}

_BY_STATUS: dict[int, type[RegistryError]] = {
    401: UnauthorizedError,
    403: DeniedError,
    404: NotFoundError,
    405: UnsupportedError,
    416: RangeNotSatisfiableError,
    429: TooManyRequestsError,
    501: UnsupportedError,
}
# Said where the registry says nothing, as in every answer to HEAD.
_MEANINGS = {
    400: "bad request",
    401: "authentication required",
    403: "access denied",
    404: "not found",
    405: "not supported",
    413: "too large",
    416: "range not satisfiable",
    429: "too many requests",
    501: "not supported",
    502: "bad gateway",
    503: "unavailable",
    504: "gateway timed out",
}
_NO_MEANING = "the registry gave no reason"
_UNEXPECTED = "not a status that was expected: is this a registry?"
Cleaner = Callable[[str], str]

_SHORTEST_SECRET = 6
_KEPT_BODY = 64 * 1024
_KEPT_ENTRIES = 256
_KEPT_MESSAGE = 1000
_KEPT_CODE = 64
_SHOWN_ENTRIES = 3
_DEEPEST_DETAIL = 64
_MESSAGE_KEYS = ("message", "details", "detail", "error_description", "error")
_MARKUP_MESSAGE = re.compile(r"<(?:title|message)\b[^<>]*>([^<]*)", re.IGNORECASE)
_TLS_WANTED = re.compile(r"http request (?:was sent )?to (?:an )?https (?:server|port)", re.IGNORECASE)


def problem(request: Request, status: int, headers: Headers, body: bytes) -> RegistryError:
    """Make the exception for an answer that refuses a request, its class from the error code first, then the status.

    `request` is the request as it was sent, credentials included, so that none of them is shown if the answer echoes
    it. Of `body`, 64 KiB are looked at.
    """
    # Below 400 the body is the answer to something else, not an explanation.
    text = body[:_KEPT_BODY].decode("utf-8", "replace") if status >= 400 else ""
    entries = _entries(text, _cleaner(request))
    wait = header_fields.retry_after(headers)
    where = describe(request)
    gap = " " if entries and entries[0].code else ": "
    error = _kind(entries, status)(
        f"{where}: {status}{gap}{_said(entries, status)}",
        request=where,
        status=status,
        errors=entries,
        retry_after=wait,
    )
    for note in _advice(request, status, text, wait):
        error.add_note(note)
    return error


def describe(request: Request) -> str:
    """Return what was asked and where, on one line and without secrets: `GET ghcr.io/acme/app manifests/v9`."""
    path = request.target.partition("?")[0]
    name = repository_of(path)
    start = len(f"/v2/{name}") if name else 0
    where = f"{request.origin.authority}{request.target}"
    if start:
        where = f"{request.origin.authority}/{name} {request.target[start + 1 :]}"
    return f"{request.method} {redact(where)}"


def error_document(entries: Iterable[ErrorEntry]) -> bytes:
    """Write the body of a refusal; an entry without a message gets its code's own."""
    return msgspec.json.encode({"errors": [_written(entry) for entry in entries]})


def _kind(entries: tuple[ErrorEntry, ...], status: int) -> type[RegistryError]:
    for entry in entries:
        code = CODES.get(entry.code.upper())
        if code is not None:
            return code.kind
    if status >= 500:
        return _BY_STATUS.get(status, ServerError)
    return _BY_STATUS.get(status, RejectedError if status >= 400 else RegistryError)


def _said(entries: tuple[ErrorEntry, ...], status: int) -> str:
    if not entries:
        return _MEANINGS.get(status, _NO_MEANING if status >= 400 else _UNEXPECTED)
    more = len(entries) - _SHOWN_ENTRIES
    shown_ones = "; ".join(map(_sentence, entries[:_SHOWN_ENTRIES]))
    return f"{shown_ones}; and {more} more" if more > 0 else shown_ones


def _sentence(entry: ErrorEntry) -> str:
    known = CODES.get(entry.code.upper())
    return ": ".join(filter(None, (entry.code, entry.message or (known.message if known else ""))))


def _advice(request: Request, status: int, text: str, wait: float | None) -> Iterable[str]:
    host = request.origin.authority
    if _TLS_WANTED.search(text):
        yield f"{host} speaks https here: leave out plain_http (--plain-http)"
    if status == 401:
        if "authorization" in request.headers:
            yield f"{host} did not accept the credentials: renew them with `lading login {host}`"
        else:
            yield f"log in with `lading login {host}`; a registry may also say so of a repository that does not exist"
    if wait is not None:
        yield f"{host} asks to wait {wait:g} seconds"


def _entries(text: str, clean: Cleaner) -> tuple[ErrorEntry, ...]:
    """Read what registries really send: the specification's document, other JSON, a page, a line of text, nothing."""
    text = text.strip()
    if not text:
        return ()
    try:
        document = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return (ErrorEntry("", _line(_page_title(text) if text.startswith("<") else text, clean)),)
    errors = document.get("errors") if isinstance(document, dict) else None
    values = errors[:_KEPT_ENTRIES] if isinstance(errors, list) else [document if errors is None else errors]
    entries = (_entry(value, clean) for value in values)
    return tuple(entry for entry in entries if entry.code or entry.message)


def _page_title(page: str) -> str:
    found = _MARKUP_MESSAGE.search(page)
    return f"answered a page instead of an error document: {found[1] if found else 'without a title'}"


def _entry(value: Any, clean: Cleaner) -> ErrorEntry:
    if not isinstance(value, dict):
        return ErrorEntry("", _line(value, clean) if isinstance(value, str) else "")
    code = value.get("code")
    message = next((value[key] for key in _MESSAGE_KEYS if isinstance(value.get(key), str) and value[key]), "")
    return ErrorEntry(
        "" if code is None else shown(clean(str(code)), _KEPT_CODE),
        _line(message, clean),
        _detail(value.get("detail"), clean, _DEEPEST_DETAIL),
    )


def _detail(value: Any, clean: Cleaner, depth: int) -> Any:
    """Copy JSON with its texts cleaned; arrays and objects nested deeper than `depth` become None."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _detail(item, clean, depth - 1) for key, item in value.items()} if depth else None
    if isinstance(value, list):
        return [_detail(item, clean, depth - 1) for item in value] if depth else None
    return value


def _line(text: str, clean: Cleaner) -> str:
    return shown(" ".join(clean(text).split()), _KEPT_MESSAGE)


def _cleaner(request: Request) -> Cleaner:
    """Make the function that takes the secrets of a request, and those of URLs, out of a text."""
    secrets = {secret for secret in _secrets(request.headers) if len(secret) >= _SHORTEST_SECRET}
    longest_first = sorted(secrets, key=len, reverse=True)

    def clean(text: str) -> str:
        for secret in longest_first:
            text = text.replace(secret, "REDACTED")
        return redact_within(text)

    return clean


def _secrets(headers: Headers) -> Iterable[str]:
    for name, value in headers:
        if name.lower() in header_fields.PLAIN_FIELDS:
            continue
        yield value
        credentials = value.rpartition(" ")[2]
        yield credentials
        try:
            yield base64.b64decode(credentials, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            continue


def _written(entry: ErrorEntry) -> dict[str, Any]:
    known = CODES.get(entry.code)
    written: dict[str, Any] = {"code": entry.code, "message": entry.message or (known.message if known else "")}
    if entry.detail is not None:
        written["detail"] = entry.detail
    return written
