"""Tolerant manifest reader: skips missing or invalid manifests with a warning."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from lading._core.graph.graph import MOST_BYTES
from lading._core.transfer.async_target import Readable
from lading.descriptor import Descriptor
from lading.documents import Manifest
from lading.errors import DocumentError, LimitExceededError, NotFoundError, VerificationError
from lading.events import Event, Warned

_USELESS = (DocumentError, LimitExceededError, NotFoundError, VerificationError)


class TolerantReader:
    """Reader of the manifests of one target, at most 256 MiB of them.

    A copy passes its own `pull`, whose errors have a side: these are raised, and not skipped.
    """

    def __init__(
        self,
        place: Readable,
        emit: Callable[[Event], None],
        pull: Callable[[Descriptor], Awaitable[Manifest[Any]]] | None = None,
    ) -> None:
        self._place = place
        self._emit = emit
        self._pull = pull or place.pull_manifest
        self._bytes = 0

    async def pull(self, descriptor: Descriptor, role: str = "") -> Manifest[Any] | None:
        """Return a verified manifest with a valid document, None if it is missing or invalid.

        `role` describes the manifest in a warning. Raises `LimitExceededError` for too many bytes.
        """
        try:
            manifest = await self._pull(descriptor)
            _ = manifest.document  # raises DocumentError if it is invalid for its media type
        except _USELESS as error:
            if error.side is not None:
                raise
            self.skip(descriptor, role, str(error))
            return None
        self._bytes += len(manifest.raw)
        if self._bytes > MOST_BYTES:
            raise LimitExceededError(f"the manifests of {self._place.name} have more than {MOST_BYTES} bytes together")
        return manifest

    def skip(self, descriptor: Descriptor, role: str, why: str) -> None:
        """Emit a warning that a manifest is skipped."""
        self._emit(Warned(self._place.name, f"skipped {descriptor.digest}{role}: {why}"))
