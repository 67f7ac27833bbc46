"""Configs of images: pulled, verified, and read for the platform that they state (image-spec, config.md)."""

from __future__ import annotations

from lading import strict_json
from lading._core.transfer.async_target import Readable, read_whole
from lading._core.transfer.stored_blob import OpenBlob
from lading._io.base import IO
from lading.descriptor import Descriptor
from lading.documents import CONFIG_LIMIT
from lading.errors import LimitExceededError
from lading.platform import Platform

_FIELDS = ("architecture", "os", "os.version", "os.features", "variant")


def check_config_size(descriptor: Descriptor) -> None:
    """Raise `LimitExceededError` for a config that is too large to be read into memory."""
    if descriptor.size > CONFIG_LIMIT:
        raise LimitExceededError(
            f"config {descriptor.digest} has {descriptor.size} bytes, more than the {CONFIG_LIMIT} that are accepted"
        )


async def pull_config(io: IO, place: Readable, descriptor: Descriptor) -> bytes:
    """Return a config, verified. Raises `VerificationError`, `LimitExceededError` and `NotFoundError`."""
    check_config_size(descriptor)
    if (embedded := descriptor.embedded) is not None:
        return embedded

    def read(stream: OpenBlob) -> bytes:
        return read_whole(stream.reader, descriptor.size)

    async with place.fetch(descriptor).open() as stream:
        content = await io.call(read, stream, cancellation=stream.cancellation)
    descriptor.verify(content)
    return content


def platform_in(config: bytes, what: str) -> Platform | None:
    """Return the platform that the config of an image states, None if it states none.

    Only the fields of the platform are read: ORAS pushes artifacts whose configs have nothing else. `what` names the
    config in messages. Raises `DocumentError` for a config that is not strict JSON.
    """
    tree = strict_json.parse(config, what)
    if not isinstance(tree, dict) or not (tree.get("architecture") and tree.get("os")):
        return None
    return strict_json.typed({name: tree[name] for name in _FIELDS if name in tree}, Platform, what)
