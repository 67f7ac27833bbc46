"""Verification of a whole graph: presence, size and digest of all content (image-spec, descriptor.md, Verification).

Of images, also the digests of the expanded layers, which the config states: container engines refuse a layer that
expands to something else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from io import BytesIO
from typing import Any

from lading._core.exchange.settings import Settings
from lading._core.graph.diff_ids import DiffIds, check_layer
from lading._core.graph.graph import Graph
from lading._core.tar.decompression import Limits
from lading._core.tar.verified_content import VerifiedContent
from lading._core.transfer.async_target import Readable
from lading._core.transfer.concurrency import move_all, wide
from lading._core.transfer.configs import pull_config
from lading._io.base import IO
from lading._result import Result
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.errors import (
    DocumentError,
    InvalidDigestError,
    LadingError,
    LimitExceededError,
    NotFoundError,
    ProtocolError,
    SizeMismatchError,
    StorageError,
    VerificationError,
)
from lading.events import Progress, Warned
from lading.media_types import OCTET_STREAM

_STANDARD = Limits()
_WRONG = (VerificationError, NotFoundError, DocumentError, StorageError)


class Problem(Result, frozen=True):
    """Content that is missing, or does not match its descriptor."""

    descriptor: Descriptor
    """Descriptor of the content."""
    error: LadingError
    """Error that reading the content raised."""


class Verified(Result, frozen=True):
    """Result of a verification."""

    descriptor: Descriptor
    """Descriptor of the verified manifest."""
    checked: int
    """Number of manifests and blobs that were checked."""
    bytes: int
    """Size of the checked content in bytes, by its descriptors."""
    problems: tuple[Problem, ...]
    """Missing or wrong content; empty if everything is right."""
    expanded: int = 0
    """Number of layers whose expanded content has the digest that the configs of their images state."""
    unexpanded: int = 0
    """Number of layers of images that were not compared so.

    They were not to be (`shallow`), have a media type of unknown compression, are not in the target but at URLs, or
    belong to an image whose config is among the problems.
    """

    def __repr__(self) -> str:
        return f"Verified({self.descriptor!r}, {self.checked} checked, {len(self.problems)} problems)"


class Verification:
    """Verification of content in one target. Problems are collected.

    Unless it is `shallow`, the layers of images are expanded, within `limits`, and compared with the diff_ids of their
    configs.
    """

    def __init__(
        self,
        io: IO,
        settings: Settings,
        source: Readable,
        *,
        shallow: bool = False,
        limits: Limits = _STANDARD,
        concurrency: int,
    ) -> None:
        self._io = io
        self._settings = settings
        self._source = source
        self._shallow = shallow
        self._limits = limits
        self._concurrency = concurrency
        self._problems: dict[Digest, Problem] = {}
        self._expanded: set[Digest] = set()

    async def verify(self, name: str | None) -> Verified:
        """Read a manifest and all that it names, and verify digests and sizes.

        Problems of content are collected. Raises errors that prevent reading: the manifest does not exist, or the
        registry does not respond.
        """
        root = await self._source.resolve(name)
        graph = Graph(self._io, self._pull, limit=wide(self._concurrency, self._source))
        await graph.add([root])
        blobs = graph.blobs
        diff_ids = DiffIds(graph.nodes.values(), self._warn)
        configs = {} if self._shallow else {digest: blobs[digest] for digest in diff_ids.configs}
        if configs:
            await self._move(partial(self._read_config, diff_ids), configs)
        await self._move(partial(self._read, diff_ids), {key: blobs[key] for key in blobs if key not in configs})
        contents = {**blobs, **{digest: node.descriptor for digest, node in graph.nodes.items()}}
        self._compare_sizes(graph, contents)
        sizes = sum(descriptor.size for descriptor in contents.values())
        expanded = self._expanded | (diff_ids.same - self._problems.keys())
        return Verified(
            root,
            len(contents),
            sizes,
            tuple(self._problems.values()),
            len(expanded),
            len(diff_ids.layers - expanded - self._problems.keys()),
        )

    async def _move(self, read: Callable[[Descriptor], Awaitable[None]], blobs: Mapping[Digest, Descriptor]) -> None:
        await move_all(
            self._io, read, blobs.values(), lambda blob: blob.size, self._source, concurrency=self._concurrency
        )

    def _compare_sizes(self, graph: Graph, contents: Mapping[Digest, Descriptor]) -> None:
        """Compare the sizes of all descriptors with one digest: the content was read by one of them only."""
        for descriptor in (each for node in graph.nodes.values() for each in (*node.manifests, *node.blobs)):
            digest, actual = descriptor.digest, contents[descriptor.digest].size
            if descriptor.size != actual and digest not in self._problems:
                message = f"{digest} has {actual} bytes, but another descriptor of it says {descriptor.size}"
                error = SizeMismatchError(message, expected=descriptor.size, actual=actual)
                self._problems[digest] = Problem(descriptor, error)

    async def _pull(self, descriptor: Descriptor) -> Manifest[Any]:
        try:
            return await self._source.pull_manifest(descriptor)
        except _WRONG as error:
            self._problems[descriptor.digest] = Problem(descriptor, error)
            # A manifest of an unknown media type has no successors.
            return Manifest[Any](b"", OCTET_STREAM, descriptor.digest)

    async def _read_config(self, diff_ids: DiffIds, config: Descriptor) -> None:
        try:
            diff_ids.add(config, await pull_config(self._io, self._source, config))
        except (*_WRONG, LimitExceededError, InvalidDigestError) as error:
            self._problems[config.digest] = Problem(config, error)

    async def _read(self, diff_ids: DiffIds, blob: Descriptor) -> None:
        expected = diff_ids.expected(blob.digest)
        try:
            if (embedded := blob.embedded) is not None:
                await self._io.call(self._drain, blob, BytesIO(embedded), expected)
            elif not await self._is_elsewhere(blob):
                async with self._source.fetch(blob).open() as stream:
                    await self._io.call(self._drain, blob, stream.reader, expected, cancellation=stream.cancellation)
        except _WRONG as error:
            self._problems[blob.digest] = Problem(blob, error)

    async def _is_elsewhere(self, blob: Descriptor) -> bool:
        """Return whether a blob is missing but has URLs to be downloaded from, so that it need not be present."""
        return bool(blob.urls) and not await self._source.exists(blob)

    def _drain(self, blob: Descriptor, reader: Reader, expected: dict[Digest, Digest]) -> None:
        content = VerifiedContent(reader, blob, partial(self._progress, blob))
        if not expected:
            content.finish()
            return
        try:
            check_layer(content, blob.digest, expected, self._limits)
        except LimitExceededError as error:
            self._problems[blob.digest] = Problem(blob, error)
        except ProtocolError as error:
            content.finish()  # if the digest of the blob is wrong, that is the error to report
            self._problems[blob.digest] = Problem(blob, error)
        else:
            self._expanded.add(blob.digest)

    def _progress(self, blob: Descriptor, seen: int) -> None:
        self._settings.emit(Progress("pull", blob.digest, seen, blob.size))

    def _warn(self, text: str) -> None:
        self._settings.emit(Warned(self._source.name, text))
