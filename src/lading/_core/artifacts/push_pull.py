"""Push, pull and attachment of artifacts, between the disk and any target."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from lading._core.artifacts.artifact import Artifact, Part, Pulled
from lading._core.artifacts.helm_charts import chart_titles, is_chart
from lading._core.artifacts.layer_blobs import EMPTY, ArtifactLayer, config_of, layer_of, manifest_of
from lading._core.copying.references import name_of, selector_of
from lading._core.exchange.settings import Settings
from lading._core.tar.file_titles import safe_title
from lading._core.tar.member_names import name_key
from lading._core.targets.resolver import TargetResolver
from lading._core.transfer.async_target import Readable, Writable
from lading._core.transfer.concurrency import move_all
from lading._core.transfer.configs import pull_config
from lading._core.transfer.platform_choice import PlatformChooser
from lading._core.transfer.push import progress_events
from lading._core.transfer.sinks import PlacedFileSink, Sink, UnpackingSink
from lading._core.transfer.stored_blob import SourceBlob
from lading._io import system
from lading._io.atomic_files import make_directory
from lading._io.base import IO
from lading.annotations import TITLE, UNPACK, UNPACKED_DIGEST
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import ImageManifest, Manifest
from lading.errors import DigestMismatchError, DocumentError, InvalidReferenceError
from lading.events import Event, Progress, Skipped
from lading.platform import Platform
from lading.reference import LocalReference
from lading.target import ParsedReference

_DOCKER_ARCHIVE = "docker-archive"


class Artifacts:
    """Moves artifacts for a client, `concurrency` blobs at a time."""

    def __init__(self, resolver: TargetResolver, settings: Settings, *, concurrency: int) -> None:
        self._resolver = resolver
        self._io = resolver.io
        self._settings = settings
        self._concurrency = concurrency

    async def push(self, reference: ParsedReference, artifact: Artifact) -> Descriptor:
        """Push an artifact under the tag of a reference, or by its digest alone."""
        if isinstance(reference, LocalReference) and reference.transport == _DOCKER_ARCHIVE:
            raise InvalidReferenceError(f"{reference}: a docker-archive holds images, not artifacts", position=0)
        tag = name_of(reference)
        async with self._resolver.writable(reference, dry_run=False) as place:
            return await self._push(place, artifact, [] if tag is None else [tag], expected=reference.digest)

    async def attach(self, reference: ParsedReference, artifact: Artifact, platform: Platform | None) -> Descriptor:
        """Push an artifact whose subject is the manifest of a reference, next to that manifest."""
        if isinstance(reference, LocalReference) and reference.transport != "oci":
            raise InvalidReferenceError(f"{reference}: cannot add to an archive: copy it to oci:DIR", position=0)
        if artifact.subject is not None:
            raise DocumentError(
                f"the artifact already has the subject {artifact.subject.digest}: push it, or attach one without"
            )
        async with (
            self._resolver.readable(reference, platform) as source,
            self._resolver.writable(reference, dry_run=False) as place,
        ):
            # From the content: what header fields say of a manifest must not be written into another for good.
            found = (await _pull(self._io, source, selector_of(reference), platform, self._settings.emit)).descriptor
            subject = Descriptor(found.media_type, found.digest, found.size)
            return await self._push(place, replace(artifact, subject=subject), [], expected=None)

    async def pull(
        self, reference: ParsedReference, directory: Path, platform: Platform | None, *, portable: bool
    ) -> Pulled:
        """Pull the titled layers of an artifact into a directory; with `portable`, only names that Windows can have."""
        portable = portable or not system.HAS_FREE_NAMES
        async with self._resolver.readable(reference, platform) as place:
            pulled = await _pull(self._io, place, selector_of(reference), platform, self._settings.emit)
            manifest = pulled.expect(ImageManifest)
            titles = await self._default_titles(place, manifest.document)
            titled = _titled(manifest.document, f"{reference}", place.name, titles, portable=portable)
            await self._io.call(make_directory, directory, 0o777)

            async def receive_file(entry: tuple[str, Descriptor]) -> Path:
                title, layer = entry
                sink: Callable[[Digest], Sink] = partial(PlacedFileSink, directory, title)
                if _is_packed(layer):
                    sink = partial(
                        UnpackingSink,
                        directory,
                        title,
                        layer.annotations.get(UNPACKED_DIGEST),
                        portable=portable,
                        advice=f"to get the archive itself: {_blob_pull(place.name, layer)}",
                    )
                await self._receive(place, layer, sink, title)
                return directory / title

            paths = await move_all(
                self._io,
                receive_file,
                titled.items(),
                lambda entry: entry[1].size,
                place,
                concurrency=self._concurrency,
            )
        return Pulled(manifest, tuple(paths))

    async def _default_titles(self, place: Readable, manifest: ImageManifest) -> Mapping[str, str]:
        """Return the titles of layers without one, by their media types."""
        if not is_chart(manifest) or all(TITLE in layer.annotations for layer in manifest.layers):
            return {}
        return chart_titles(await pull_config(self._io, place, manifest.config))

    async def _push(
        self, place: Writable, artifact: Artifact, tags: Sequence[str], *, expected: Digest | None
    ) -> Descriptor:
        with ExitStack() as spools:

            async def prepare(part: Part) -> ArtifactLayer:
                return await self._io.call(layer_of, part, spools)

            async def push(layer: ArtifactLayer) -> None:
                await self._push_blob(place, layer)

            layers = await self._io.map(prepare, artifact.files or (EMPTY,), limit=self._concurrency)
            config = await self._io.call(config_of, artifact, spools)
            manifest = manifest_of(artifact, config, layers)
            if expected is not None and expected != manifest.digest:
                raise DigestMismatchError(
                    f"the manifest of these files is {manifest.digest}, not {expected}: nothing was pushed",
                    expected=expected,
                    actual=manifest.digest,
                )
            once = {layer.descriptor.digest: layer for layer in (config, *layers)}
            await move_all(
                self._io, push, once.values(), lambda layer: layer.descriptor.size, place, concurrency=self._concurrency
            )
        await place.push_manifest(manifest, tags, listed=True)
        return manifest.descriptor

    async def _push_blob(self, place: Writable, layer: ArtifactLayer) -> None:
        title, blob, emit = layer.title, layer.descriptor, self._settings.emit
        if await place.keeps(blob):
            emit(Skipped("push", blob.digest, blob.size, title))
        else:
            await place.push(SourceBlob(blob, layer.content), progress_events(emit, blob, title))

    async def _receive(
        self, place: Readable, layer: Descriptor, make_sink: Callable[[Digest], Sink], title: str
    ) -> None:
        def progress(offset: int, size: int | None) -> None:
            self._settings.emit(Progress("pull", layer.digest, offset, size, title))

        await place.fetch(layer).into(self._io, make_sink, progress)


async def resolve_subject(
    io: IO, place: Readable, reference: ParsedReference, platform: Platform | None, emit: Callable[[Event], object]
) -> Descriptor:
    """Return media type, digest and size of the manifest of a reference, or of its entry for a platform."""
    selector = selector_of(reference)
    if platform is None:
        found = await place.resolve(selector)
    else:
        found = (await _pull(io, place, selector, platform, emit)).descriptor
    return Descriptor(found.media_type, found.digest, found.size)


async def _pull(
    io: IO, place: Readable, selector: str | None, platform: Platform | None, emit: Callable[[Event], object]
) -> Manifest[Any]:
    """Pull a manifest; with a platform, of an index the entry for it, and another manifest only if it is for that."""
    manifest = await place.pull_manifest(selector)
    if platform is None:
        return manifest
    chosen = await PlatformChooser.of(io, place, emit).choose(manifest, platform)
    return await place.pull_manifest(chosen.descriptor) if chosen.path else manifest


def _titled(
    manifest: ImageManifest, reference: str, place: str, default_titles: Mapping[str, str], *, portable: bool
) -> dict[str, Descriptor]:
    """Return the layers with titles, by their titles. Errors name a layer as a blob of `place`."""
    titled: dict[str, Descriptor] = {}
    twins: dict[str, Descriptor] = {}
    for layer in manifest.layers:
        title = layer.annotations.get(TITLE, default_titles.get(layer.media_type))
        if title is None:
            continue
        with _advised(place, layer):
            name = str(safe_title(title, is_directory=_is_packed(layer), portable=portable))
            if twins.setdefault(name_key(name), layer).digest != layer.digest:
                raise DocumentError(
                    f"{reference} has two different files with the title {title!r}: nothing was written"
                )
        titled[name] = layer
    directories = {name_key(str(parent)) for name in titled for parent in PurePosixPath(name).parents}
    for name, layer in titled.items():
        if name_key(name) in directories and not _is_packed(layer):
            with _advised(place, layer):
                raise DocumentError(f"{reference} has {name!r} as a file and as a directory: nothing was written")
    if not titled:
        error = DocumentError(f"{reference} has no files: none of its layers has a title")
        error.add_note("for a container image, use `lading export` (export_directory) or `lading copy` (copy)")
        raise error
    return titled


@contextmanager
def _advised(place: str, layer: Descriptor) -> Generator[None]:
    """Tell in errors about a title how to do without it."""
    try:
        yield
    except DocumentError as error:
        error.add_note(f"to write it under another name: {_blob_pull(place, layer)}")
        raise


def _blob_pull(place: str, layer: Descriptor) -> str:
    return f"lading blob pull {place}@{layer.digest} -o FILE"


def _is_packed(layer: Descriptor) -> bool:
    return layer.annotations.get(UNPACK) == "true"
