"""Typed documents: views of JSON whose bytes are the truth."""

from __future__ import annotations

from typing import TypeVar

import msgspec

# Most bytes that a pull takes for a manifest, and for a config.
MANIFEST_LIMIT = 8 * 2**20
CONFIG_LIMIT = 4 * 2**20

T = TypeVar("T")


class Document(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """The root of the typed documents; a type of your own derives from it, with `frozen=True`, and is registered.

    Fields have snake case names here and camel case names on the wire. Those with a default are left out of the JSON
    while they have it.
    """


class UnknownDocument(Document, frozen=True):
    """The view of a document whose media type has no type here: nothing but its bytes can be used."""


def written(value: T) -> T:
    """Make the default of a field that is in the JSON even while it has it (msgspec leaves out plain defaults only)."""
    return msgspec.field(default_factory=lambda: value)
