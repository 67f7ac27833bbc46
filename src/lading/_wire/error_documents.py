"""Error documents of a registry, read and written (distribution-spec, Error Codes).

One table has the exception of each code for the client, and status and message for the server. Text of a registry is
shown, but not trusted: on one line, cut, and without the secrets of the request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from lading._patterns import lazy_pattern
from lading._wire import header_fields
from lading._wire.endpoints import repository_of
from lading._wire.escaping import printable
from lading._wire.messages import Origin, Request
from lading._wire.urls import Query, redact, redact_field, redact_within, secret_values
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
    RangeNotSatisfiableError,
    RegistryError,
    RejectedError,
    SizeInvalidError,
    TooManyRequestsError,
    UnauthorizedError,
    UnsupportedError,
)
from lading.headers import Headers
from lading.raw_response import RawResponse


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

Cleaner = Callable[[str], str]

_SHORTEST_SECRET = 6
# Shorter values of a query are ordinary words and numbers. Stores repeat longer ones: S3 sends `SignatureProvided`.
_SHORTEST_SIGNATURE = 16
_SECRET_OF_FORM = frozenset({"access_token", "password", "refresh_token"})
_FORM = "application/x-www-form-urlencoded"
KEPT_BODY = 64 * 1024
"""Bytes of the body of a refusal that are looked at and kept."""
_REMEMBERED_TARGET = 1024
_KEPT_ENTRIES = 256
_KEPT_MESSAGE = 1000
_KEPT_CODE = 64
_DEEPEST_DETAIL = 64
_MESSAGE_KEYS = ("message", "details", "detail", "error_description", "error")
_MARKUP_MESSAGE = lazy_pattern(r"<(?:title|message)\b[^<>]*>([^<]*)", re.IGNORECASE)
# Error of Amazon S3, and of the stores of other clouds.
_STORAGE_ERROR = lazy_pattern(r"<Error>\s*<Code>([^<]*)</Code>\s*<Message>([^<]*)")


def describe(request: Request) -> str:
    """Return what was asked and where, on one line and without secrets: `GET ghcr.io/acme/app manifests/v9`."""
    target = request.target
    if len(target) > _REMEMBERED_TARGET:
        return f"{request.method} {_place(request.origin, target)}"
    return f"{request.method} {_remembered_place(request.origin, target)}"


def _place(origin: Origin, target: str) -> str:
    name = repository_of(target.partition("?")[0])
    if not name:
        return redact(f"{origin.authority}{target}")
    return redact(f"{origin.authority}/{name} {target[len('/v2/') + len(name) + 1 :]}")


# Each request is described several times in a row: in events, for bounds of its response, for an error.
_remembered_place = lru_cache(maxsize=64)(_place)


def raw_response(
    request: Request, status: int, headers: Headers, body: bytes | None = None, *, secrets: Sequence[str] | None = None
) -> RawResponse:
    """Describe a response, without the secrets of its request, of URLs and of cookies.

    `secrets` are those of the request, if they are known already.
    """
    clean = cleaner(secrets_of(request) if secrets is None else secrets, redact_field)
    plain = header_fields.PLAIN_FIELDS
    sent = [(name, value if name.lower() in plain else "REDACTED") for name, value in request.headers]
    received = [(name, "REDACTED" if name.lower() == "set-cookie" else clean(value)) for name, value in headers]
    return RawResponse(describe(request), _changed(request.headers, sent), status, _changed(headers, received), body)


def error_document(entries: Iterable[ErrorEntry]) -> bytes:
    """Write the body of a refusal; an entry without a message gets its code's own."""
    return msgspec.json.encode({"errors": [_written(entry) for entry in entries]})


