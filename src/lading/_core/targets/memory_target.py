"""In-memory target, for tests and for dry runs of copies to an archive."""

from __future__ import annotations

import io
from collections.abc import Iterator

from lading._core.transfer.async_target import read_whole
from lading._text import shortened
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.documents.successors import subject_of
from lading.errors import NotFoundError
from lading.media_types import is_manifest


class MemoryTarget:
    """A target that keeps its content in memory."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self._contents: dict[str, tuple[Descriptor, bytes]] = {}
        self._tags: dict[str, Descriptor] = {}

    def resolve(self, tag_or_digest: str) -> Descriptor:
        return self._tags.get(tag_or_digest) or self._content(tag_or_digest)[0]

    def fetch(self, content: Descriptor) -> Reader:
        return io.BytesIO(self._content(content.digest)[1])

    def exists(self, content: Descriptor) -> bool:
        return content.digest in self._contents

    def push(self, content: Descriptor, stream: Reader) -> None:
        self._contents[content.digest] = content, read_whole(stream, content.size)

    def tag(self, manifest: Descriptor, tag: str) -> None:
        self._tags[tag] = manifest

    def tags(self) -> list[str]:
        return sorted(self._tags)

    def referrers(self, subject: Digest) -> Iterator[Descriptor]:
        for descriptor, raw in tuple(self._contents.values()):
            named = (
                subject_of(Manifest.parse(raw, descriptor.media_type)) if is_manifest(descriptor.media_type) else None
            )
            if named is not None and named.digest == subject:
                yield descriptor

    def _content(self, name: str) -> tuple[Descriptor, bytes]:
        if name not in self._contents:
            raise NotFoundError(f"{self.name} has no {shortened(name)}")
        return self._contents[name]
