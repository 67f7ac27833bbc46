"""What the client asks, endpoint by endpoint (distribution-spec, Endpoints).

One function a row of the table. Credentials are added by whoever sends the request; `Host`, `Content-Length` and
`Accept-Encoding: identity` by the transport.

All of them raise `InvalidReferenceError`, `InvalidTagError` or `InvalidDigestError` for a name, tag or digest outside
its grammar: nothing invalid reaches a URL.
"""

from __future__ import annotations

from collections.abc import Sequence

from lading._wire import endpoints
from lading._wire.messages import Headers, Origin, Request, Source
from lading._wire.urls import with_query
from lading.digest import Digest
from lading.reference import check_name, check_tag

_INDEX = "application/vnd.oci.image.index.v1+json"
_OCTETS = ("Content-Type", "application/octet-stream")


def ping(origin: Origin) -> Request:
    """Ask whether this is a registry (end-1)."""
    return Request("GET", origin, endpoints.target(endpoints.PING))


def resolve_blob(origin: Origin, name: str, digest: str) -> Request:
    """Ask whether a blob is there (HEAD, end-2)."""
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
    """Ask for a blob, or for `length` bytes of it from `offset` on (end-2; RFC 9110, section 14).

    `if_range` is the strong validator of the part that is there already; it is sent with a range only.
    """
    fields: list[tuple[str, str]] = []
    if offset or length is not None:
        last = "" if length is None else str(offset + length - 1)
        fields.append(("Range", f"bytes={offset}-{last}"))
        if if_range is not None:
            fields.append(("If-Range", if_range))
    return Request("GET", origin, endpoints.target(endpoints.PULL_BLOB, name=name, digest=digest), Headers(fields))


def delete_blob(origin: Origin, name: str, digest: str) -> Request:
    """Ask to delete a blob (end-10)."""
    return Request("DELETE", origin, endpoints.target(endpoints.DELETE_BLOB, name=name, digest=digest))


def resolve_manifest(origin: Origin, name: str, tag_or_digest: str, *, accept: Sequence[str] = ()) -> Request:
    """Ask for the digest, media type and size of a manifest (HEAD, end-3)."""
    return _manifest("HEAD", origin, name, tag_or_digest, accept)


def pull_manifest(origin: Origin, name: str, tag_or_digest: str, *, accept: Sequence[str] = ()) -> Request:
    """Ask for a manifest of one of the media types `accept` (end-3)."""
    return _manifest("GET", origin, name, tag_or_digest, accept)


def push_manifest(
    origin: Origin, name: str, tag_or_digest: str, raw: bytes, media_type: str, *, tags: Sequence[str] = ()
) -> Request:
    """Offer a manifest (end-7a), under several tags at once if its place is a digest (end-7b).

    Raises `InvalidDigestError` if there are `tags` and `tag_or_digest` is not a digest.
    """
    place = Digest(tag_or_digest) if tags else tag_or_digest
    where = endpoints.target(
        endpoints.PUSH_MANIFEST, name=name, tag_or_digest=place, query=[("tag", check_tag(tag)) for tag in tags]
    )
    return Request("PUT", origin, where, Headers([("Content-Type", media_type)]), raw)


def delete_manifest(origin: Origin, name: str, tag_or_digest: str) -> Request:
    """Ask to delete a tag, or a manifest with all of its tags (end-9)."""
    return Request(
        "DELETE", origin, endpoints.target(endpoints.DELETE_MANIFEST, name=name, tag_or_digest=tag_or_digest)
    )


def start_upload(origin: Origin, name: str, *, algorithm: str = "sha256") -> Request:
    """Ask for a place to upload a blob to (end-4a), naming the digest's algorithm if it is not sha256 (end-4c)."""
    query = [] if algorithm == "sha256" else [("digest-algorithm", algorithm)]
    return Request("POST", origin, endpoints.target(endpoints.START_UPLOAD, name=name, query=query))


def push_blob_at_once(origin: Origin, name: str, digest: str, body: bytes | Source) -> Request:
    """Offer a whole blob in one request (end-4b). A registry that does not do this starts an upload instead."""
    where = endpoints.target(endpoints.PUSH_BLOB_AT_ONCE, name=name, query=[("digest", Digest(digest))])
    return Request("POST", origin, where, Headers([_OCTETS]), body)