def entries_of(text: str, clean: Cleaner, *, is_registry: bool) -> tuple[ErrorEntry, ...]:
    """Read what registries really send: the specification's document, other JSON, a page, a line of text, nothing."""
    text = text.strip()
    if not text:
        return ()
    try:
        document = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        if not text.startswith("<"):
            return (ErrorEntry("", _line(text, clean)),)
        # A store that a registry redirects to is not a registry, and need not look like one.
        stored = None if is_registry else _STORAGE_ERROR.search(text)
        if stored is not None:
            return (ErrorEntry(printable(clean(stored[1]), _KEPT_CODE), _line(stored[2], clean)),)
        return (ErrorEntry("", _line(_page_title(text) + ": is this a registry?" * is_registry, clean)),)
    errors = document.get("errors") if isinstance(document, dict) else None
    values = errors[:_KEPT_ENTRIES] if isinstance(errors, list) else [document if errors is None else errors]
    entries = (_entry(value, clean) for value in values)
    return tuple(entry for entry in entries if entry.code or entry.message)


def _page_title(page: str) -> str:
    found = _MARKUP_MESSAGE.search(page)
    return f"responded with a web page{f' ({found[1].strip()})' if found else ''}"


def _entry(value: Any, clean: Cleaner) -> ErrorEntry:
    if not isinstance(value, dict):
        return ErrorEntry("", _line(value, clean) if isinstance(value, str) else "")
    code = value.get("code")
    message = next((value[key] for key in _MESSAGE_KEYS if isinstance(value.get(key), str) and value[key]), "")
    return ErrorEntry(
        "" if code is None else printable(clean(str(code)), _KEPT_CODE),
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


def without_secrets(body: bytes, text: str, clean: Cleaner) -> bytes:
    """Return the body of a refusal, 64 KiB at most: as it came, unless it repeats a secret."""
    body = body[:KEPT_BODY]
    if not body:  # as in every response to HEAD
        return body
    try:
        document = msgspec.json.decode(body)
        cleaned = _detail(document, clean, _DEEPEST_DETAIL)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return body if clean(text) == text else clean(text).encode()
    return body if cleaned == document else msgspec.json.encode(cleaned)


def _line(text: str, clean: Cleaner) -> str:
    return printable(" ".join(clean(text).split()), _KEPT_MESSAGE)


def secrets_of(request: Request) -> Sequence[str]:
    """Return the secrets of a request, the longest first."""
    given = (*_secrets(request.headers), *_secrets_of_form(request))
    secrets = {secret for secret in given if len(secret) >= _SHORTEST_SECRET}
    secrets.update(value for value in secret_values(request.target) if len(value) >= _SHORTEST_SIGNATURE)
    return sorted(secrets, key=len, reverse=True)


def cleaner(secrets: Sequence[str], redact_urls: Cleaner = redact_within) -> Cleaner:
    """Make the function that takes secrets, the longest first, and those of URLs out of a string."""

    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "REDACTED")
        return redact_urls(text)

    return clean


def _changed(headers: Headers, fields: list[tuple[str, str]]) -> Headers:
    """Return header fields with other values: the same object if none differs, as fields are checked when made."""
    return headers if list(headers) == fields else Headers(fields)


def _secrets(headers: Headers) -> Iterable[str]:
    from base64 import b64decode  # only errors need it

    for name, value in headers:
        if name.lower() in header_fields.PLAIN_FIELDS:
            continue
        yield value
        credentials = value.rpartition(" ")[2]
        yield credentials
        try:
            yield b64decode(credentials, validate=True).decode().partition(":")[2]
        except ValueError:
            continue


def _secrets_of_form(request: Request) -> Iterable[str]:
    """Yield the secrets in a request for a token (RFC 6749, sections 4.3.2 and 6), which no other POST has."""
    if request.headers.get("Content-Type") != _FORM or not isinstance(request.body, bytes):
        return
    for name, value in Query.parse(request.body.decode("ascii", "replace")).pairs:
        if name in _SECRET_OF_FORM:
            yield value


def _written(entry: ErrorEntry) -> dict[str, Any]:
    known = CODES.get(entry.code)
    written: dict[str, Any] = {"code": entry.code, "message": entry.message or (known.message if known else "")}
    if entry.detail is not None:
        written["detail"] = entry.detail
    return written
