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
from lading.media_types import (
    DOCKER_FOREIGN_LAYER,
    OCI_FOREIGN_LAYER,
    OCI_FOREIGN_LAYER_GZIP,
    OCI_FOREIGN_LAYER_ZSTD,
    is_manifest,
)
from lading.reference import check_tag
from lading.server import responses
from lading.server.request_context import Call
from lading.server.responses import RefusedError
from lading.stores.layout import Layout

# Layers that their licence keeps from being pushed (image-spec, layer.md, Non-Distributable Layers).
_MAY_BE_ELSEWHERE = frozenset(
    {
        DOCKER_FOREIGN_LAYER,
        OCI_FOREIGN_LAYER,
        OCI_FOREIGN_LAYER_GZIP,
        OCI_FOREIGN_LAYER_ZSTD,
    }
)


async def push_manifest(call: Call) -> Response:
    """Answer end-7a and end-7b."""
    tags = _tags(call)
    raw = await _read(call)
    return await call.io.call(_push, call, raw, tags)


def _tags(call: Call) -> tuple[str, ...]:
    asked = call.match.query.all("tag")
    if isinstance(call.match.tag_or_digest, Digest):
        if len(asked) > call.limits.tags_per_push:
            message = f"one push may set {call.limits.tags_per_push} tags: push the rest in another"
            raise RefusedError("UNSUPPORTED", message, status=414)
        return tuple(dict.fromkeys(map(check_tag, asked)))
    if asked:
        raise RefusedError("UNSUPPORTED", "the parameter tag needs a digest in the path", status=400)
    return (call.match.tag_or_digest,)


async def _read(call: Call) -> bytes:
    limit = call.limits.manifest_bytes
    length = number(call.request.headers.get("Content-Length")) or 0
    raw = bytearray()
    while length <= limit and len(raw) <= limit and (piece := await call.content.read()):
        raw += piece
    if max(length, len(raw)) > limit:
        raise RefusedError("SIZE_INVALID", f"a manifest may have {limit} bytes at most", status=413)
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
    """Read what was pushed, which must be a manifest beyond doubt."""
    expected = call.match.tag_or_digest if isinstance(call.match.tag_or_digest, Digest) else None
    given = media_type(call.request.headers.get("Content-Type"))
    try:
        manifest = Manifest[Any].parse(raw, given, digest=expected)
        tree = strict_json.parse(raw, "manifest")
    except DocumentError as error:
        raise RefusedError("MANIFEST_INVALID", str(error)) from error
    except DigestMismatchError as error:
        raise RefusedError("DIGEST_INVALID", str(error)) from error
    # Of a media type that is not known here, the document may still say otherwise: two readers would see two manifests.
    own = tree.get("mediaType") if isinstance(tree, dict) else given
    if not isinstance(tree, dict) or {"layers", "manifests"} <= tree.keys() or own not in {None, manifest.media_type}:
        raise RefusedError(
            "MANIFEST_INVALID", "this is no JSON object, or one that can be read as two kinds of manifest"
        )
    if given not in {None, manifest.media_type}:
        raise RefusedError("MANIFEST_INVALID", f"the Content-Type of this manifest is {manifest.media_type}")
    return manifest


def _document(manifest: Manifest[Any]) -> ImageManifest | ImageIndex | None:
    """Return what a manifest says, None if its media type is not known here."""
    try:
        document = manifest.document
    except DocumentError as error:
        raise RefusedError("MANIFEST_INVALID", str(error)) from error
    if isinstance(document, ImageConfig | HelmConfig):
        raise RefusedError("MANIFEST_INVALID", f"{manifest.media_type} is no manifest: push it as a blob")
    return document if isinstance(document, ImageManifest | ImageIndex) else None


def _check_references(call: Call, document: ImageManifest | ImageIndex | None) -> None:
    """Refuse a manifest that needs what the repository does not have; its subject may be missing."""
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
        raise RefusedError("MANIFEST_BLOB_UNKNOWN", f"there is no manifest {descriptor.digest} in this repository")


def _check_blob(layout: Layout | None, descriptor: Descriptor, *, sparse: bool) -> None:
    size = None if layout is None else layout.blob_size(descriptor.digest)
    if size is None and not sparse and descriptor.media_type not in _MAY_BE_ELSEWHERE:
        raise RefusedError("MANIFEST_BLOB_UNKNOWN", f"there is no blob {descriptor.digest} in this repository")
    if size is not None and size != descriptor.size:
        message = f"blob {descriptor.digest} has {size} bytes, not the {descriptor.size} that the manifest says"
        raise RefusedError("SIZE_INVALID", message)
