"""Every function that reads what a server, a file of another program or a user wrote, by what it reads."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from lading import strict_json
from lading._core.exchange.content_encoding import coding_of, decoded
from lading._core.tar.decompression import Expansion, Limits
from lading._core.tar.file_titles import safe_title
from lading._core.tar.reader import TarReader
from lading._wire import endpoints, header_fields, refusals, response_facts, urls
from lading._wire.auth_challenges import challenges
from lading._wire.messages import Origin, Request
from lading.auth.docker_config import DockerConfig
from lading.auth.scopes import parse_scopes
from lading.auth.tokens import TokenRequest
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest, open_document
from lading.headers import Headers
from lading.media_types import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, check_media_type
from lading.platform import Platform
from lading.reference import RegistryName, parse_reference

ORIGIN = Origin("https", "registry.example", 443)
REQUEST = Request("GET", ORIGIN, "/v2/acme/app/tags/list")
JSON = Headers([("Content-Type", "application/json")])


def _header(name: str, read: Callable[[Headers], Any]) -> Callable[[str], Any]:
    """Read a text as the value of a field; what cannot be one never gets further."""
    return lambda text: read(Headers([(name, text)]))


def _archive(content: bytes) -> list[Any]:
    reader = TarReader(Expansion(io.BytesIO(content), Limits(), None).read, entries=1000)
    return [list(reader.pieces()) for _ in reader]


TEXTS: dict[str, Callable[[str], Any]] = {
    "reference": parse_reference,
    "registry": RegistryName.parse,
    "digest": Digest,
    "platform": Platform.parse,
    "media type": check_media_type,
    "title": safe_title,
    "scopes": parse_scopes,
    "challenge": _header("WWW-Authenticate", lambda headers: challenges(headers.all("WWW-Authenticate"))),
    "link": _header("Link", lambda headers: header_fields.next_link(headers.all("Link"))),
    "location": _header("Location", lambda headers: urls.resolve(ORIGIN, "/v2/", headers.get("Location") or "")),
    "redacted URL": urls.redact,
    "upload range": _header("Range", lambda headers: header_fields.upload_range(headers.get("Range"))),
    "chunk range": header_fields.chunk_range,
    "content range": _header(
        "Content-Range", lambda headers: header_fields.content_range(headers.get("Content-Range"))
    ),
    "wanted range": header_fields.wanted_range,
    "retry after": _header("Retry-After", header_fields.retry_after),
    "warning": _header("Warning", lambda headers: header_fields.warnings(headers.all("Warning"))),
    "content type": _header("Content-Type", response_facts.media_type),
    "content coding": _header("Content-Encoding", coding_of),
    "rate limit": _header("RateLimit-Limit", lambda headers: header_fields.rate_limit(headers.get("RateLimit-Limit"))),
    "content digest": _header("Docker-Content-Digest", response_facts.content_digest),
    "request target": lambda text: endpoints.match("GET", f"/{text}"),
}
CONTENTS: dict[str, Callable[[bytes], Any]] = {
    "JSON": lambda content: strict_json.parse(content, "document"),
    "manifest": lambda content: Manifest[Any].parse(content, OCI_MANIFEST).document,
    "index": lambda content: Manifest[Any].parse(content, OCI_INDEX).document,
    "config": lambda content: open_document(content, OCI_CONFIG),
    "descriptor": Descriptor.parse,
    "tags": lambda content: response_facts.tag_page(REQUEST, JSON, content),
    "repositories": lambda content: response_facts.repository_page(REQUEST, JSON, content),
    "extensions": lambda content: response_facts.extensions(REQUEST, JSON, content),
    "error document": lambda content: refusals.problem(REQUEST, 400, JSON, content),
    "token": lambda content: TokenRequest("s", (), ()).token(content, received_at=0.0, realm=ORIGIN),
    "docker config": lambda content: DockerConfig.parse(content, "config.json"),
    "gzip": lambda content: decoded(content, Headers([("Content-Encoding", "gzip")]), 1 << 20, "answer"),
    "archive": _archive,
}
