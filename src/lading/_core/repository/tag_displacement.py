"""Deletion of a tag through a stand-in, where the registry deletes manifests only (Deleting tags)."""

from __future__ import annotations

import os

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.repository.manifest_requests import delete_manifest, pull_manifest, push_manifest
from lading._core.repository.unsupported import unsupported_by
from lading._core.transfer.push import push_blob
from lading.descriptor import Descriptor
from lading.documents import ImageManifest, Manifest
from lading.errors import LadingError, RejectedError
from lading.media_types import MANIFEST_TYPES, OCI_EMPTY

_EMPTY = b"{}"
_STAND_IN = "application/vnd.lading.stand-in.v1"
_UNIQUE = "dev.lading.stand-in"


async def displace(repository: RemoteRepository, tag: str) -> None:
    """Move a tag to a stand-in, and delete that. Raises as `AsyncTags.displace` does."""
    manifest = await pull_manifest(repository, tag, accept=MANIFEST_TYPES)
    stand_in = await _stand_in(repository)
    advice = f"the registry does not delete manifests: the tag {tag!r} stays"
    try:
        await push_manifest(repository, tag, stand_in)
        with unsupported_by(400, RejectedError, advice=advice):
            await delete_manifest(repository, stand_in.digest)
    except LadingError as error:
        error.add_note(f"check that the tag {tag!r} still names {manifest.digest}; if not, tag that manifest again")
        await push_manifest(repository, tag, manifest)
        raise


async def _stand_in(repository: RemoteRepository) -> Manifest[ImageManifest]:
    """Make a manifest that is unique, so that no other tag is deleted with it."""
    empty = Descriptor.of(_EMPTY, OCI_EMPTY)
    await push_blob(repository, empty, _EMPTY)
    unique = {_UNIQUE: os.urandom(16).hex()}
    return Manifest.of(ImageManifest(artifact_type=_STAND_IN, config=empty, layers=(empty,), annotations=unique))
