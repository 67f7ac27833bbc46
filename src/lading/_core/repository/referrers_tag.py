"""Referrers tag: the list of referrers kept by clients (distribution-spec, Referrers Tag Schema).

If a registry has no referrers API, clients that push or delete a manifest with a subject change that list, and several
may do so at once. The update below loses no entry unless another client takes several times as long over an update:

- The list is read, changed and pushed on the condition that it is still the one that was read (RFC 9110, section 13.1),
  for registries that evaluate conditions.
- For all others: a client that overwrites our change has read the list before we pushed it, and pushes its own soon
  after. So we wait for longer than such an update takes, read the list again, and start over if our change is gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.repository.manifest_requests import push_manifest, read_manifest, request_manifest, resolve_manifest
from lading._patterns import lazy_pattern
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import ImageIndex, Manifest
from lading.documents.successors import ReferrerEntry, as_referrer
from lading.errors import (
    DocumentError,
    ManifestBlobUnknownError,
    NameUnknownError,
    NotFoundError,
    RegistryError,
    RejectedError,
    UnexpectedMediaTypeError,
)
from lading.events import Warned
from lading.media_types import MANIFEST_TYPES, OCI_INDEX

TagEntries = tuple[Descriptor, ...]

_NOT_OF_TAGS = lazy_pattern(r"[^A-Za-z0-9._-]", re.ASCII)
_ALGORITHM_LENGTH = 32
_ENCODED_LENGTH = 64
_ROUNDS = 20
_PRECONDITION_FAILED = 412
# Duration that another client's update may take, as a multiple of ours, and its bounds in seconds.
_PATIENCE = 4.0
_SHORTEST_WAIT = 0.25
_LONGEST_WAIT = 10.0


class _Kept(msgspec.Struct, frozen=True):
    """List as it was read: its index, or None if there is none, and the condition for pushing it."""

    index: Manifest[ImageIndex] | None
    condition: tuple[str, str] | None

    @property
    def entries(self) -> TagEntries:
        return self.index.document.manifests if self.index else ()


def referrers_tag(digest: Digest) -> str:
    """Return the tag under which the referrers of a manifest are listed."""
    text = f"{digest.algorithm[:_ALGORITHM_LENGTH]}-{digest.encoded[:_ENCODED_LENGTH]}"
    return _NOT_OF_TAGS.sub("-", text)


def referrer(manifest: Manifest[Any]) -> ReferrerEntry | None:
    """Return the subject of a manifest, and the entry for it in the list of referrers; None if it has no subject."""
    try:
        return as_referrer(manifest)
    except DocumentError:
        return None  # the registry says what is wrong with it


async def kept_referrers(repository: RemoteRepository, subject: Digest) -> TagEntries:
    """Return the list; empty if there is none, or if its tag names something that is not a list."""
    try:
        return (await _read(repository, subject)).entries
    except DocumentError as error:
        # "The client SHOULD assume there are no referrers" (Listing Referrers).
        repository.emit(Warned(repository.origin.authority, f"the referrers of {subject} cannot be listed: {error}"))
        return ()


async def add_referrer(repository: RemoteRepository, subject: Digest, entry: Descriptor) -> None:
    """Add an entry to the list if it is missing. Raises `DocumentError` if the tag names something else."""

    def added(entries: TagEntries) -> TagEntries:
        return entries if any(each.digest == entry.digest for each in entries) else (*entries, entry)

    await _update(repository, subject, added)


async def drop_referrer(repository: RemoteRepository, subject: Digest, digest: Digest) -> None:
    """Remove a manifest from the list. Raises `DocumentError` if the tag names something else."""

    def dropped(entries: TagEntries) -> TagEntries:
        return tuple(each for each in entries if each.digest != digest)

    try:
        await _update(repository, subject, dropped)
    except NameUnknownError:
        return  # the repository went with its last manifest, and the list with it


async def _update(repository: RemoteRepository, subject: Digest, change: Callable[[TagEntries], TagEntries]) -> None:
    """Change the list, again until the change has been in it for a while."""
    from random import uniform  # few registries need it

    io = repository.io
    for _ in range(_ROUNDS):
        began = io.now()
        kept = await _read(repository, subject)
        wanted = change(kept.entries)
        if wanted == kept.entries:
            return
        try:
            pushed = await _push(repository, subject, kept, wanted)
        except ManifestBlobUnknownError:
            # Another client deleted a manifest and not its entry, and this registry rejects a list that names it.
            present = await _present(repository, wanted)
            if present == wanted:
                raise
            pushed = await _push(repository, subject, kept, present)
        if pushed:
            wait = min(max(_PATIENCE * (io.now() - began), _SHORTEST_WAIT), _LONGEST_WAIT)
            await io.sleep(uniform(wait, 2 * wait))  # noqa: S311  # so that competing clients do not keep step
    where = f"{repository}:{referrers_tag(subject)}"
    raise RegistryError(
        f"{where}: other clients keep changing this list of referrers: push or delete the manifest again"
    )


async def _read(repository: RemoteRepository, subject: Digest) -> _Kept:
    tag = referrers_tag(subject)
    try:
        answer = await request_manifest(repository, tag, accept=MANIFEST_TYPES)
    except NameUnknownError:
        raise
    except NotFoundError:
        return _Kept(None, ("If-None-Match", "*"))
    manifest = read_manifest(repository, tag, answer)
    if manifest.digest == subject:
        # GitLab reads the tag as another spelling of the digest: there is no list yet.
        return _Kept(None, None)
    if manifest.media_type != OCI_INDEX:
        raise UnexpectedMediaTypeError(
            f"{repository}:{tag} must be a list of referrers (an image index), and is {manifest.media_type}"
        )
    index = manifest.expect(ImageIndex)
    _ = index.document  # raises if it is not an index
    validator = answer.headers.get("ETag") or ""
    # A weak one never matches (RFC 9110, section 13.1.1).
    return _Kept(index, ("If-Match", validator) if validator.startswith('"') else None)


async def _present(repository: RemoteRepository, entries: TagEntries) -> TagEntries:
    """Return the entries whose manifests the repository has."""
    present: list[Descriptor] = []
    for entry in entries:
        try:
            await resolve_manifest(repository, entry.digest, accept=(entry.media_type,))
        except NotFoundError:
            continue
        present.append(entry)
    return tuple(present)


async def _push(repository: RemoteRepository, subject: Digest, kept: _Kept, wanted: TagEntries) -> bool:
    """Push a changed list, and return whether it was stored: it is not if the registry sees a change since."""
    index = Manifest.of(ImageIndex(manifests=wanted)) if kept.index is None else kept.index.edited(manifests=wanted)
    try:
        await push_manifest(repository, referrers_tag(subject), index, condition=kept.condition)
    except RejectedError as error:
        if error.status != _PRECONDITION_FAILED:
            raise
        return False
    return True
