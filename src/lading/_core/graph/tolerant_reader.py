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
    """Reads manifests of one place, 256 MiB of them at the most.

    `pull` is for a copy, which has its own way to pull them: what fails there has a side, and is not passed over.
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
        """Return a manifest, verified and such that its document can be used; None if there is no such.

        `role` is what a warning says that it was thought to be. Raises `LimitExceededError` for too many bytes.
        """
        try:
            manifest = await self._pull(descriptor)
            _ = manifest.document  # raises if it does not fit its media type
        except _USELESS as error:
            if error.side is not None:
                raise
            self.pass_over(descriptor, role, str(error))
            return None
        self._bytes += len(manifest.raw)
        if self._bytes > MOST_BYTES:
            raise LimitExceededError(f"{self._place.name} has more than {MOST_BYTES} bytes of manifests for this")
        return manifest

    def pass_over(self, descriptor: Descriptor, role: str, why: str) -> None:
        """Tell that a manifest is of no use."""
        self._emit(Warned(self._place.name, f"passed over {descriptor.digest}{role}: {why}"))
