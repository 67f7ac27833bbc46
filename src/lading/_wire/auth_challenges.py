"""Authentication challenges, parsed (RFC 9110, section 11.6.1).

One field may hold several challenges, and several fields one each; commas separate both challenges and parameters. An
equals sign follows a parameter's name, but not a scheme. Beyond the grammar, unquoted values may have any character but
blanks and commas, and commas between parameters may be missing: both are seen in the wild. Invalid text ends the field;
no error is raised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from lading._patterns import lazy_pattern
from lading._wire.header_fields import QUOTED_STRING, TCHARS, unescaped

_SCHEME = lazy_pattern(rf"[ \t,]*({TCHARS})(?:[ \t]+|(?=,)|\Z)", re.ASCII)
_TOKEN68 = lazy_pattern(r"([A-Za-z0-9\-._~+/]+=*)[ \t]*(?:(?=,)|\Z)", re.ASCII)
# A quote always opens a quoted string: one that is not closed ends the field.
_PARAMETER = lazy_pattern(
    rf"[ \t,]*({TCHARS})[ \t]*=[ \t]*(?:{QUOTED_STRING}|([^\s,\"]*)(?=[\s,]|\Z))", re.ASCII | re.DOTALL
)
_NEEDS_ESCAPE = lazy_pattern(r'["\\]')
_ESCAPED = r"\\\g<0>"


class Challenge(msgspec.Struct, frozen=True):
    """Authentication challenge: a scheme with either parameters or a token68."""

    scheme: str
    """Scheme in lower case."""
    parameters: tuple[tuple[str, str], ...] = ()
    """Names in lower case, and values."""
    token68: str | None = None

    def get(self, name: str) -> str | None:
        """Return the value of a parameter, or None."""
        return next((value for key, value in self.parameters if key == name), None)

    def __str__(self) -> str:
        """Return the challenge as a server sends it."""
        if self.token68 is not None:
            return f"{self.scheme} {self.token68}"
        written = ", ".join(f'{key}="{_NEEDS_ESCAPE.sub(_ESCAPED, value)}"' for key, value in self.parameters)
        return f"{self.scheme} {written}" if written else self.scheme


def challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """Parse the values of all `WWW-Authenticate` fields of a response. The first of repeated parameters counts."""
    parsed: list[Challenge] = []
    for value in values:
        position = 0
        while scheme := _SCHEME.match(value, position):
            challenge, position = _challenge(scheme[1].lower(), value, scheme.end())
            parsed.append(challenge)
    return tuple(parsed)


def _challenge(scheme: str, text: str, position: int) -> tuple[Challenge, int]:
    if token68 := _TOKEN68.match(text, position):
        return Challenge(scheme, (), token68[1]), token68.end()
    parameters: dict[str, str] = {}
    while parameter := _PARAMETER.match(text, position):
        position = parameter.end()
        name, string, bare = parameter.groups()
        parameters.setdefault(name.lower(), unescaped(string) if string is not None else bare)
    return Challenge(scheme, tuple(parameters.items())), position