def mount_blob(origin: Origin, name: str, digest: str, *, from_name: str | None = None) -> Request:
    """Ask to take over a blob from another repository, or from wherever the registry finds it (end-11)."""
    query: list[tuple[str, str]] = [("mount", Digest(digest))]
    if from_name is not None:
        query.append(("from", check_name(from_name)))
    return Request("POST", origin, endpoints.target(endpoints.MOUNT_BLOB, name=name, query=query))


def patch_upload(origin: Origin, target: str, body: bytes | Source, start: int) -> Request:
    """Send a chunk that begins at byte `start` of the blob (end-5).

    Raises `ValueError` for an empty chunk, which has no range.
    """
    request = Request("PATCH", origin, target, body=body)
    if not request.size:
        raise ValueError("a chunk holds at least one byte")
    return Request("PATCH", origin, target, Headers([_OCTETS, _content_range(start, request.size)]), body)


def finish_upload(
    origin: Origin, target: str, digest: str, body: bytes | Source = b"", *, start: int | None = None
) -> Request:
    """Close an upload, sending the whole blob or its last chunk if there is a body (end-6).

    `start` is the byte at which the body begins when chunks went before it. The digest is that of the whole blob.
    """
    request = Request("PUT", origin, with_query(target, [("digest", Digest(digest))]), Headers([_OCTETS]), body)
    if start is None or not request.size:
        return request
    headers = request.headers + Headers([_content_range(start, request.size)])
    return Request("PUT", origin, request.target, headers, body)


def upload_status(origin: Origin, target: str) -> Request:
    """Ask how far an upload has come (end-13)."""
    return Request("GET", origin, target)


def cancel_upload(origin: Origin, target: str) -> Request:
    """Ask to forget an upload (end-14)."""
    return Request("DELETE", origin, target)


def list_tags(origin: Origin, name: str, *, n: int | None = None, last: str | None = None) -> Request:
    """Ask for the tags of a repository, `n` at most, those after `last` (end-8a, end-8b)."""
    return Request("GET", origin, endpoints.target(endpoints.LIST_TAGS, name=name, query=_page(n, last)))


def list_referrers(origin: Origin, name: str, digest: str, *, artifact_type: str | None = None) -> Request:
    """Ask for the manifests that have this one as their subject (end-12a), those of one type only (end-12b)."""
    query = [] if artifact_type is None else [("artifactType", artifact_type)]
    where = endpoints.target(endpoints.LIST_REFERRERS, name=name, digest=digest, query=query)
    return Request("GET", origin, where, _accept([_INDEX]))


def list_repositories(origin: Origin, *, n: int | None = None, last: str | None = None) -> Request:
    """Ask for the repositories of a registry, `n` at most, those after `last` (`_catalog`)."""
    return Request("GET", origin, endpoints.target(endpoints.LIST_REPOSITORIES, query=_page(n, last)))


def discover_extensions(origin: Origin) -> Request:
    """Ask which extensions a registry has (`_oci/ext/discover`)."""
    return Request("GET", origin, endpoints.target(endpoints.DISCOVER_EXTENSIONS))


def follow(origin: Origin, target: str, *, accept: Sequence[str] = ()) -> Request:
    """Ask for the next page of a list, at the place that its `Link` named."""
    return Request("GET", origin, target, _accept(accept))


def _manifest(method: str, origin: Origin, name: str, tag_or_digest: str, accept: Sequence[str]) -> Request:
    where = endpoints.target(endpoints.PULL_MANIFEST, name=name, tag_or_digest=tag_or_digest)
    return Request(method, origin, where, _accept(accept))


def _accept(media_types: Sequence[str]) -> Headers:
    # One field with a list: some registries read the first field only.
    return Headers([("Accept", ", ".join(media_types))] if media_types else [])


def _content_range(start: int, size: int) -> tuple[str, str]:
    # Without the unit that RFC 9110 has: the specification's own form, and some registries refuse any other.
    return "Content-Range", f"{start}-{start + size - 1}"


def _page(n: int | None, last: str | None) -> list[tuple[str, str]]:
    return [(key, str(value)) for key, value in (("n", n), ("last", last)) if value is not None]
