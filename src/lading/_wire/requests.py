"""Client requests, one function per endpoint (distribution-spec, Endpoints).

The sender adds credentials; the transport adds `Host`, `Content-Length` and `Accept-Encoding: identity`.

All functions raise `InvalidReferenceError`, `InvalidTagError` or `InvalidDigestError` for a name, tag or digest outside
its grammar, so that no invalid part reaches a URL.
"""

from __future__ import annotations

from collections.abc import Sequence

from lading._wire import endpoints
from lading._wire.messages import Origin, Request, Source
from lading._wire.urls import with_query
from lading.digest import Digest
from lading.headers import Headers
from lading.reference import check_name, check_tag

_INDEX = "application/vnd.oci.image.index.v1+json"
_OCTETS = ("Content-Type", "application/octet-stream")


def ping(origin: Origin) -> Request:
    """Check that the server is a registry (end-1)."""
    return Request("GET", origin, endpoints.target(endpoints.PING))


def resolve_blob(origin: Origin, name: str, digest: str) -> Request:
    """Check that a blob exists (HEAD, end-2)."""
    return Request("HEAD", origin, endpoints.target(endpoints.PULL_BLOB, name=name, digest=digest))


def pull_blob(
    origin: Origin,
    name: str,
    digest: str,
    *,
    offset: int = 0,
    length: int | None = None,
    if_range: str | None = None,
) -> Request:
    """Get a blob, or `length` bytes of it from `offset` on (end-2; RFC 9110, section 14).

    `if_range` is the strong validator of the part received before; it is sent only with a range.
    """
    fields: list[tuple[str, str]] = []
    if offset or length is not None:
        last = "" if length is None else str(offset + length - 1)
        fields.append(("Range", f"bytes={offset}-{last}"))
        if if_range is not None:
            fields.append(("If-Range", if_range))
    return Request("GET", origin, endpoints.target(endpoints.PULL_BLOB, name=name, digest=digest), Headers(fields))


def delete_blob(origin: Origin, name: str, digest: str) -> Request:
    """Delete a blob (end-10)."""
    return Request("DELETE", origin, endpoints.target(endpoints.DELETE_BLOB, name=name, digest=digest))


def resolve_manifest(origin: Origin, name: str, tag_or_digest: str, *, accept: Sequence[str] = ()) -> Request:
    """Get the digest, media type and size of a manifest (HEAD, end-3)."""
    return _manifest("HEAD", origin, name, tag_or_digest, accept)


def pull_manifest(origin: Origin, name: str, tag_or_digest: str, *, accept: Sequence[str] = ()) -> Request:
    """Get a manifest of one of the media types `accept` (end-3)."""
    return _manifest("GET", origin, name, tag_or_digest, accept)


def push_manifest(
    origin: Origin, name: str, tag_or_digest: str, raw: bytes, media_type: str, *, tags: Sequence[str] = ()
) -> Request:
    """Push a manifest (end-7a), with several tags at once if it is pushed by digest (end-7b).

    Raises `InvalidDigestError` if there are `tags` and `tag_or_digest` is not a digest.
    """
    reference = Digest(tag_or_digest) if tags else tag_or_digest
    where = endpoints.target(
        endpoints.PUSH_MANIFEST, name=name, tag_or_digest=reference, query=[("tag", check_tag(tag)) for tag in tags]
    )
    return Request("PUT", origin, where, Headers([("Content-Type", media_type)]), raw)


def delete_manifest(origin: Origin, name: str, tag_or_digest: str) -> Request:
    """Delete a tag, or a manifest with all of its tags (end-9)."""
    return Request(
        "DELETE", origin, endpoints.target(endpoints.DELETE_MANIFEST, name=name, tag_or_digest=tag_or_digest)
    )


def start_upload(origin: Origin, name: str, *, algorithm: str = "sha256") -> Request:
    """Start an upload (end-4a), naming the digest's algorithm if it is not sha256 (end-4c)."""
    query = [] if algorithm == "sha256" else [("digest-algorithm", algorithm)]
    return Request("POST", origin, endpoints.target(endpoints.START_UPLOAD, name=name, query=query))


def push_blob_at_once(origin: Origin, name: str, digest: str, body: bytes | Source) -> Request:
    """Push a whole blob in one request (end-4b). A registry without support for this starts an upload instead."""
    where = endpoints.target(endpoints.PUSH_BLOB_AT_ONCE, name=name, query=[("digest", Digest(digest))])
    return Request("POST", origin, where, Headers([_OCTETS]), body)


