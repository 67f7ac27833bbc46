"""Typed facts from a registry's responses (distribution-spec, the response of each endpoint).

Details are read with tolerance, as registries differ in them. The status and the shape are not: a site that answers 200
and a page to everything is no registry (`ProtocolError`).
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from lading._wire import header_fields
from lading._wire.endpoints import PULL_BLOB, Endpoint
from lading._wire.error_documents import describe
from lading._wire.escaping import quoted
from lading._wire.messages import Headers, Request
from lading.digest import Digest
from lading.errors import InvalidDigestError, LimitExceededError, ProtocolError

T = TypeVar("T")

# Every entry costs some sixty bytes of memory and at least four on the wire.
_MOST_ENTRIES = 1_000_000
# A registry may ask for pieces as large as it likes; beyond this, it gets the whole blob or pieces of this size.
_LARGEST_MINIMUM = 1024**3
# A smaller maximum would make a million requests of a layer, and is not believed.
_SMALLEST_MAXIMUM = 64 * 1024


class Page(msgspec.Struct, frozen=True):
    """A page of tags or of repositories, as the registry spelled them: they may be no valid tags or names.

    `next` is the place of the next page as the `Link` field has it, still to be resolved and to pass the gate.
    """

    items: tuple[str, ...]
    next: str | None = None


class ManifestFacts(msgspec.Struct, frozen=True):
    """What the header says of a manifest or blob; None where it says nothing, or nothing valid. `size` is in bytes."""

    media_type: str | None
    digest: Digest | None
    size: int | None


class UploadAccepted(msgspec.Struct, frozen=True):
    """Where an upload goes on, how far it has come, and the sizes of chunks in bytes that the registry wants.

    `location` is still to be resolved and to pass the gate; without one, an upload that has begun goes on where it is.
    `end_of_range` is the position of the last byte that arrived (0 after one byte and, from many registries, after
    none), or None if the answer does not tell. The last chunk may be smaller than the minimum, which is 1 GiB at most;
    a maximum is 64 KiB at least.
    """

    location: str | None
    end_of_range: int | None
    chunk_min_length: int
    chunk_max_length: int | None


class ManifestPushed(msgspec.Struct, frozen=True):
    """What a registry did with a manifest: the tags that it set beside the place of the push, the subject it noted."""

    digest: Digest | None
    tags: tuple[str, ...]
    subject: Digest | None


class Extension(msgspec.Struct, frozen=True):
    """An extension of a registry (distribution-spec, extensions/_oci.md)."""

    name: str
    url: str = ""
    description: str = ""
    endpoints: tuple[str, ...] = ()


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
    """Tell whether an answer is a success; False means that its body explains a refusal.

    Raises `ProtocolError` for a status below 400 that the endpoint does not give, and for part of a blob when all of it
    was asked for.
    """
    if status >= 400:
        return False
    unasked = endpoint is PULL_BLOB and status == 206 and "range" not in request.headers
    if unasked or status not in (*endpoint.success, *endpoint.tolerated):
        wanted = " or ".join(str(one) for one in endpoint.success if one != 206)
        raise ProtocolError(f"{describe(request)}: answered {status} where {wanted} was expected: is this a registry?")
    return True


def tag_page(request: Request, headers: Headers, body: bytes) -> Page:
    """Read a page of tags (end-8a, end-8b).

    Raises `ProtocolError` for anything but a tag list, `LimitExceededError` for one of more than a million entries.
    """
    page = _decoded(_TAG_LIST, request, headers, body, "tag list")
    if page.tags is None and page.name is None:
        raise _unexpected(request, headers, "tag list", "it has neither `name` nor `tags`")
    return _page(page.tags, headers)


def repository_page(request: Request, headers: Headers, body: bytes) -> Page:
    """Read a page of repositories (`_catalog`).

    Raises `ProtocolError` for anything but a repository list, `LimitExceededError` for one of more than a million
    entries.
    """
    page = _decoded(_REPOSITORY_LIST, request, headers, body, "repository list")
    return _page(page.repositories, headers)


def extensions(request: Request, headers: Headers, body: bytes) -> tuple[Extension, ...]:
    """Read the list of a registry's extensions (`_oci/ext/discover`).

    Raises `ProtocolError` for anything else.
    """
    return _decoded(_EXTENSION_LIST, request, headers, body, "extension list").extensions or ()


def next_page(headers: Headers) -> str | None:
    """Return the place of the next page of any list, still to be resolved and to pass the gate."""
    return header_fields.next_link(headers.all("Link"))


def filters_applied(headers: Headers) -> frozenset[str]:
    """Return the names of the filters that a registry applied to a list of referrers (end-12b)."""
    return frozenset(header_fields.comma_list(headers.all("OCI-Filters-Applied")))


def content_digest(headers: Headers) -> Digest | None:
    """Return the `Docker-Content-Digest`, or None if there is no valid one."""
    return _digest(headers, "Docker-Content-Digest")


def content_length(headers: Headers) -> int | None:
    """Return the `Content-Length` in bytes, or None if there is no valid one."""
    return header_fields.number(headers.get("Content-Length"))


def media_type(headers: Headers) -> str | None:
    """Return the `Content-Type` without parameters, in lower case, or None if there is no valid one."""
    return header_fields.media_type(headers.get("Content-Type"))


def manifest_facts(headers: Headers) -> ManifestFacts:
    """Read what a HEAD or GET of a manifest or blob says of it (end-2, end-3)."""
    return ManifestFacts(media_type(headers), content_digest(headers), content_length(headers))


def upload_accepted(headers: Headers) -> UploadAccepted:
    """Read where and how an upload goes on (end-4, end-5, end-11, end-13, and a 416)."""
    minimum = header_fields.number(headers.get("OCI-Chunk-Min-Length")) or 0
    maximum = header_fields.number(headers.get("OCI-Chunk-Max-Length")) or 0
    return UploadAccepted(
        headers.get("Location") or None,
        header_fields.upload_range(headers.get("Range")),
        min(minimum, _LARGEST_MINIMUM),
        maximum if maximum >= _SMALLEST_MAXIMUM else None,
    )


def manifest_pushed(headers: Headers) -> ManifestPushed:
    """Read what a registry did with a manifest (end-7a, end-7b)."""
    return ManifestPushed(
        content_digest(headers), header_fields.comma_list(headers.all("OCI-Tag")), _digest(headers, "OCI-Subject")
    )


def _page(items: list[str] | None, headers: Headers) -> Page:
    return Page(tuple(filter(None, items or ())), next_page(headers))


def _digest(headers: Headers, name: str) -> Digest | None:
    values = set(headers.all(name))
    if len(values) != 1:
        return None
    try:
        return Digest(values.pop().strip(" \t"))
    except InvalidDigestError:
        return None


def _decoded(decoder: msgspec.json.Decoder[T], request: Request, headers: Headers, body: bytes, what: str) -> T:
    if body.count(b",") >= _MOST_ENTRIES:
        raise LimitExceededError(f"{describe(request)}: answered a {what} of more than {_MOST_ENTRIES} entries")
    try:
        return decoder.decode(body)
    except RecursionError:
        raise _unexpected(request, headers, what, "it is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise _unexpected(request, headers, what, str(error)) from None


def _unexpected(request: Request, headers: Headers, what: str, why: str) -> ProtocolError:
    kind = media_type(headers) or "something without a media type"
    if kind.endswith("json"):
        return ProtocolError(f"{describe(request)}: answered JSON that is no {what}: {quoted(why)}")
    return ProtocolError(
        f"{describe(request)}: answered {quoted(kind)} where a JSON {what} was expected: is this a registry?"
    )
