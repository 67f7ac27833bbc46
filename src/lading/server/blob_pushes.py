"""Push of blobs (distribution-spec, Pushing blobs): end-4 to end-6, end-11, end-13 and end-14."""

from __future__ import annotations

from lading._io.base import RequestBody
from lading._io.body_reading import PIECE_SIZE
from lading._wire import endpoints
from lading._wire.header_fields import chunk_range, media_type, number
from lading._wire.messages import Response
from lading.digest import Digest, hasher
from lading.reference import check_name
from lading.server import responses
from lading.server.request_context import Call
from lading.server.responses import RefusedError
from lading.server.upload_sessions import Upload

_OCTETS = "application/octet-stream"


def start_upload(call: Call) -> Response:
    """Answer end-4a and end-4c. Blocks."""
    algorithm = call.parameter("digest-algorithm")
    session = call.uploads.start(call.match.name, "sha256" if algorithm is None else algorithm)
    return _accepted(call, session, 0)


def mount_blob(call: Call) -> Response:
    """Answer end-11: mount a blob of another repository, or else start an upload. Blocks.

    Without `from`, the blob may come from any repository; under access control, only a user who may pull from all of
    them may mount this way.
    """
    digest = Digest(call.parameter("mount") or "")
    source = call.parameter("from")
    name = None if source is None else check_name(source)
    origin = call.repositories.holder(digest, name) if call.limits.mounts else None
    if origin is not None and call.repositories.create(call.match.name).mount_blob(digest, origin):
        return _created(call, digest)
    return _accepted(call, call.uploads.start(call.match.name, digest.algorithm), 0)


def upload_status(call: Call) -> Response:
    """Answer end-13. Blocks."""
    offset = call.uploads.offset(call.match.name, call.match.session)
    return _progress(204, call, call.match.session, offset)


def cancel_upload(call: Call) -> Response:
    """Answer end-14. Blocks."""
    with call.uploads.open(call.match.name, call.match.session) as upload:
        upload.cancel()
    return responses.empty(204, {})


async def push_blob_at_once(call: Call) -> Response:
    """Answer end-4b. A failed upload leaves nothing behind: the client never learned of its session."""
    digest = _whole_digest(call)
    _check_type(call)
    session = await call.io.call(call.uploads.start, call.match.name, digest.algorithm)
    with await call.io.call(call.uploads.open, call.match.name, session) as upload:
        try:
            await _receive(call, upload, None)
            await call.io.call(_finish, call, upload, digest)
        except BaseException:
            upload.cancel()
            raise
    return _created(call, digest)


async def patch_upload(call: Call) -> Response:
    """Answer end-5."""
    _check_type(call)
    with await call.io.call(call.uploads.open, call.match.name, call.match.session) as upload:
        await _receive(call, upload, _chunk(call, upload))
        return _accepted(call, call.match.session, upload.offset)


async def finish_upload(call: Call) -> Response:
    """Answer end-6, with or without a last chunk."""
    digest = _whole_digest(call)
    _check_type(call)
    with await call.io.call(call.uploads.open, call.match.name, call.match.session) as upload:
        await _receive(call, upload, _chunk(call, upload))
        await call.io.call(_finish, call, upload, digest)
    return _created(call, digest)


def _whole_digest(call: Call) -> Digest:
    """Return the digest that the content must have, validated before any content is read."""
    digest = Digest(call.parameter("digest") or "")
    hasher(digest.algorithm)
    return digest


def _check_type(call: Call) -> None:
    given = call.request.headers.get("Content-Type")
    if given is not None and media_type(given) != _OCTETS:
        raise RefusedError("BLOB_UPLOAD_INVALID", f"the Content-Type of a blob must be {_OCTETS}", status=415)


def _chunk(call: Call, upload: Upload) -> int | None:
    """Return the length of a chunk in bytes, None without Content-Range. It must start at the upload's offset."""
    text = call.request.headers.get("Content-Range")
    if text is None:
        return None
    chunk = chunk_range(text)
    if chunk is None:
        raise RefusedError("BLOB_UPLOAD_INVALID", "Content-Range must be <start>-<end>, both inclusive, without a unit")
    if chunk[0] != upload.offset:
        headers = {"Location": _location(call, call.match.session), "Range": _range(upload.offset)}
        message = f"the next byte of this upload is {upload.offset}, not {chunk[0]}"
        raise RefusedError("BLOB_UPLOAD_INVALID", message, status=416, headers=headers)
    return chunk[1] - chunk[0] + 1


async def _receive(call: Call, upload: Upload, expected: int | None) -> None:
    """Append the content to an upload. Content that ends early is kept so far, as after a lost connection."""
    length = number(call.request.headers.get("Content-Length"))
    if expected is not None and length not in {None, expected}:
        raise RefusedError("SIZE_INVALID", f"Content-Range says {expected} bytes, Content-Length {length}")
    expected = length if expected is None else expected
    upload.reserve(expected or 0)
    end = None if expected is None else upload.offset + expected
    failure = None
    while failure is None:
        pieces, size, failure = await _gather(call.content)
        if end is not None and upload.offset + size > end:
            raise RefusedError("SIZE_INVALID", f"the content is longer than the announced {expected} bytes")
        if not pieces:
            break
        await call.io.call(upload.write, pieces, size)
    if failure is not None:
        raise failure
    if end is not None and upload.offset != end:
        raise RefusedError("SIZE_INVALID", f"the content is shorter than the announced {expected} bytes")


async def _gather(content: RequestBody) -> tuple[list[bytes], int, Exception | None]:
    """Read pieces of a MiB or more together: handing each to a thread would cost more than storing it.

    Return the pieces, the number of their bytes, and the failure if one ended them. There are none at the end.
    """
    pieces: list[bytes] = []
    size = 0
    try:
        while size < PIECE_SIZE and (piece := await content.read()):
            pieces.append(piece)
            size += len(piece)
    except Exception as error:  # noqa: BLE001  # raised after the pieces are stored
        return pieces, size, error
    return pieces, size, None


def _finish(call: Call, upload: Upload, digest: Digest) -> None:
    upload.finish(digest, call.repositories.create(call.match.name))


def _location(call: Call, session: str) -> str:
    return endpoints.target(endpoints.PATCH_UPLOAD, name=call.match.name, session=session)


def _range(offset: int) -> str:
    # The specification cannot express an empty range: registries send 0-0 before the first byte.
    return f"0-{max(offset - 1, 0)}"


def _progress(status: int, call: Call, session: str, offset: int) -> Response:
    return responses.empty(status, {"Location": _location(call, session), "Range": _range(offset)})


def _accepted(call: Call, session: str, offset: int) -> Response:
    return _progress(202, call, session, offset)


def _created(call: Call, digest: Digest) -> Response:
    location = endpoints.target(endpoints.PULL_BLOB, name=call.match.name, digest=digest)
    return responses.empty(201, {"Location": location, "Docker-Content-Digest": digest})
