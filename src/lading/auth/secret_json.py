"""Parser of JSON that may contain secrets: errors give the position, and neither show nor keep any content."""

from __future__ import annotations

from typing import TypeVar

from lading import strict_json
from lading.errors import AuthError, DocumentError

T = TypeVar("T")


def read(content: bytes, kind: type[T], what: str, refusal: type[AuthError] = AuthError) -> T:
    """Parse JSON into a type that msgspec supports. Raises `refusal`, which calls the content `what`."""
    try:
        return strict_json.typed(strict_json.parse(content, what), kind, what)
    except DocumentError as error:
        fault = str(error)
    # Raised outside of the handler: the parser's error contains the text, and must not be its context.
    raise refusal(fault)
