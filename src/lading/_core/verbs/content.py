"""Verbs for content of any kind: artifacts, copies, referrers, evidence, verification."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import TYPE_CHECKING

from lading._core.verbs.base import VerbsBase, flags, platform_of, platforms_of, without_name
from lading._values import choice, expect, integer, mapping, path as check_path, plain_function
from lading.target import AnyReference, as_reference

if TYPE_CHECKING:
    from lading._core.artifacts.artifact import Artifact, Pulled
    from lading._core.artifacts.push_pull import Artifacts
    from lading._core.copying.plan import Copied, CopyOptions, IndexForm
    from lading._core.graph.evidence import Evidence
    from lading._core.graph.predecessors import ReferrerTree
    from lading._core.graph.verify import Verified
    from lading._core.tar.decompression import Limits
    from lading.descriptor import Descriptor
    from lading.errors import LadingError
    from lading.platform import PlatformLike


class ContentVerbs(VerbsBase):
    """Moves content between targets, byte for byte."""

    async def push(self, reference: AnyReference, artifact: Artifact) -> Descriptor:
        """Push an artifact under the tag of a reference, or by its digest alone; return the manifest's descriptor.

        The reference names a repository, an image layout (`oci:DIR:TAG`), an archive, which is written as a whole
        (`oci-archive:FILE:TAG`), or a target (`TargetReference`). Blobs that exist there are not sent again. The
        manifest is pushed last, when all its blobs are there.

        Raises `StorageError` for files that cannot be read, `DigestMismatchError` if the reference has another digest
        than the artifact, and `RegistryError` for a refusal.
        """
        _check_artifact(artifact)
        return await self._artifacts().push(as_reference(reference), artifact)

    async def attach(
        self,
        reference: AnyReference,
        artifact: Artifact,
        *,
        platform: PlatformLike | None = None,
    ) -> Descriptor:
        """Push an artifact that refers to a manifest, its subject, and return the descriptor of its own manifest.

        It is pushed to the same repository, image layout or target, without a tag: `referrers.list` finds it. Of an
        index, the subject is the best match for `platform`, as for `resolve`, or without one the index itself. If the
        registry has no referrers API, the list that clients keep under a tag is updated.

        Raises as `push` does, `ManifestUnknownError` if there is no such subject, `PlatformUnknownError`, and
        `DocumentError` if the artifact has another subject.
        """
        _check_artifact(artifact)
        return await self._artifacts().attach(as_reference(reference), artifact, platform_of(platform))

    async def pull(
        self,
        reference: AnyReference,
        directory: str | os.PathLike[str] = ".",
        *,
        platform: PlatformLike | None = None,
        portable: bool = False,
    ) -> Pulled:
        """Pull the files of an artifact into a directory, under the titles of its layers.

        A file gets its name when its content is verified. Directories that `push` packed are unpacked. The chart
        of a Helm chart becomes `NAME-VERSION.tgz`, as `helm pull` names it. Other layers without a title are not files,
        and are not pulled. `platform` is as for `resolve`. With `portable`, and always on Windows, names are refused
        that Windows cannot have or takes for something else, such as `aux.c`, `a:b` and `x.`.

        Raises `ManifestUnknownError`, `PlatformUnknownError`, `DocumentError` if the manifest is not an image manifest,
        has no files or an unsafe title, before anything is written, `ProtocolError` for a packed directory with an
        unsafe name, `VerificationError` and `StorageError`.
        """
        from pathlib import Path

        check_path(directory, "directory")
        flags(portable=portable)
        return await self._artifacts().pull(
            as_reference(reference), Path(directory), platform_of(platform), portable=portable
        )

    async def referrers_tree(
        self,
        reference: AnyReference,
        *,
        platform: PlatformLike | None = None,
        artifact_type: str | None = None,
        annotations: Mapping[str, str | None] | None = None,
        depth: int = 32,
    ) -> ReferrerTree:
        """Return the referrers of a manifest, their referrers, and so on, `depth` levels deep (1 to 32).

        Every referrer is pulled. One that is listed but does not exist, or has another subject, is left out with a
        warning. `platform` is as for `resolve`. With `artifact_type` or `annotations` (None stands for any value), only
        branches that lead to matching referrers are returned.

        Raises `ManifestUnknownError` if there is no such manifest, `PlatformUnknownError`, `LimitExceededError` for
        more than 10,000 referrers, and `UnsupportedError` for a target that does not list referrers.
        """
        from lading._core.artifacts.push_pull import resolve_subject
        from lading._core.graph.predecessors import Predecessors, ReferrerFilter
        from lading._core.graph.tolerant_reader import TolerantReader
        from lading._core.transfer.concurrency import wide

        expect(artifact_type, (str, NoneType), "artifact_type")
        mapping({} if annotations is None else annotations, "annotations", (str, NoneType))
        integer(depth, "depth", least=1, most=32)
        whole, wanted = as_reference(reference), platform_of(platform)
        async with self._resolver().readable(whole, wanted) as place:
            reader = TolerantReader(place, self._settings.emit)
            predecessors = Predecessors(self._io, place, reader, limit=wide(self._concurrency, place))
            root = await resolve_subject(self._io, place, whole, wanted, self._settings.emit)
            return await predecessors.tree(root, ReferrerFilter(artifact_type, annotations), depth)

    async def evidence(self, reference: AnyReference, *, platform: PlatformLike | None = None) -> tuple[Evidence, ...]:
        """Find the SBOMs, provenance, signatures and attestations of a manifest, in all places where tools put them.

        Those are its referrers, the tags that cosign derives from its digest, and the index that the manifest is an
        entry of (BuildKit). Of an index, evidence of all its entries is included, or with `platform` that of the best
        match alone, as for `resolve`. Evidence is found, not checked: no signature is verified.

        Raises as `referrers_tree` does. What cannot be read is left out with a warning.
        """
        from lading._core.copying.references import selector_of
        from lading._core.graph.evidence import Search

        whole, wanted = as_reference(reference), platform_of(platform)
        async with self._resolver().readable(whole, wanted) as place:
            search = Search(self._io, place, self._settings.emit, concurrency=self._concurrency)
            return await search.run(selector_of(whole), wanted)

    async def copy(
        self,
        source: AnyReference,
        destination: AnyReference,
        *,
        platforms: PlatformLike | Iterable[PlatformLike] = (),
        index: IndexForm | None = None,
        referrers: bool = False,
        depth: int = 8,
        digest_tags: bool = False,
        dry_run: bool = False,
    ) -> Copied:
        """Copy a manifest with everything that it names, byte for byte, between any two targets.

        A target is a repository, an image layout (`oci:DIR:TAG`), an archive, which is replaced unless that loses an
        image (`oci-archive:FILE:TAG`, `docker-archive:FILE:NAME`), or one of your own (`TargetReference`). Content that
        the destination has is skipped. Between repositories of one registry, blobs are mounted. Other content is
        streamed, `concurrency` blobs at once. Tags are moved last.

        `platforms` selects what is copied of an index: for one platform the image itself, for several a new index with
        only their entries and BuildKit's attestations about them. A single image must be for all of them. `index` has
        an index pushed for one platform too: a new one (`"rewritten"`), or the old one unchanged (`"sparse"`), which
        most registries refuse, because entries are missing.

        `referrers` copies the referrers of the copied manifests too, up to `depth` levels, and `digest_tags`
        what cosign keeps under tags such as `sha256-….sig`. With `dry_run`, nothing is written, and the result has the
        steps that a copy would take.

        Raises `PlatformUnknownError` before anything is written if there is nothing for one of the platforms; otherwise
        the error of the side that fails, whose `side` and `digest` say where and at which content.
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
        source: AnyReference,
        destination: AnyReference,
        pattern: str = "*",
        *,
        platforms: PlatformLike | Iterable[PlatformLike] = (),
        index: IndexForm | None = None,
        referrers: bool = False,
        depth: int = 8,
        digest_tags: bool = False,
        dry_run: bool = False,
        fail_fast: bool = False,
        on_result: Callable[[str, Copied | LadingError], object] | None = None,
    ) -> dict[str, Copied | LadingError]:
        """Copy the manifests of all tags, or of those that match a pattern such as `v1.*`, under the same tags.

        To a registry, several tags are copied at a time; with `fail_fast`, and to other targets, one after another.

        Both references have neither tag nor digest. Everything else is as for `copy`.

        Returns the result of each tag, in the order in which they are listed: a tag that cannot be copied has its
        error, and the others are copied. With `fail_fast`, that error is the last result, and no further tag is tried.
        A tag that is removed during the copy is left out, with a `Warned` event. `on_result`, a plain function, is
        called with each tag and its result as soon as the tag and all before it are copied, once at a time.

        An archive is written when all tags are in it, and then `on_result` is called; if one of them fails, its error
        is raised, and an existing archive stays as it is.

        Raises `NotFoundError` if no tag matches, and `UnsupportedError` for a target that does not list its tags.
        """
        expect(pattern, str, "pattern")
        flags(fail_fast=fail_fast)
        if on_result is not None:
            plain_function(on_result, "on_result")
        options = _copy_options(
            platforms,
            index=index,
            referrers=referrers,
            depth=depth,
            digest_tags=digest_tags,
            dry_run=dry_run,
        )
        return await self._copies().copy_tags(
            without_name(source),
            without_name(destination),
            pattern,
            options,
            fail_fast=fail_fast,
            on_result=on_result,
        )

    async def verify(self, reference: AnyReference, *, shallow: bool = False, limits: Limits | None = None) -> Verified:
        """Read a manifest and everything that it names, and compare all of it with its digests and sizes.

        The layers of images are also expanded, and compared with the digests in their configs (image-spec, config.md,
        Layer DiffID), unless the verification is `shallow`. `limits` bound what each layer may expand to.

        Missing and damaged content is in the result, and raises nothing. Raises `ManifestUnknownError` if there is no
        such manifest, and `TransportError` and `RegistryError` if the registry does not respond or refuses.
        """
        from lading._core.copying.references import selector_of
        from lading._core.graph.verify import Verification
        from lading._core.tar.decompression import Limits

        flags(shallow=shallow)
        expect(limits, (Limits, NoneType), "limits", "write Limits(…)")
        whole = as_reference(reference)
        async with self._resolver().readable(whole) as place:
            verification = Verification(
                self._io,
                self._settings,
                place,
                shallow=shallow,
                limits=limits or Limits(),
                concurrency=self._concurrency,
            )
            return await verification.verify(selector_of(whole))

    def _artifacts(self) -> Artifacts:
        from lading._core.artifacts.push_pull import Artifacts

        return Artifacts(self._resolver(), self._settings, concurrency=self._concurrency)


def _check_artifact(artifact: object) -> None:
    from lading._core.artifacts.artifact import Artifact

    expect(artifact, Artifact, "artifact", "make one with Artifact.pack(type, files)")


def _copy_options(
    platforms: PlatformLike | Iterable[PlatformLike],
    *,
    index: IndexForm | None,
    referrers: bool,
    depth: int,
    digest_tags: bool,
    dry_run: bool,
) -> CopyOptions:
    from lading._core.copying.plan import CopyOptions

    wanted = platforms_of(platforms)
    if index is not None:
        choice(index, "index", ("sparse", "rewritten"))
        if not wanted:
            raise ValueError(f"index={index!r} needs platforms, which choose the entries")
    integer(depth, "depth", least=1)
    flags(referrers=referrers, digest_tags=digest_tags, dry_run=dry_run)
    return CopyOptions(
        platforms=wanted,
        index=index,
        referrers=referrers,
        depth=depth,
        digest_tags=digest_tags,
        dry_run=dry_run,
    )
