"""The client: registries and repositories by name, and the verbs that take whole references."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from lading._core.budgets import Budgets
from lading._core.exchange import Exchange
from lading._core.gate import Gate
from lading._core.network import origin_of, sockets
from lading._core.recording import RecordedExchange
from lading._core.registry import AsyncRegistry
from lading._core.repository import AsyncRepository
from lading._core.retry import Retries
from lading._core.settings import Settings
from lading._io.base import IO, Transport
from lading._io.bulk import one_at_a_time
from lading._wire.messages import Headers, Origin
from lading.errors import InvalidReferenceError
from lading.events import Event, EventHandler
from lading.reference import LOCAL_TRANSPORTS, LocalReference, Reference, RegistryName, parse

if TYPE_CHECKING:
    from lading._core.artifact import Artifact, Pulled
    from lading._core.artifact_places import Artifacts
    from lading._core.copying.plan import Copied, CopyOptions, IndexForm
    from lading._core.copying.references import Copies
    from lading._core.evidence import Evidence
    from lading._core.expansion import Limits
    from lading._core.images.changes import FileChange
    from lading._core.images.difference import ImageDiff
    from lading._core.images.export import Exported
    from lading._core.images.exports import Exports
    from lading._core.images.files import FileEntry
    from lading._core.images.images import AsyncImages
    from lading._core.images.indexes import AsyncIndexes
    from lading._core.images.inspection import Inspection
    from lading._core.predecessors import ReferrerTree
    from lading._core.targets_by_reference import Places
    from lading._core.verifying import Verified
    from lading.auth.credentials import Credential, CredentialSource
    from lading.descriptor import Descriptor
    from lading.platform import Platform

# Packing, credentials and event loops are imported where they are first needed: a short command does without them, and
# would take twice as long with them.


class AsyncClient:
    """A client of registries. Close it, or use it as a context manager.

    A registry on loopback is spoken to over plain HTTP, every other one over HTTPS, unless its name is in `plain_http`
    or a scheme in front of a reference says otherwise. Certificates are checked against the system's, or those in
    `ca_file` (PEM) if given; for the registries in `insecure` they are not checked. `client_certificates` gives a
    registry a PEM file, or a pair of files for certificate and key, to be shown to that registry alone.

    `credentials` are pairs of user name and password, or `Credential`s, by registry (`ghcr.io`) or namespace
    (`ghcr.io/acme`), or any source of such; without them, those that docker, podman and their helpers keep are used.

    `headers` are sent to every registry, but never to another host that a registry names. `timeout` is how many seconds
    may pass without a byte. `concurrency` is how many blobs move at once. `on_event` is told what happens
    (`lading.events`). `budgets`, `gate` and `retries` bound what a server can make the client take, do and repeat.
    `transport` replaces sockets, in tests for instance; it is closed with the client. On Pyodide `fetch` replaces them,
    which has certificates of its own.

    `state` is a directory for what a later process needs to go on with an upload that was broken off. By default that
    is `lading` in `$XDG_STATE_HOME` or `~/.local/state`; with False, nothing is noted, and nothing found.

    One client serves any number of threads (blocking face) or tasks of one event loop (async face).
    """

    def __init__(
        self,
        *,
        plain_http: Iterable[str] = (),
        insecure: Iterable[str] = (),
        ca_file: str | os.PathLike[str] | None = None,
        client_certificates: Mapping[str, str | tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        concurrency: int = 4,
        credentials: CredentialSource | Mapping[str, Credential | tuple[str, str]] | None = None,
        budgets: Budgets | None = None,
        gate: Gate | None = None,
        retries: Retries | None = None,
        on_event: EventHandler | None = None,
        state: str | os.PathLike[str] | bool = True,
        transport: Transport | None = None,
        _io: IO | None = None,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency must be 1 or more, not {concurrency}")
        self._plain_http = frozenset(RegistryName.parse(name).name for name in plain_http)
        self._concurrency = concurrency
        self._settings = Settings(
            emit=one_at_a_time(on_event) if on_event else _ignore,
            credentials=lambda: _source(credentials),
            headers=Headers((headers or {}).items()),
            budgets=budgets or Budgets(),
            gate=gate or Gate(),
            retries=retries or Retries(),
            state=state,
        )
        self._io = _io or _async_io()
        self._exchanges: dict[Origin, Exchange] = {}
        self._transport = transport or sockets(insecure, ca_file, client_certificates or {}, timeout)

    def registry(self, name: str) -> AsyncRegistry:
        """Return a registry by its name: `[http://|https://]host[:port]`. Raises `InvalidReferenceError`."""
        registry = RegistryName.parse(name)
        return AsyncRegistry(self._exchange(registry))

    def repository(self, name: str) -> AsyncRepository:
        """Return a repository by its name, spelled as in a reference without tag and digest.

        Raises `InvalidReferenceError`.
        """
        reference = Reference.parse_repository(name)
        return AsyncRepository(self._exchange_of(reference), reference.registry, reference.repository)

    async def push(self, reference: str | Reference | LocalReference, artifact: Artifact) -> Descriptor:
        """Push an artifact under a reference's tag, or by its digest alone; return the descriptor of its manifest.

        The place is a repository, an image layout (`oci:DIR:TAG`), or an archive that is written anew
        (`oci-archive:FILE:TAG`). Blobs that are there are not sent again; the manifest goes last, when all that it
        names is there. Raises `StorageError` for files that cannot be read, `DigestMismatchError` if the digest is not
        that of the artifact, and `RegistryError` for what the registry refuses.
        """
        return await self._artifacts().push(_whole(reference), artifact)

    async def attach(
        self,
        reference: str | Reference | LocalReference,
        artifact: Artifact,
        *,
        platform: Platform | str | None = None,
    ) -> Descriptor:
        """Push an artifact that is about a manifest, its subject, and return the descriptor of its own manifest.

        It goes to the same repository or image layout, without a tag: `referrers.list` finds it. Of an index, with
        `platform`, the subject is the best match for that platform; without, the index itself. Where the registry has
        no referrers API, the list that clients keep under a tag is brought up to date.

        Raises as `push` does, `NotFoundError` if there is no subject, and `DocumentError` if the artifact has another.
        """
        return await self._artifacts().attach(_whole(reference), artifact, platform)

    async def pull(
        self,
        reference: str | Reference | LocalReference,
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

        return await self._artifacts().pull(_whole(reference), Path(directory), platform)

    async def referrers_tree(
        self,
        reference: str | Reference | LocalReference,
        *,
        platform: Platform | str | None = None,
        artifact_type: str | None = None,
        annotations: Mapping[str, str | None] | None = None,
        depth: int = 32,
    ) -> ReferrerTree:
        """Find what refers to a manifest, what refers to that, and so on, `depth` levels deep (1 to 32).

        Every referrer is pulled: one that is listed and names another subject, or is not there, is passed over with a
        warning. With a type or annotations (None stands for any value), only branches that lead to such are given.

        Raises `NotFoundError` if there is no such manifest, and `LimitExceededError` for more than 10,000 referrers.
        """
        from lading._core.artifact_places import resolve_subject
        from lading._core.leniency import LenientReader
        from lading._core.predecessors import Predecessors, Wanted

        async with self._places().readable(whole := _whole(reference)) as place:
            reader = LenientReader(place, self._settings.emit)
            predecessors = Predecessors(self._io, place, reader, concurrency=self._concurrency)
            root = await resolve_subject(place, whole, platform)
            return await predecessors.tree(root, Wanted(artifact_type, annotations), depth)

    async def evidence(
        self, reference: str | Reference | LocalReference, *, platform: Platform | str | None = None
    ) -> tuple[Evidence, ...]:
        """Find SBOMs, provenance, signatures and attestations of a manifest, wherever they are kept.

        That is among its referrers, under the tags that cosign makes of its digest, and, as BuildKit has it, in the
        index that it is an entry of. Of an index, the evidence of all its entries is found as well, or with `platform`
        that of the best match alone. It is found, not checked: nothing here verifies a signature.

        Raises as `referrers_tree` does. What cannot be read is passed over with a warning.
        """
        from lading._core.copying.references import selector_of
        from lading._core.evidence import Search

        async with self._places().readable(whole := _whole(reference)) as place:
            search = Search(self._io, place, self._settings.emit, concurrency=self._concurrency)
            return await search.run(selector_of(whole), platform)

    async def copy(
        self,
        source: str | Reference | LocalReference,
        destination: str | Reference | LocalReference,
        *,
        platforms: Iterable[Platform | str] = (),
        index: IndexForm = "sparse",
        referrers: bool = False,
        depth: int = 8,
        digest_tags: bool = False,
        dry_run: bool = False,
    ) -> Copied:
        """Copy a manifest with everything that it names, byte for byte, between any two places.

        A place is a repository, an image layout (`oci:DIR:TAG`) or an archive (`oci-archive:FILE:TAG`,
        `docker-archive:FILE:NAME`), which is written anew. What the destination has is not moved; between repositories
        of one registry blobs are mounted; everything else is streamed, `concurrency` blobs at once. Tags move last.

        `platforms` are those wanted of an index. The index is then pushed as it is (`"sparse"`), which registries may
        refuse as not all of its entries are there, or as a new one with these entries only (`"rewritten"`), whose
        digest is another one. Attestations of BuildKit go with their images.

        `referrers` takes along what has one of these manifests as its subject, and what refers to that, up to `depth`
        levels; `digest_tags` what cosign keeps under tags such as `sha256-….sig`. With `dry_run` nothing is written,
        and the steps are those that would be done.

        Raises `CopyError`, with the error of the side that failed as its cause.
        """
        options = _copy_options(
            platforms,
            index=index,
            referrers=referrers,
            depth=depth,
            digest_tags=digest_tags,
            dry_run=dry_run,
        )
        return await self._copies().copy(_whole(source), _whole(destination), options)

    async def copy_tags(
        self,
        source: str | Reference | LocalReference,
        destination: str | Reference | LocalReference,
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
        all tags are in it.
        """
        options = _copy_options(
            platforms,
            index=index,
            referrers=referrers,
            depth=depth,
            digest_tags=digest_tags,
            dry_run=dry_run,
        )
        return await self._copies().copy_tags(_place(source), _place(destination), pattern, options)

    async def verify(self, reference: str | Reference | LocalReference) -> Verified:
        """Read a manifest and everything that it names, in any place, and compare it with digests and sizes.

        What is missing or damaged is in the result, and raises nothing. Raises `NotFoundError` if there is no such
        manifest, and `TransportError` and `RegistryError` if the registry does not answer or refuses.
        """
        from lading._core.copying.references import selector_of
        from lading._core.verifying import Verification

        whole = _whole(reference)
        async with self._places().readable(whole) as place:
            verification = Verification(self._io, self._settings, place, concurrency=self._concurrency)
            return await verification.verify(selector_of(whole))

    async def inspect(
        self,
        reference: str | Reference | LocalReference,
        *,
        platform: Platform | str | None = None,
        referrers: bool = True,
        details: int = 32,
    ) -> Inspection:
        """Say what a manifest is and what it names, in any place. No layer is read.

        Of an index, `platform` goes on to the manifest for it. Else its manifests are pulled as well, for their sizes
        and for the layers that they share: `details` of them, images first, and 64 MiB at most. `referrers` lists what
        refers to the manifest, 1,000 at most.

        What else cannot be read is in the result, and raises nothing. Raises `NotFoundError` if there is no such
        manifest, `DocumentError` if it is invalid or not for that platform, and `VerificationError`.
        """
        from lading._core.copying.references import selector_of
        from lading._core.images.inspecting import Inspecting

        whole = _whole(reference)
        async with self._places().readable(whole) as place:
            inspecting = Inspecting(self._io, place, details=details, concurrency=self._concurrency)
            return await inspecting.inspect(selector_of(whole), platform=_platform(platform), referrers=referrers)

    async def diff(
        self,
        old: str | Reference | LocalReference,
        new: str | Reference | LocalReference,
        *,
        platform: Platform | str | None = None,
    ) -> ImageDiff:
        """Compare two container images, in any two places. No layer is read.

        Of an index, the image for `platform` is compared; without one its only image, or that for this machine.

        Raises `NotFoundError`, `VerificationError`, and `DocumentError` for what is no container image or an index
        without one that fits.
        """
        from lading._core.copying.references import selector_of
        from lading._core.images.difference import difference
        from lading._core.images.image import load_image

        async with self._places().readable(_whole(old)) as one, self._places().readable(_whole(new)) as other:
            return difference(
                await load_image(self._io, one, selector_of(_whole(old)), platform=_platform(platform)),
                await load_image(self._io, other, selector_of(_whole(new)), platform=_platform(platform)),
            )

    async def diff_files(
        self,
        old: str | Reference | LocalReference,
        new: str | Reference | LocalReference,
        *,
        platform: Platform | str | None = None,
        limits: Limits | None = None,
    ) -> tuple[FileChange, ...]:
        """Compare the files of two container images, as containers see them, and return what differs, sorted by path.

        Layers that both have are read once; of images that have the same layers none is. Platform, limits (for both
        together) and errors are as for `files`.
        """
        return await self._exports(old, platform, limits).changes_to(self._exports(new, platform, limits))

    async def files(
        self,
        reference: str | Reference | LocalReference,
        path: str = "/",
        *,
        platform: Platform | str | None = None,
        limits: Limits | None = None,
    ) -> tuple[FileEntry, ...]:
        """List what a container image has at a path and below it, as a container sees it, in the order of the paths.

        All layers are read and verified. Of an index, `platform` chooses the image; without one it is the only image,
        or that for this machine. `limits` bound what the image may cost: 500,000 members in all of its layers, if not
        given.

        Raises `NotFoundError`, also for a path that the image does not have, `VerificationError`, `DocumentError` for
        what is no container image, `ProtocolError` for a damaged or hostile layer, and `LimitExceededError`.
        """
        return await self._exports(reference, platform, limits).files(path)

    async def export_tar(
        self,
        reference: str | Reference | LocalReference,
        out: str | os.PathLike[str] | BinaryIO,
        *,
        platform: Platform | str | None = None,
        limits: Limits | None = None,
    ) -> Exported:
        """Write the files of a container image as one tar archive: to a path, or to a file that is open for writing.

        The same image gives the same archive. Nothing is written before all layers are read and verified; a path is
        replaced when the archive is complete. Until then the disk holds, unnamed, what the layers expand to.

        Platform, limits and errors are as for `files`; raises `StorageError` too.
        """
        return await self._exports(reference, platform, limits).tar(out)

    async def export_directory(
        self,
        reference: str | Reference | LocalReference,
        directory: str | os.PathLike[str],
        *,
        platform: Platform | str | None = None,
        privileged: bool = False,
        limits: Limits | None = None,
    ) -> Exported:
        """Write the files of a container image to a directory that is empty or not there yet.

        The directory has its name when it is complete. Symbolic links are made as they are, and never followed. Files
        have the permissions that the image says less the umask. With `privileged`, which only root may ask for, owners,
        set-user-ID bits, capabilities and devices are restored too; without it, devices are left out, of which an event
        tells.

        Platform, limits and errors are as for `files`; raises `StorageError` too.
        """
        return await self._exports(reference, platform, limits).directory(directory, privileged=privileged)

    async def export_file(
        self,
        reference: str | Reference | LocalReference,
        path: str,
        out: str | os.PathLike[str] | BinaryIO,
        *,
        platform: Platform | str | None = None,
        limits: Limits | None = None,
    ) -> Exported:
        """Write one file of a container image: to a path, or to a file that is open for writing.

        Symbolic links are followed inside of the image. Layers are read from the last one down to where the file is,
        and no further if that is certain; nothing is written before they are verified.

        Platform, limits and errors are as for `files`; raises `StorageError` too.
        """
        return await self._exports(reference, platform, limits).file(path, out)

    async def read_file(
        self,
        reference: str | Reference | LocalReference,
        path: str,
        *,
        platform: Platform | str | None = None,
        limits: Limits | None = None,
    ) -> bytes:
        """Return one file of a container image, found as by `export_file`.

        Raises `LimitExceededError` for one of more than `budgets.blob` bytes.
        """
        return await self._exports(reference, platform, limits).content(path, limit=self._settings.budgets.blob)

    @property
    def images(self) -> AsyncImages:
        """Container images, to be loaded, changed and pushed."""
        from lading._core.images.images import AsyncImages

        return AsyncImages(self._places(), self._copies(), self._settings, concurrency=self._concurrency)

    @property
    def indexes(self) -> AsyncIndexes:
        """Indexes, to be made of images and other manifests, and to be changed."""
        from lading._core.images.indexes import AsyncIndexes

        return AsyncIndexes(self._places(), self._copies(), concurrency=self._concurrency)

    def record(self) -> AbstractContextManager[list[RecordedExchange]]:
        """Record what goes over the wire, for the time of a `with` block: a list that grows with each exchange.

        Its entries have the redacted request, and status and header fields of the answer as they came.
        """
        return self._settings.recorder.record()

    async def close(self) -> None:
        """Close every connection and give back the threads."""
        self._transport.close()
        self._io.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _artifacts(self) -> Artifacts:
        from lading._core.artifact_places import Artifacts

        return Artifacts(self._places(), self._settings, concurrency=self._concurrency)

    def _copies(self) -> Copies:
        from lading._core.copying.references import Copies

        return Copies(self._places(), self._settings, concurrency=self._concurrency)

    def _exports(
        self, reference: str | Reference | LocalReference, platform: Platform | str | None, limits: Limits | None
    ) -> Exports:
        from lading._core.images.exports import Exports

        return Exports(
            self._places(),
            self._settings,
            _whole(reference),
            platform=platform,
            limits=limits,
            concurrency=self._concurrency,
        )

    def _places(self) -> Places:
        from lading._core.targets_by_reference import Places

        return Places(self._io, self._exchange_of)

    def _exchange_of(self, reference: Reference) -> Exchange:
        return self._exchange(RegistryName(reference.registry, reference.scheme))

    def _exchange(self, registry: RegistryName) -> Exchange:
        origin = origin_of(registry, self._plain_http)
        # Two threads may make one each; the one that stays is the one that both go on with.
        made = Exchange(self._io, self._transport, registry.name, origin, self._settings)
        return self._exchanges.setdefault(origin, made)


