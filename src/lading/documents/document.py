"""Base class of typed documents, which are views of JSON bytes."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from lading._values import expect

MANIFEST_LIMIT = 8 * 2**20
"""Maximum size in bytes of a manifest that is pulled."""
CONFIG_LIMIT = 4 * 2**20
"""Maximum size in bytes of a config that is pulled."""

T = TypeVar("T")


class Document(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """Base class of typed documents. Derive your own type with `frozen=True` and pass it to `register`.

    Fields have snake case names in Python and camel case names in JSON. Fields that have their default value are left
    out of the JSON.
    """


class UnknownDocument(Document, frozen=True):
    """View of a document whose media type has no registered type: only its bytes can be used."""


def check_kind(kind: object) -> None:
    """Raise `TypeError` for what is not a class of documents."""
    expect(kind, type, "kind", "give a class such as ImageManifest")
    if not (isinstance(kind, type) and issubclass(kind, Document)):
        raise TypeError(f"kind must be a class of documents such as ImageManifest, not {kind!r}")


def written(value: T) -> T:
    """Return a default that is written to the JSON as well (msgspec leaves out plain defaults only)."""
    return msgspec.field(default_factory=lambda: value)
