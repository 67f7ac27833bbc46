"""Content management (distribution-spec, Content Management): end-9 and end-10. These endpoints block."""

from __future__ import annotations

from lading._wire.messages import Response
from lading.digest import Digest
from lading.server import responses
from lading.server.request_context import Call
from lading.server.responses import RefusedError


def delete_manifest(call: Call) -> Response:
    """Answer end-9: delete a tag alone, or a manifest with all of its tags."""
    _check_allowed(call)
    layout, given = call.layout(), call.match.tag_or_digest
    deleted = layout.delete_manifest(given) if isinstance(given, Digest) else layout.delete_tag(given)
    if not deleted:
        raise RefusedError("MANIFEST_UNKNOWN", f"{call.match.name} has no manifest {given}")
    return responses.empty(202, {})


def delete_blob(call: Call) -> Response:
    """Answer end-10. A manifest cannot be deleted as a blob: its tags would dangle."""
    _check_allowed(call)
    layout = call.layout()
    if layout.resolve(call.digest) is not None:
        raise RefusedError("UNSUPPORTED", f"{call.digest} is a manifest: delete the manifest", status=405)
    if not layout.delete_blob(call.digest):
        raise RefusedError("BLOB_UNKNOWN", f"{call.match.name} has no blob {call.digest}")
    return responses.empty(202, {})


def _check_allowed(call: Call) -> None:
    if not call.limits.deletes:
        raise RefusedError("UNSUPPORTED", "this registry does not allow deletion", status=405)
