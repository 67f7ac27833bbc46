"""Parsing of JSON that may hold secrets: errors give the place, and neither show nor keep any of it."""

from __future__ import annotations

from typing import TypeVar

from lading import strict_json
from lading.errors import AuthError, DocumentError

T = TypeVar("T")


def read(content: bytes, kind: type[T], what: str, refusal: type[AuthError] = AuthError) -> T:
    """Return JSON text as a value of a type that msgspec knows. Raises `refusal`, which calls the text `what`."""
    try:
        return strict_json.typed(strict_json.parse(content, what), kind, what)
    except DocumentError as error:
        fault = str(error)
    # Raised outside of the handler: what the parser raised holds the text, and must not be its context.
    raise refusal(fault)
