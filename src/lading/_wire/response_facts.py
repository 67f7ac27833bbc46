"""Typed facts from a registry's responses (distribution-spec, the response of each endpoint).

Details are parsed tolerantly, as registries differ in them. The status and the shape are not: a site that responds with
200 and a page to every request is not a registry (`ProtocolError`).
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from lading._result import Result
from lading._wire import header_fields
from lading._wire.endpoints import PULL_BLOB, Endpoint
from lading._wire.error_documents import describe
from lading._wire.escaping import printable, quoted
from lading._wire.messages import Request
from lading.digest import Digest
from lading.errors import DigestMismatchError, InvalidDigestError, LimitExceededError, ProtocolError
from lading.headers import Headers
from lading.media_types import OCTET_STREAM

T = TypeVar("T")

_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_OF_SERVICES = frozenset({"application/json", "text/plain"})
# Values of Content-Type that do not identify the kind of a manifest.
_WITHOUT_KIND = _PAGES | _OF_SERVICES | {OCTET_STREAM}
# Every entry takes about sixty bytes of memory and at least four on the wire.
_MOST_ENTRIES = 1_000_000
# A registry may ask for arbitrarily large chunks; beyond this, it gets the whole blob or chunks of this size.
_LARGEST_MINIMUM = 1024**3
# A smaller maximum would split a layer into a million requests, and is ignored.
_SMALLEST_MAXIMUM = 64 * 1024


class Page(msgspec.Struct, frozen=True):
    """Page of a list of tags or repositories."""

    items: tuple[str, ...]
    """Tags or names as the registry spelled them: they may be invalid."""
    next: str | None = None
    """URL of the next page in the `Link` field, still to be resolved and to pass the gate."""

    @property
    def names(self) -> tuple[str, ...]:
        return self.items


class ManifestFacts(msgspec.Struct, frozen=True):
    """Header fields of a manifest or blob; None for a missing or invalid one."""

    media_type: str | None
    digest: Digest | None
    size: int | None
    """Size in bytes."""


class UploadAccepted(msgspec.Struct, frozen=True):
    """State of an upload as reported by the registry."""

    location: str | None
    """URL for the next request, still to be resolved and to pass the gate; None leaves the previous one in force."""
    end_of_range: int | None
    """Position of the last byte that arrived; None if unknown. Many registries send 0 after no byte, as after one."""
    chunk_min_length: int
    """Smallest size of a chunk in bytes, at most 1 GiB; the last chunk may be smaller."""
    chunk_max_length: int | None
    """Largest size of a chunk in bytes, at least 64 KiB; None if there is no limit."""


class ManifestPushed(msgspec.Struct, frozen=True):
    """Result of the push of a manifest, as reported by the registry."""

    digest: Digest | None
    tags: tuple[str, ...]
    """Tags that the registry set in addition to the one in the URL."""
    subject: Digest | None
    """Subject for which the registry recorded the manifest as a referrer."""


class Extension(Result, frozen=True):
    """Extension of a registry (distribution-spec, extensions/_oci.md)."""

    name: str
    """Name of the extension, such as `_oci`."""
    url: str = ""
    """Link to its documentation; "" if not stated."""
    description: str = ""
    """Description of the extension; "" if not stated."""
    endpoints: tuple[str, ...] = ()
    """Endpoints of the extension, as the registry spelled them."""


class RateLimits(Result, frozen=True):
    """Rate limit of a registry, as a response reports it; a field is None if it reports none."""

    limit: int | None = None
    """Number of requests in a period (`RateLimit-Limit`)."""
    remaining: int | None = None
    """Number of requests left in the period (`RateLimit-Remaining`)."""
    window: int | None = None
    """Period in seconds."""

    @classmethod
    def of(cls, headers: Headers) -> RateLimits:
        """Parse the header fields of a response, such as those of `RawResponse` and `Exchanged`."""
        limit = header_fields.rate_limit(headers.get("RateLimit-Limit"))
        remaining = header_fields.rate_limit(headers.get("RateLimit-Remaining"))
        windows = [each.window for each in (remaining, limit) if each is not None and each.window is not None]
        return cls(
            None if limit is None else limit.count,
            None if remaining is None else remaining.count,
            windows[0] if windows else None,
        )


class _TagList(msgspec.Struct):
    name: Any = None
    tags: list[str] | None = None


class _RepositoryList(msgspec.Struct):
    repositories: list[str] | None


class _ExtensionList(msgspec.Struct):
    extensions: tuple[Extension, ...] | None


_TAG_LIST = msgspec.json.Decoder(_TagList)
_REPOSITORY_LIST = msgspec.json.Decoder(_RepositoryList)
_EXTENSION_LIST = msgspec.json.Decoder(_ExtensionList)


def succeeded(endpoint: Endpoint, request: Request, status: int) -> bool:
    """Return whether a response is a success; False means that its body is an error document.

    Raises `ProtocolError` for a status below 400 that the endpoint does not define, and for a partial response to a
    request for a whole blob.
    """
    if status >= 400:
        return False
    unasked = endpoint is PULL_BLOB and status == 206 and "range" not in request.headers
    if unasked or status not in (*endpoint.success, *endpoint.tolerated):
        expected = " or ".join(str(one) for one in endpoint.success if one != 206)
        raise ProtocolError(f"{describe(request)}: responded with {status}, expected {expected}: is this a registry?")
    return True


def tag_page(request: Request, headers: Headers, body: bytes) -> Page:
    """Parse a page of tags (end-8a, end-8b).

    Raises `ProtocolError` for anything but a tag list, `LimitExceededError` for more than a million entries.
    """
    page = _decoded(_TAG_LIST, request, headers, body, "tag list")
    if page.tags is None and page.name is None:
        raise _unexpected(request, headers, "tag list", "it has neither `name` nor `tags`")
    return _page(page.tags, headers)


def repository_page(request: Request, headers: Headers, body: bytes) -> Page:
    """Parse a page of repositories (`_catalog`).

    Raises `ProtocolError` for anything but a repository list, `LimitExceededError` for more than a million entries.
    """
    page = _decoded(_REPOSITORY_LIST, request, headers, body, "repository list")
    return _page(page.repositories, headers)


def extensions(request: Request, headers: Headers, body: bytes) -> tuple[Extension, ...]:
    """Parse the list of a registry's extensions (`_oci/ext/discover`).

    Raises `ProtocolError` for anything else.
    """
    return _decoded(_EXTENSION_LIST, request, headers, body, "extension list").extensions or ()


def next_page(headers: Headers) -> str | None:
    """Return the URL of the next page of any list, still to be resolved and to pass the gate."""
    return header_fields.next_link(headers.all("Link"))


def filters_applied(headers: Headers) -> frozenset[str]:
    """Return the names of the filters that a registry applied to a list of referrers (end-12b)."""
    return frozenset(header_fields.comma_list(headers.all("OCI-Filters-Applied")))


def content_digest(headers: Headers) -> Digest | None:
    """Return the `Docker-Content-Digest`, or None if it is missing or invalid."""
    return _digest(headers, "Docker-Content-Digest")


def content_length(headers: Headers) -> int | None:
    """Return the `Content-Length` in bytes, or None if it is missing, invalid or contradicts another one."""
    values = set(headers.all("Content-Length"))
    return header_fields.number(values.pop()) if len(values) == 1 else None


def media_type(headers: Headers) -> str | None:
    """Return the `Content-Type` without parameters, in lower case.

    None if it is missing or invalid, or if there are two that contradict each other (RFC 9110, section 8.3).
    """
    kinds = set(map(header_fields.media_type, headers.all("Content-Type")))
    return kinds.pop() if len(kinds) == 1 else None


def claimed_digests(headers: Headers) -> tuple[Digest, ...]:
    """Return all digests that a response gives for its content; a value that is not a digest claims nothing."""
    found = (_parsed(value) for value in headers.all("Docker-Content-Digest"))
    return tuple(dict.fromkeys(digest for digest in found if digest is not None))


def is_page(headers: Headers) -> bool:
    """Return whether a response is a web page, which proves nothing: it may come from any site.

    A response without a body is not a page: frameworks give it the media type of one (Flask, and so Quay).
    """
    kinds = map(header_fields.media_type, headers.all("Content-Type"))
    return any(kind in _PAGES for kind in kinds) and content_length(headers) != 0


def names_kind(media_type: str | None) -> bool:
    """Return whether a `Content-Type` can be the media type of a manifest, or says nothing about its kind."""
    return media_type is not None and media_type not in _WITHOUT_KIND


def blob_size(request: Request, headers: Headers, digest: Digest) -> int | None:
    """Return the size in bytes of a blob by the head of a response (end-2), or None if it has no size.

    Raises `ProtocolError` for a web page, and `DigestMismatchError` for another blob.
    """
    claimed, size = content_digest(headers), content_length(headers)
    if claimed is not None and claimed.algorithm == digest.algorithm:
        if claimed != digest:
            raise DigestMismatchError(f"{describe(request)}: responded for {claimed}", expected=digest, actual=claimed)
        return size
    if is_page(headers):
        raise ProtocolError(f"{describe(request)}: responded with an HTML page: is this a registry?")
    return size


def may_be_of_any_service(headers: Headers, digest: Digest) -> bool:
    """Return whether a response about a blob may as well be the one that a web service sends to every request.

    Such a response is JSON or text, and does not name the digest. A registry may respond likewise for a config.
    """
    return content_digest(headers) != digest and media_type(headers) in _OF_SERVICES


def manifest_facts(headers: Headers) -> ManifestFacts:
    """Parse the header fields of a manifest or blob (HEAD or GET; end-2, end-3)."""
    return ManifestFacts(media_type(headers), content_digest(headers), content_length(headers))


def upload_accepted(headers: Headers) -> UploadAccepted:
    """Parse the state of an upload (end-4, end-5, end-11, end-13, and a 416)."""
    minimum = header_fields.number(headers.get("OCI-Chunk-Min-Length")) or 0
    maximum = header_fields.number(headers.get("OCI-Chunk-Max-Length")) or 0
    return UploadAccepted(
        headers.get("Location") or None,
        header_fields.upload_range(headers.get("Range")),
        min(minimum, _LARGEST_MINIMUM),
        maximum if maximum >= _SMALLEST_MAXIMUM else None,
    )


def manifest_pushed(headers: Headers) -> ManifestPushed:
    """Parse the result of the push of a manifest (end-7a, end-7b)."""
    return ManifestPushed(
        content_digest(headers), header_fields.comma_list(headers.all("OCI-Tag")), _digest(headers, "OCI-Subject")
    )


def _page(items: list[str] | None, headers: Headers) -> Page:
    return Page(tuple(filter(None, items or ())), next_page(headers))


def _digest(headers: Headers, name: str) -> Digest | None:
    values = set(headers.all(name))
    return _parsed(values.pop()) if len(values) == 1 else None


def _parsed(value: str) -> Digest | None:
    try:
        return Digest(value.strip(" \t"))
    except InvalidDigestError:
        return None


def _decoded(decoder: msgspec.json.Decoder[T], request: Request, headers: Headers, body: bytes, what: str) -> T:
    if body.count(b",") >= _MOST_ENTRIES:
        raise LimitExceededError(f"{describe(request)}: responded with a {what} of more than {_MOST_ENTRIES} entries")
    try:
        return decoder.decode(body)
    except RecursionError:
        raise _unexpected(request, headers, what, "it is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise _unexpected(request, headers, what, str(error)) from None


def _unexpected(request: Request, headers: Headers, what: str, why: str) -> ProtocolError:
    kind = media_type(headers)
    if kind is not None and kind.endswith("json"):
        return ProtocolError(
            f"{describe(request)}: invalid {what} in the response: {printable(why)}: is this a registry?"
        )
    page = "an HTML page" if kind == "text/html" else quoted(kind) if kind else "content without a media type"
    return ProtocolError(f"{describe(request)}: responded with {page}, expected a JSON {what}: is this a registry?")
