"""Errors of a copy: the side that failed, and the content concerned."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, Protocol, TypeAlias

from lading.descriptor import Descriptor
from lading.errors import CopyError, LadingError

Side: TypeAlias = Literal["source", "destination"]


class NamedTarget(Protocol):
    """A side of a copy."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...


@contextmanager
def failing(doing: str, place: NamedTarget, side: Side, descriptor: Descriptor | None = None) -> Generator[None]:
    """Raise every error of the block as a `CopyError` that says what could not be done, and where.

    The error is its cause, and the advice that it carries goes along.
    """
    try:
        yield
    except CopyError:
        raise
    except LadingError as error:
        raise copy_error(doing, place, error, side, descriptor) from error


def copy_error(
    doing: str, place: NamedTarget, cause: LadingError, side: Side, descriptor: Descriptor | None = None
) -> CopyError:
    """Make the error of a copy."""
    error = CopyError(f"cannot {doing} {place.name}: {cause}", side=side)
    if descriptor is not None:
        error.digest, error.media_type = str(descriptor.digest), descriptor.media_type
    for note in getattr(cause, "__notes__", ()):
        error.add_note(note)
    return error