def _async_io() -> IO:
    if sys.platform == "emscripten":
        from lading._io.browser import BrowserIO

        return BrowserIO()
    from lading._io.loops import AsyncIO

    return AsyncIO()


def _source(
    credentials: CredentialSource | Mapping[str, Credential | tuple[str, str]] | None,
) -> CredentialSource:
    if credentials is None:
        from lading.auth.docker_config import kept

        return kept()
    from lading.auth.credentials import Explicit

    return Explicit(credentials) if isinstance(credentials, Mapping) else credentials


def _whole(reference: str | Reference | LocalReference) -> Reference | LocalReference:
    return parse(reference) if isinstance(reference, str) else reference


def _platform(platform: Platform | str | None) -> Platform | None:
    from lading.platform import Platform

    return Platform.parse(platform) if isinstance(platform, str) else platform


def _place(reference: str | Reference | LocalReference) -> Reference | LocalReference:
    """Read a reference that names neither tag nor digest."""
    if isinstance(reference, str):
        local = reference.partition(":")[0] in LOCAL_TRANSPORTS
        reference = LocalReference.parse(reference) if local else Reference.parse_repository(reference)
    name = reference.name if isinstance(reference, LocalReference) else reference.tag
    if name or reference.digest:
        raise InvalidReferenceError(f"{reference}: a place is meant: leave the name or digest out", position=0)
    return reference


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
    from lading.platform import Platform

    return CopyOptions(
        platforms=tuple(Platform.parse(each) if isinstance(each, str) else each for each in platforms),
        index=index,
        referrers=referrers,
        depth=depth,
        digest_tags=digest_tags,
        dry_run=dry_run,
    )


def _ignore(event: Event) -> None:
    """Nobody listens."""
