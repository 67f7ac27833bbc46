"""Table of endpoints (distribution-spec, Endpoints).

One table, used in both directions: the client makes targets from its rows, the server finds the row of a target. Every
name, tag and digest that enters or leaves a URL is checked against its grammar.

A path has at most one reading. It is read from its end, where the rows differ (`…/blobs/<digest>`, `…/tags/list`), and
the name is everything before that: `/v2/a/blobs/uploads/manifests/x` is the tag `x` of the repository
`a/blobs/uploads`. Only the colon of a digest, which some clients write as `%3A`, is unescaped: no other escaped
character can belong to a valid path, so a name has one spelling.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from lading._patterns import lazy_pattern
from lading._wire.escaping import quoted
from lading._wire.urls import Query, with_query
from lading.digest import Digest
from lading.errors import InvalidDigestError, InvalidReferenceError, InvalidTagError
from lading.reference import check_name, check_tag


class Endpoint(msgspec.Struct, frozen=True, eq=False):
    """Row of the table."""

    ids: tuple[str, ...]
    method: str
    template: str
    success: tuple[int, ...]
    """Statuses that the specification defines as success."""
    tolerated: tuple[int, ...] = ()
    """Further statuses with which real registries report success."""
    query: tuple[str, ...] = ()
    """Names of the query parameters."""
    selector: str | None = None
    """Query parameter that distinguishes the row from others of the same method and path."""

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods of the row: one with GET supports HEAD as well (RFC 9110, section 9.3.2)."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)


_BLOB = "/v2/{name}/blobs/{digest}"
_MANIFEST = "/v2/{name}/manifests/{tag_or_digest}"
_UPLOADS = "/v2/{name}/blobs/uploads/"
# The specification leaves upload locations to the server. This is ours; a client uses any that it receives.
_UPLOAD = "/v2/{name}/blobs/uploads/{session}"

PING = Endpoint(("end-1",), "GET", "/v2/", (200,))
PULL_BLOB = Endpoint(("end-2",), "GET", _BLOB, (200, 206))
PULL_MANIFEST = Endpoint(("end-3",), "GET", _MANIFEST, (200,))
MOUNT_BLOB = Endpoint(("end-11",), "POST", _UPLOADS, (201, 202), query=("mount", "from"), selector="mount")
PUSH_BLOB_AT_ONCE = Endpoint(("end-4b",), "POST", _UPLOADS, (201, 202), query=("digest",), selector="digest")
START_UPLOAD = Endpoint(("end-4a", "end-4c"), "POST", _UPLOADS, (202,), (200, 201, 204), ("digest-algorithm",))
PATCH_UPLOAD = Endpoint(("end-5",), "PATCH", _UPLOAD, (202,), (200, 201, 204))
FINISH_UPLOAD = Endpoint(("end-6",), "PUT", _UPLOAD, (201,), (204,), query=("digest",))
PUSH_MANIFEST = Endpoint(("end-7a", "end-7b"), "PUT", _MANIFEST, (201,), query=("tag",))
LIST_TAGS = Endpoint(("end-8a", "end-8b"), "GET", "/v2/{name}/tags/list", (200,), query=("n", "last"))
DELETE_MANIFEST = Endpoint(("end-9",), "DELETE", _MANIFEST, (202,), (200, 204))
DELETE_BLOB = Endpoint(("end-10",), "DELETE", _BLOB, (202,), (200, 204))
# The specification leaves the query of a link to the next page to the server. `last` is ours.
LIST_REFERRERS = Endpoint(
    ("end-12a", "end-12b"), "GET", "/v2/{name}/referrers/{digest}", (200,), query=("artifactType", "last")
)
UPLOAD_STATUS = Endpoint(("end-13",), "GET", _UPLOAD, (204,), (200, 202))
CANCEL_UPLOAD = Endpoint(("end-14",), "DELETE", _UPLOAD, (204,), (200, 202))
LIST_REPOSITORIES = Endpoint(("_catalog",), "GET", "/v2/_catalog", (200,), query=("n", "last"))
DISCOVER_EXTENSIONS = Endpoint(("_oci/ext/discover",), "GET", "/v2/_oci/ext/discover", (200,))

# Rows with a selector stand before the row without one.
ENDPOINTS = (
    PING,
    PULL_BLOB,
    PULL_MANIFEST,
    MOUNT_BLOB,
    PUSH_BLOB_AT_ONCE,
    START_UPLOAD,
    PATCH_UPLOAD,
    FINISH_UPLOAD,
    PUSH_MANIFEST,
    LIST_TAGS,
    DELETE_MANIFEST,
    DELETE_BLOB,
    LIST_REFERRERS,
    UPLOAD_STATUS,
    CANCEL_UPLOAD,
    LIST_REPOSITORIES,
    DISCOVER_EXTENSIONS,
)


class Match(msgspec.Struct, frozen=True):
    """Request that matches a row. Parts that the row's path does not have are empty; all others are valid."""

    endpoint: Endpoint
    name: str = ""
    tag_or_digest: str = ""
    """`Digest`, or a tag."""
    digest: Digest | None = None
    session: str = ""
    query: Query = msgspec.field(default_factory=Query)


