"""Verbs for content of any kind: artifacts, copies, referrers, evidence, verification."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lading._core.verbs.base import VerbsBase, place_of
from lading.target import AnyReference, as_reference

if TYPE_CHECKING:
    from lading._core.artifacts.artifact import Artifact, Pulled
    from lading._core.artifacts.push_pull import Artifacts
    from lading._core.copying.plan import Copied, CopyOptions, IndexForm
    from lading._core.graph.evidence import Evidence
    from lading._core.graph.predecessors import ReferrerTree
    from lading._core.graph.verify import Verified
    from lading.descriptor import Descriptor
    from lading.platform import Platform


class ContentVerbs(VerbsBase):
    """Moves content between places, byte for byte."""

    async def push(self, reference: str | AnyReference, artifact: Artifact) -> Descriptor:
        """Push an artifact under a reference's tag, or by its digest alone; return the descriptor of its manifest.

        The place is a repository, an image layout (`oci:DIR:TAG`), an archive that is written anew
        (`oci-archive:FILE:TAG`), or a target (`TargetReference`). Blobs that are there are not sent again; the manifest
        goes last, when all that it names is there.

        Raises `StorageError` for files that cannot be read, `DigestMismatchError` if the digest is not that of the
        artifact, and `RegistryError` for what the registry refuses.
        """
        return await self._artifacts().push(as_reference(reference), artifact)

    async def attach(
        self,
        reference: str | AnyReference,
        artifact: Artifact,
        *,
        platform: Platform | str | None = None,
    ) -> Descriptor:
        """Push an artifact that is about a manifest, its subject, and return the descriptor of its own manifest.

        It goes to the same repository, image layout or target, without a tag: `referrers.list` finds it. Of an index,
        with `platform`, the subject is the best match for that platform; without, the index itself. Where the registry
        has no referrers API, the list that clients keep under a tag is brought up to date.

        Raises as `push` does, `NotFoundError` if there is no subject, and `DocumentError` if the artifact has another.
        """
        return await self._artifacts().attach(as_reference(reference), artifact, platform)

    async def pull(
        self,
        reference: str | AnyReference,
        directory: str | os.PathLike[str] = ".",
        *,
        platform: Platform | str | None = None,
    ) -> Pulled:
        """Pull the files of an artifact, from any place, into a directory, under the titles that its layers have.

        Every file gets its name only when its content is verified. Directories that `push` packed are unpacked. Layers
        without a title are no files and are left where they are.

        Raises `DocumentError` if the manifest is not an image manifest or has no files, `VerificationError` and
        `StorageError`.
        """
        from pathlib import Path

        return await self._artifacts().pull(as_reference(reference), Path(directory), platform)

    async def referrers_tree(
        self,
        reference: str | AnyReference,
        *,
        platform: Platform | str | None = None,
        artifact_type: str | None = None,
        annotations: Mapping[str, str | None] | None = None,
        depth: int = 32,
    ) -> ReferrerTree:
        """Find what refers to a manifest, what refers to that, and so on, `depth` levels deep (1 to 32).

        Every referrer is pulled: one that is listed and names another subject, or is not there, is passed over with a
        warning. With a type or annotations (None stands for any value), only branches that lead to such are given.

        Raises `NotFoundError` if there is no such manifest, `LimitExceededError` for more than 10,000 referrers, and
        `UnsupportedError` for a target that does not list referrers.
        """
        from lading._core.artifacts.push_pull import resolve_subject
        from lading._core.graph.predecessors import Predecessors, ReferrerFilter
        from lading._core.graph.tolerant_reader import TolerantReader

        async with self._resolver().readable(whole := as_reference(reference)) as place:
            reader = TolerantReader(place, self._settings.emit)
            predecessors = Predecessors(self._io, place, reader, concurrency=self._concurrency)
            root = await resolve_subject(place, whole, platform)
            return await predecessors.tree(root, ReferrerFilter(artifact_type, annotations), depth)

    async def evidence(
        self, reference: str | AnyReference, *, platform: Platform | str | None = None
    ) -> tuple[Evidence, ...]:
        """Find SBOMs, provenance, signatures and attestations of a manifest, wherever they are kept.

        That is among its referrers, under the tags that cosign makes of its digest, and, as BuildKit has it, in the
        index that it is an entry of. Of an index, the evidence of all its entries is found as well, or with `platform`
        that of the best match alone. It is found, not checked: nothing here verifies a signature.

        Raises as `referrers_tree` does. What cannot be read is passed over with a warning.
        """
        from lading._core.copying.references import selector_of
        from lading._core.graph.evidence import Search

        async with self._resolver().readable(whole := as_reference(reference)) as place:
            search = Search(self._io, place, self._settings.emit, concurrency=self._concurrency)
            return await search.run(selector_of(whole), platform)

    async def copy(
        self,
        source: str | AnyReference,
        destination: str | AnyReference,
        *,
        platforms: Iterable[Platform | str] = (),
        index: IndexForm = "sparse",
        referrers: bool = False,
        depth: int = 8,
        digest_tags: bool = False,
        dry_run: bool = False,
    ) -> Copied:
        """Copy a manifest with everything that it names, byte for byte, between any two places.

        A place is a repository, an image layout (`oci:DIR:TAG`), an archive (`oci-archive:FILE:TAG`,
        `docker-archive:FILE:NAME`), which is written anew, or a target (`TargetReference`). What the destination has is
        not moved; between repositories of one registry blobs are mounted; everything else is streamed, `concurrency`
        blobs at once. Tags move last.

        `platforms` are those wanted of an index. The index is then pushed as it is (`"sparse"`), which registries may
        refuse as not all of its entries are there, or as a new one with these entries only (`"rewritten"`), whose
        digest is another one. Attestations of BuildKit go with their images.

        `referrers` takes along what has one of these manifests as its subject, and what refers to that, up to `depth`
        levels; `digest_tags` what cosign keeps under tags such as `sha256-….sig`. With `dry_run` nothing is written,
        and the steps are those that would be done.

        Raises the error of the side that fails: its `side` and `digest` say where, and at which content.
        """
        options = _copy_options(
            platforms,
            index=index,
            referrers=referrers,
            depth=depth,
            digest_tags=digest_tags,
            dry_run=dry_run,
        )
        return await self._copies().copy(as_reference(source), as_reference(destination), options)

    async def copy_tags(
        self,
        source: str | AnyReference,
        destination: str | AnyReference,
        pattern: str = "*",
        *,
        platforms: Iterable[Platform | str] = (),
        index: IndexForm = "sparse",
        referrers: bool = False,
        depth: int = 8,
        digest_tags: bool = False,
        dry_run: bool = False,
    ) -> tuple[Copied, ...]:
        """Copy what all tags of a place stand for, or those that fit a pattern such as `v1.*`, under the same tags.

        Both references are spelled without tag and digest. Everything else is as for `copy`; an archive is written when
        all tags are in it. Raises `UnsupportedError` for a target that does not list its tags.
        """
        options = _copy_options(
            platforms,
            index=index,
            referrers=referrers,
            depth=depth,
            digest_tags=digest_tags,
            dry_run=dry_run,
        )
        return await self._copies().copy_tags(place_of(source), place_of(destination), pattern, options)

    async def verify(self, reference: str | AnyReference) -> Verified:
        """Read a manifest and everything that it names, in any place, and compare it with digests and sizes.

        What is missing or damaged is in the result, and raises nothing. Raises `NotFoundError` if there is no such
        manifest, and `TransportError` and `RegistryError` if the registry does not answer or refuses.
        """
        from lading._core.copying.references import selector_of
        from lading._core.graph.verify import Verification

        whole = as_reference(reference)
        async with self._resolver().readable(whole) as place:
            verification = Verification(self._io, self._settings, place, concurrency=self._concurrency)
            return await verification.verify(selector_of(whole))

    def _artifacts(self) -> Artifacts:
        from lading._core.artifacts.push_pull import Artifacts

        return Artifacts(self._resolver(), self._settings, concurrency=self._concurrency)


def _copy_options(
    platforms: Iterable[Platform | str],
    *,
    index: IndexForm,
    referrers: bool,
    depth: int,
    digest_tags: bool,
    dry_run: bool,
) -> CopyOptions:
    from lading._core.copying.plan import CopyOptions
    from lading.platform import as_platform

    return CopyOptions(
        platforms=tuple(as_platform(each) for each in platforms),
        index=index,
        referrers=referrers,
        depth=depth,
        digest_tags=digest_tags,
        dry_run=dry_run,
    )
