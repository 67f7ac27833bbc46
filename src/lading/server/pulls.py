"""Pull (distribution-spec, Pull): end-1 to end-3. These endpoints block."""

from __future__ import annotations

import io
import os

from lading._wire.header_fields import wanted_range
from lading._wire.messages import Response
from lading.errors import LayoutError
from lading.server import responses
from lading.server.request_context import Call
from lading.server.responses import RefusedError

# Manifests that other tools have stored may exceed this registry's limit for pushes, but are held in memory.
_MAX_STORED_MANIFEST = 32 * 1024 * 1024


def ping(_call: Call) -> Response:
    """Answer end-1."""
    return responses.json({})


def pull_blob(call: Call) -> Response:
    """Answer end-2: send a blob, or the requested range of it."""
    file = call.layout().open_blob(call.digest)
    if file is None:
        raise RefusedError("BLOB_UNKNOWN", f"{call.match.name} has no blob {call.digest}")
    try:
        return _blob(call, file)
    except BaseException:
        file.close()
        raise


def pull_manifest(call: Call) -> Response:
    """Answer end-3 with the bytes that were pushed."""
    layout = call.layout()
    descriptor = layout.resolve(call.match.tag_or_digest)
    if descriptor is not None and descriptor.size > _MAX_STORED_MANIFEST:
        raise LayoutError(f"manifest {descriptor.digest} has {descriptor.size} bytes, more than {_MAX_STORED_MANIFEST}")
    raw = None if descriptor is None else layout.read_blob(descriptor)
    if descriptor is None or raw is None:
        raise RefusedError("MANIFEST_UNKNOWN", f"{call.match.name} has no manifest {call.match.tag_or_digest}")
    headers = {"Docker-Content-Digest": descriptor.digest, "ETag": f'"{descriptor.digest}"'}
    return responses.document(raw, media_type=descriptor.media_type, headers=headers)


def _blob(call: Call, file: io.FileIO) -> Response:
    tag = f'"{call.digest}"'
    headers = {
        "Content-Type": "application/octet-stream",
        "Docker-Content-Digest": call.digest,
        "ETag": tag,
        "Accept-Ranges": "bytes",
    }
    fields = call.request.headers
    # RFC 9110, sections 13.1.5 and 14.2: Range applies to GET only, and only if If-Range matches the content.
    applies = call.request.method == "GET" and fields.get("If-Range") in {None, tag}
    requested = wanted_range(fields.get("Range")) if applies else None
    if requested is None:
        return responses.file(file, headers)
    size = os.fstat(file.fileno()).st_size
    within = requested.within(size)
    if within is None:
        file.close()
        # Without an error document: the specification has no code for this, and RFC 9110 defines the response.
        return responses.empty(416, {"Content-Range": f"bytes */{size}"})
    return responses.part(file, *within, headers)
