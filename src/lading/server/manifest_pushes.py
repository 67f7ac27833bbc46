"""Push of manifests (distribution-spec, Pushing Manifests): end-7."""

from __future__ import annotations

from typing import Any

from lading import strict_json
from lading._wire import endpoints
from lading._wire.header_fields import media_type, number
from lading._wire.messages import Response
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import HelmConfig, ImageConfig, ImageIndex, ImageManifest, Manifest
from lading.errors import DigestMismatchError, DocumentError
from lading.media_types import is_foreign_layer, is_manifest
from lading.reference import check_tag
from lading.server import responses
from lading.server.request_context import Call
from lading.server.responses import RefusedError
from lading.stores.layout import Layout


async def push_manifest(call: Call) -> Response:
    """Answer end-7a and end-7b."""
    tags = _tags(call)
    raw = await _read(call)
    return await call.io.call(_push, call, raw, tags)


def _tags(call: Call) -> tuple[str, ...]:
    asked = call.match.query.all("tag")
    if isinstance(call.match.tag_or_digest, Digest):
        if len(asked) > call.limits.tags_per_push:
            message = f"one push may set at most {call.limits.tags_per_push} tags: push the rest with another request"
            raise RefusedError("UNSUPPORTED", message, status=414)
        return tuple(dict.fromkeys(map(check_tag, asked)))
    if asked:
        raise RefusedError("UNSUPPORTED", "the parameter tag requires a digest in the path", status=400)
    return (call.match.tag_or_digest,)


async def _read(call: Call) -> bytes:
    limit = call.limits.manifest_bytes
    length = number(call.request.headers.get("Content-Length")) or 0
    raw = bytearray()
    while length <= limit and len(raw) <= limit and (piece := await call.content.read()):
        raw += piece
    if max(length, len(raw)) > limit:
        raise RefusedError("SIZE_INVALID", f"a manifest may have at most {limit} bytes", status=413)
    return bytes(raw)


def _push(call: Call, raw: bytes, tags: tuple[str, ...]) -> Response:
    manifest = _parse(call, raw)
    document = _document(manifest)
    _check_references(call, document)
    call.repositories.create(call.match.name).push_manifest(raw, manifest.descriptor, tags)
    location = endpoints.target(endpoints.PULL_MANIFEST, name=call.match.name, tag_or_digest=manifest.digest)
    headers = {"Location": location, "Docker-Content-Digest": manifest.digest}
    if document is not None and document.subject is not None and call.limits.referrers:
        headers["OCI-Subject"] = document.subject.digest
    if call.match.query.all("tag"):
        headers["OCI-Tag"] = ", ".join(tags)
    return responses.empty(201, headers)


def _parse(call: Call, raw: bytes) -> Manifest[Any]:
    """Parse the pushed content, which must unambiguously be a manifest."""
    expected = call.match.tag_or_digest if isinstance(call.match.tag_or_digest, Digest) else None
    given = media_type(call.request.headers.get("Content-Type"))
    try:
        manifest = Manifest[Any].parse(raw, given, digest=expected)
        tree = strict_json.parse(raw, "manifest")
    except DocumentError as error:
        raise RefusedError("MANIFEST_INVALID", str(error)) from error
    except DigestMismatchError as error:
        raise RefusedError("DIGEST_INVALID", str(error)) from error
    # A document of an unknown media type may contradict it: two parsers would see different manifests.
    own = tree.get("mediaType") if isinstance(tree, dict) else given
    if not isinstance(tree, dict) or {"layers", "manifests"} <= tree.keys() or own not in {None, manifest.media_type}:
        raise RefusedError("MANIFEST_INVALID", "not a JSON object, or one that can be read as two types of manifest")
    if given not in {None, manifest.media_type}:
        raise RefusedError("MANIFEST_INVALID", f"the Content-Type must be that of the manifest, {manifest.media_type}")
    return manifest


def _document(manifest: Manifest[Any]) -> ImageManifest | ImageIndex | None:
    """Return the document of a manifest, None if its media type is unknown."""
    try:
        document = manifest.document
    except DocumentError as error:
        raise RefusedError("MANIFEST_INVALID", str(error)) from error
    if isinstance(document, ImageConfig | HelmConfig):
        raise RefusedError("MANIFEST_INVALID", f"{manifest.media_type} is not a manifest: push it as a blob")
    return document if isinstance(document, ImageManifest | ImageIndex) else None


def _check_references(call: Call, document: ImageManifest | ImageIndex | None) -> None:
    """Refuse a manifest that names content which the repository lacks; its subject may be missing."""
    layout = call.repositories.find(call.match.name)
    if isinstance(document, ImageManifest):
        for descriptor in (document.config, *document.layers):
            _check_blob(layout, descriptor, sparse=call.limits.sparse)
    elif document is not None:
        for descriptor in document.manifests:
            _check_child(layout, descriptor, sparse=call.limits.sparse)


def _check_child(layout: Layout | None, descriptor: Descriptor, *, sparse: bool) -> None:
    if not is_manifest(descriptor.media_type):
        _check_blob(layout, descriptor, sparse=sparse)
    elif not sparse and (layout is None or layout.resolve(descriptor.digest) is None):
        raise RefusedError("MANIFEST_BLOB_UNKNOWN", f"this repository has no manifest {descriptor.digest}")


def _check_blob(layout: Layout | None, descriptor: Descriptor, *, sparse: bool) -> None:
    size = None if layout is None else layout.blob_size(descriptor.digest)
    if size is None and not sparse and not is_foreign_layer(descriptor.media_type):
        raise RefusedError("MANIFEST_BLOB_UNKNOWN", f"this repository has no blob {descriptor.digest}")
    if size is not None and size != descriptor.size:
        message = f"blob {descriptor.digest} has {size} bytes, but its descriptor says {descriptor.size}"
        raise RefusedError("SIZE_INVALID", message)