def mount_blob(origin: Origin, name: str, digest: str, *, from_name: str | None = None) -> Request:
    """Mount a blob from another repository, or from any in which the registry finds it (end-11)."""
    query: list[tuple[str, str]] = [("mount", Digest(digest))]
    if from_name is not None:
        query.append(("from", check_name(from_name)))
    return Request("POST", origin, endpoints.target(endpoints.MOUNT_BLOB, name=name, query=query))


def patch_upload(origin: Origin, target: str, body: bytes | Source, start: int) -> Request:
    """Push a chunk that begins at byte `start` of the blob (end-5).

    Raises `ValueError` for an empty chunk, which has no range.
    """
    request = Request("PATCH", origin, target, body=body)
    if not request.size:
        raise ValueError("a chunk must have at least one byte")
    return Request("PATCH", origin, target, Headers([_OCTETS, _content_range(start, request.size)]), body)


def finish_upload(
    origin: Origin, target: str, digest: str, body: bytes | Source = b"", *, start: int | None = None
) -> Request:
    """Finish an upload; a body is the whole blob or its last chunk (end-6).

    `start` is the position in the blob at which the body begins, if chunks were sent before. The digest is that of the
    whole blob.
    """
    request = Request("PUT", origin, with_query(target, [("digest", Digest(digest))]), Headers([_OCTETS]), body)
    if start is None or not request.size:
        return request
    headers = request.headers + Headers([_content_range(start, request.size)])
    return Request("PUT", origin, request.target, headers, body)


def upload_status(origin: Origin, target: str) -> Request:
    """Get the progress of an upload (end-13)."""
    return Request("GET", origin, target)


def cancel_upload(origin: Origin, target: str) -> Request:
    """Cancel an upload (end-14)."""
    return Request("DELETE", origin, target)


def list_tags(origin: Origin, name: str, *, n: int | None = None, last: str | None = None) -> Request:
    """List the tags of a repository, at most `n` and those after `last` (end-8a, end-8b)."""
    return Request("GET", origin, endpoints.target(endpoints.LIST_TAGS, name=name, query=_page(n, last)))


def list_referrers(origin: Origin, name: str, digest: str, *, artifact_type: str | None = None) -> Request:
    """List the manifests whose subject is this one (end-12a), optionally of one artifact type (end-12b)."""
    query = [] if artifact_type is None else [("artifactType", artifact_type)]
    where = endpoints.target(endpoints.LIST_REFERRERS, name=name, digest=digest, query=query)
    return Request("GET", origin, where, _accept([_INDEX]))


def list_repositories(origin: Origin, *, n: int | None = None, last: str | None = None) -> Request:
    """List the repositories of a registry, at most `n` and those after `last` (`_catalog`)."""
    return Request("GET", origin, endpoints.target(endpoints.LIST_REPOSITORIES, query=_page(n, last)))


def discover_extensions(origin: Origin) -> Request:
    """List the extensions of a registry (`_oci/ext/discover`)."""
    return Request("GET", origin, endpoints.target(endpoints.DISCOVER_EXTENSIONS))


def follow(origin: Origin, target: str, *, accept: Sequence[str] = ()) -> Request:
    """Get the next page of a list, from the URL in its `Link` field."""
    return Request("GET", origin, target, _accept(accept))


def _manifest(method: str, origin: Origin, name: str, tag_or_digest: str, accept: Sequence[str]) -> Request:
    where = endpoints.target(endpoints.PULL_MANIFEST, name=name, tag_or_digest=tag_or_digest)
    return Request(method, origin, where, _accept(accept))


def _accept(media_types: Sequence[str]) -> Headers:
    # One field with a list: some registries read the first field only.
    return Headers([("Accept", ", ".join(media_types))] if media_types else [])


def _content_range(start: int, size: int) -> tuple[str, str]:
    # Without the unit of RFC 9110: the specification's own format, and some registries refuse any other.
    return "Content-Range", f"{start}-{start + size - 1}"


def _page(n: int | None, last: str | None) -> list[tuple[str, str]]:
    return [(key, str(value)) for key, value in (("n", n), ("last", last)) if value is not None]
