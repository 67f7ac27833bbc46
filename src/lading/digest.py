"""Digests of content (image-spec, descriptor.md, Digests)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from lading import _values
from lading._patterns import lazy_pattern
from lading._text import elided, shortened
from lading.errors import InvalidDigestError

if TYPE_CHECKING:
    from hashlib import _Hash

# algorithm ":" encoded, both of any length; `fullmatch` leaves no trailing newline.
_GRAMMAR = lazy_pattern(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):([a-zA-Z0-9=_-]+)", re.ASCII)
_HEX = lazy_pattern(r"[a-f0-9]*", re.ASCII)
# The longest prefix that a digest can start with: an invalid string goes wrong behind it.
_FRONT = lazy_pattern(r"(?:[a-z0-9]+(?:[+._-][a-z0-9]+)*(?::[a-zA-Z0-9=_-]*)?)?", re.ASCII)
# Registered algorithms, with the number of hexadecimal digits of each.
_ENCODED_LENGTH = {"sha256": 64, "sha512": 128, "blake3": 64}
REGISTERED_ALGORITHMS = tuple(_ENCODED_LENGTH)
_COMPUTED = frozenset({"sha256", "sha512"})


class Digest(str):
    """A digest such as `sha256:6c3c…`, valid by construction.

    Digests of unregistered algorithms are valid but cannot be computed: `hasher` raises for them.

    Raises `InvalidDigestError` for a string outside the grammar, or with the wrong encoding for a registered algorithm.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if isinstance(text, cls):
            return text
        try:
            match = _GRAMMAR.fullmatch(text)
        except TypeError:
            _values.expect(text, str, "digest")
            raise
        if match is None:
            raise _invalid(text, _front(text), "not ALGORITHM:ENCODED, such as sha256 and 64 hexadecimal digits")
        algorithm, encoded = match.groups()
        length = _ENCODED_LENGTH.get(algorithm)
        if length is not None and (len(encoded) != length or not _HEX.fullmatch(encoded)):
            position = len(algorithm) + 1 + min(_hexadecimal(encoded), length)
            raise _invalid(text, position, f"{algorithm} needs {length} lower-case hexadecimal digits after the colon")
        return super().__new__(cls, text)

    @classmethod
    def of(cls, content: bytes, algorithm: str = "sha256") -> Self:
        """Compute the digest of content in memory.

        Raises `InvalidDigestError` for an algorithm other than sha256 and sha512.
        """
        _values.expect(content, (bytes, bytearray, memoryview), "content")
        return cls.made(algorithm, hasher(algorithm, content))

    @classmethod
    def made(cls, algorithm: str, finished: _Hash) -> Self:
        """Return the digest that a hash object has computed."""
        return cls(f"{algorithm}:{finished.hexdigest()}")

    @property
    def algorithm(self) -> str:
        """The algorithm, such as `sha256`."""
        return self.partition(":")[0]

    @property
    def encoded(self) -> str:
        """The part after the colon: hexadecimal digits for registered algorithms."""
        return self.partition(":")[2]

    def hasher(self) -> _Hash:
        """Return a new hash object of this digest's algorithm.

        Raises `InvalidDigestError` for an algorithm other than sha256 and sha512.
        """
        return hasher(self.algorithm)

    def __repr__(self) -> str:
        return f"Digest({str(self)!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (str(self),)


def computable(text: str) -> Digest:
    """Return a digest that content can be compared with: only such a one may be asked for.

    Raises `InvalidDigestError`, also for an algorithm other than sha256 and sha512.
    """
    digest = Digest(text)
    check_algorithm(digest.algorithm)
    return digest


def check_algorithm(algorithm: str) -> None:
    """Raise `InvalidDigestError` for an algorithm other than sha256 and sha512."""
    if algorithm not in _COMPUTED:
        raise InvalidDigestError(
            f"digest algorithm {shortened(algorithm)!r} cannot be computed: use sha256 or sha512", text=algorithm
        )


def hasher(algorithm: str, content: bytes = b"") -> _Hash:
    """Return a hash object for a digest algorithm, fed with `content`.

    Raises `InvalidDigestError` for an algorithm other than sha256 and sha512.
    """
    _values.expect(algorithm, str, "algorithm")
    check_algorithm(algorithm)
    import hashlib  # loads OpenSSL: a command that hashes nothing does not wait for it

    return hashlib.new(algorithm, content)


def _front(text: str) -> int:
    front = _FRONT.match(text)
    return 0 if front is None else front.end()


def _hexadecimal(encoded: str) -> int:
    digits = _HEX.match(encoded)
    return 0 if digits is None else digits.end()


def _invalid(text: str, position: int, why: str) -> InvalidDigestError:
    shown = elided(text)
    return InvalidDigestError(f"invalid digest {shown!r}: {why}", text=text, position=position)
