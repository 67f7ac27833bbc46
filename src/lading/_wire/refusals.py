"""Refusals of a registry: error class, message and advice for a response that refuses a request."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from lading._patterns import lazy_pattern
from lading._wire import header_fields
from lading._wire.error_documents import (
    CODES,
    KEPT_BODY,
    cleaner,
    describe,
    entries_of,
    raw_response,
    secrets_of,
    without_secrets,
)
from lading._wire.messages import Request
from lading._wire.operations import Operation, operation_of
from lading.errors import (
    DeniedError,
    ErrorEntry,
    ManifestUnknownError,
    NameUnknownError,
    NotFoundError,
    RangeNotSatisfiableError,
    RegistryError,
    RejectedError,
    ServerError,
    TooManyRequestsError,
    UnauthorizedError,
    UnsupportedError,
)
from lading.headers import Headers

_BY_STATUS: dict[int, type[RegistryError]] = {
    401: UnauthorizedError,
    403: DeniedError,
    405: UnsupportedError,
    416: RangeNotSatisfiableError,
    429: TooManyRequestsError,
    501: UnsupportedError,
}
# Used where the registry gives no reason, as in every response to HEAD.
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
_UNEXPECTED = "not an expected status: is this a registry?"
# Words of messages that say no more than that something does not exist.
_BOILERPLATE = (
    "404 a artifact blob by digest does error exist existing file for found given image in is it known manifest "
    "missing name named no not of page registry repository requested resource specified such tag the there this to "
    "unable unknown upload version was with"
)
_BOILERPLATE_WORDS = frozenset(_BOILERPLATE.split())
_WORD = lazy_pattern(r"[^\s\"'`:;,.()/@]+")
_TLS_WANTED = lazy_pattern(r"http request (?:was sent )?to (?:an )?https (?:server|port)", re.IGNORECASE)
_SHOWN_ENTRIES = 3


def problem(
    request: Request, status: int, headers: Headers, body: bytes, *, registry: str | None = None
) -> RegistryError:
    """Make the exception for a response that refuses a request, its class from the error code first, then the status.

    `request` is the request as it was sent, credentials included, so that none of them is shown if the response echoes
    it. Of `body`, 64 KiB are looked at. `registry` is the user's name for the registry, if the request went there and
    not to another host that it named.
    """
    # Below 400 the body is the answer to something else, not an explanation.
    text = body[:KEPT_BODY].decode("utf-8", "replace") if status >= 400 else ""
    secrets, is_registry = secrets_of(request), registry is not None
    clean = cleaner(secrets)
    entries, operation = entries_of(text, clean, is_registry=is_registry), operation_of(request, registry)
    missing = None if operation is None else operation.missing
    is_page = text.lstrip().startswith("<")
    kind = _kind(entries, status, NotFoundError if missing is None or is_page else missing[0])
    refusal = _Refusal(
        request, status, text, entries, operation, missing[1] if missing and kind is missing[0] else None, kind
    )
    wait = header_fields.retry_after(headers)
    response = raw_response(request, status, headers, without_secrets(body, text, clean), secrets=secrets)
    error = kind(
        refusal.message,
        request=response.request,
        status=status,
        errors=entries,
        retry_after=wait,
        response=response,
    )
    if registry is not None:
        for note in (*refusal.advice(registry), *([f"{registry} asks to wait {wait:g} seconds"] if wait else [])):
            error.add_note(note)
    return error


class _Refusal(msgspec.Struct, frozen=True):
    """A response that refuses a request: its error class, message and advice."""

    request: Request
    status: int
    text: str
    entries: tuple[ErrorEntry, ...]
    operation: Operation | None
    missing: str | None
    """Sentence that says what does not exist, if that is why the request was refused."""
    kind: type[RegistryError]

    @property
    def message(self) -> str:
        if self.operation is None:
            return f"{describe(self.request)}: {self._said}"
        if self._is_unknown_name:
            return self._with_own_words(self.operation.no_repository)
        if self.missing is not None:
            return self._with_own_words(self.missing)
        outcome = "failed" if self.status >= 500 else "refused"
        return f"{self.operation.subject}: {self.operation.action} {outcome}: {self._said}"

    def advice(self, registry: str) -> Iterator[str]:
        """Yield advice for the user; `registry` is the user's name for the registry."""
        if _TLS_WANTED.search(self.text):
            yield f"{registry} expects HTTPS: write https://{registry}, without plain_http (--plain-http)"
        elif self.status == 401:
            if "authorization" in self.request.headers:
                yield f"the credentials were not accepted: check them, and log in again: lading login {registry}"
            else:
                yield f"log in (lading login {registry}), and check the name: it may not exist"
        elif self._is_page:
            return  # the message says so
        elif self._is_unknown_name:
            yield f"check the name, or log in if it is private: lading login {registry}"
        elif issubclass(self.kind, ManifestUnknownError) and self.operation is not None and self.operation.is_about_tag:
            yield f"lading tags {self.operation.subject}"

    @property
    def _is_unknown_name(self) -> bool:
        # A registry may send the code for a request that names no repository, such as a ping.
        named = self.operation is not None and self.operation.match.name
        return bool(named) and issubclass(self.kind, NameUnknownError)

    @property
    def _is_page(self) -> bool:
        return self.text.lstrip().startswith("<")

    @property
    def _said(self) -> str:
        """Status, error codes and messages, as the registry gave them."""
        if not self.entries:
            meaning = _MEANINGS.get(self.status, _NO_MEANING if self.status >= 400 else _UNEXPECTED)
            return f"{self.status}: {meaning}"
        more = len(self.entries) - _SHOWN_ENTRIES
        gap = " " if self.entries[0].code else ": "
        shown_ones = "; ".join(map(_sentence, self.entries[:_SHOWN_ENTRIES]))
        return f"{self.status}{gap}{shown_ones}" + (f"; and {more} more" if more > 0 else "")

    def _with_own_words(self, fact: str) -> str:
        """Add what the registry said, unless it only repeats the fact."""
        own = {word for entry in self.entries for word in _WORD.findall(entry.message.lower())} - _BOILERPLATE_WORDS
        return f"{fact} ({self._said})" if own and own - set(_WORD.findall(fact.lower())) else fact


def _kind(entries: tuple[ErrorEntry, ...], status: int, missing: type[NotFoundError]) -> type[RegistryError]:
    """Return the class of an error: that of its code, or else of its status; `missing` is the one for 404."""
    for entry in entries:
        code = CODES.get(entry.code.upper())
        if code is not None:
            return code.kind
    usual = ServerError if status >= 500 else RejectedError if status >= 400 else RegistryError
    return missing if status == 404 else _BY_STATUS.get(status, usual)


def _sentence(entry: ErrorEntry) -> str:
    known = CODES.get(entry.code.upper())
    return ": ".join(filter(None, (entry.code, entry.message or (known.message if known else ""))))