class Refusal(msgspec.Struct, frozen=True):
    """Request that matches no row: the status and the error code of its response."""

    status: int
    code: str
    message: str
    allow: tuple[str, ...] = ()
    """Methods of the path, for the `Allow` field of a 405."""


def target(
    endpoint: Endpoint,
    *,
    name: str = "",
    tag_or_digest: str = "",
    digest: str = "",
    session: str = "",
    query: Iterable[tuple[str, str]] = (),
) -> str:
    """Make the request target of an endpoint.

    Raises `InvalidReferenceError`, `InvalidTagError` or `InvalidDigestError` for a part outside its grammar, and
    `ValueError` for an invalid session or an unknown parameter.
    """
    path = endpoint.template
    if "{name}" in path:
        path = path.replace("{name}", check_name(name))
    if "{tag_or_digest}" in path:
        path = path.replace("{tag_or_digest}", _tag_or_digest(tag_or_digest))
    if "{digest}" in path:
        path = path.replace("{digest}", Digest(digest))
    if "{session}" in path:
        path = path.replace("{session}", _session(session))
    pairs = tuple(query)
    for parameter, _ in pairs:
        if parameter not in endpoint.query:
            raise ValueError(f"{endpoint.ids[0]} has no query parameter {parameter!r}")
    return with_query(path, pairs)


def match(method: str, target: str) -> Match | Refusal:
    """Find the row of a request."""
    path, _, text = target.partition("?")
    path = path.replace("%3A", ":").replace("%3a", ":")
    query = Query.parse(text)
    for pattern, rows in _ROUTES:
        parts = pattern.fullmatch(path)
        if parts is not None:
            return _match(method, rows, parts.groupdict(), query)
    return Refusal(404, "UNSUPPORTED", f"unknown endpoint {quoted(path)}")


def repository_of(path: str) -> str | None:
    """Return the repository's name in a path, unchecked; None if no row matches or the row has no name."""
    for pattern, _ in _ROUTES:
        parts = pattern.fullmatch(path)
        if parts is not None:
            return parts.groupdict().get("name")
    return None


def _match(method: str, rows: tuple[Endpoint, ...], parts: dict[str, str], query: Query) -> Match | Refusal:
    for endpoint in rows:
        if method in endpoint.methods and (endpoint.selector is None or endpoint.selector in query):
            break
    else:
        allow = tuple(sorted({allowed for row in rows for allowed in row.methods}))
        return Refusal(405, "UNSUPPORTED", f"method {quoted(method)} is not allowed: use {', '.join(allow)}", allow)
    try:
        return Match(
            endpoint,
            name=check_name(parts["name"]) if "name" in parts else "",
            tag_or_digest=_tag_or_digest(parts["tag_or_digest"]) if "tag_or_digest" in parts else "",
            digest=Digest(parts["digest"]) if "digest" in parts else None,
            session=_session(parts["session"]) if "session" in parts else "",
            query=query,
        )
    except ValueError as error:
        return _refusal(endpoint, error)


def _refusal(endpoint: Endpoint, error: ValueError) -> Refusal:
    if isinstance(error, InvalidReferenceError):
        return Refusal(400, "NAME_INVALID", str(error))
    if isinstance(error, InvalidDigestError):
        return Refusal(400, "DIGEST_INVALID", str(error))
    if isinstance(error, InvalidTagError):
        # No manifest has such a tag, and none can be given it.
        status, code = (400, "MANIFEST_INVALID") if endpoint is PUSH_MANIFEST else (404, "MANIFEST_UNKNOWN")
        return Refusal(status, code, str(error))
    return Refusal(404, "BLOB_UPLOAD_UNKNOWN", str(error))


def _tag_or_digest(text: str) -> str:
    return Digest(text) if ":" in text else check_tag(text)


_SESSION = lazy_pattern(r"[A-Za-z0-9_-]{1,128}", re.ASCII)


def _session(text: str) -> str:
    if not _SESSION.fullmatch(text):
        raise ValueError(f"invalid upload session {quoted(text)}")
    return text


def _pattern(template: str) -> re.Pattern[str]:
    """Return the pattern of a template.

    Only the name may hold slashes, so a match takes one pass over the path and one back.
    """
    source = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template).replace("(?P<name>[^/]+)", "(?P<name>.*)")
    return lazy_pattern(source, re.ASCII)


_ROUTES = tuple(
    (_pattern(template), tuple(row for row in ENDPOINTS if row.template == template))
    for template in dict.fromkeys(row.template for row in ENDPOINTS)
)
