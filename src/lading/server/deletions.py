"""Content management (distribution-spec, Content Management): end-9 and end-10. These endpoints block."""

from __future__ import annotations

from lading._wire.messages import Response
from lading.digest import Digest
from lading.server import responses
from lading.server.request_context import Call
from lading.server.responses import RefusedError


def delete_manifest(call: Call) -> Response:
    """Answer end-9: a tag goes alone, a digest takes its tags with it."""
    _check_allowed(call)
    layout, given = call.layout(), call.match.tag_or_digest
    found = layout.delete_manifest(given) if isinstance(given, Digest) else layout.delete_tag(given)
    if not found:
        raise RefusedError("MANIFEST_UNKNOWN", f"there is no manifest {given} in {call.match.name}")
    return responses.empty(202, {})


def delete_blob(call: Call) -> Response:
    """Answer end-10. A manifest is not deleted as a blob: its tags would name nothing."""
    _check_allowed(call)
    layout = call.layout()
    if layout.resolve(call.digest) is not None:
        raise RefusedError("UNSUPPORTED", f"{call.digest} is a manifest: delete it as one", status=405)
    if not layout.delete_blob(call.digest):
        raise RefusedError("BLOB_UNKNOWN", f"there is no blob {call.digest} in {call.match.name}")
    return responses.empty(202, {})


def _check_allowed(call: Call) -> None:
    if not call.limits.deletes:
        raise RefusedError("UNSUPPORTED", "this registry deletes nothing", status=405)
