"""Grammar of the names of registries, repositories and tags (distribution-spec, Pulling manifests).

A fault is the position at which a string leaves the grammar, and the reason. Every check takes time linear in its
string, and raises an error that names the position and points to it in a note.
"""

from __future__ import annotations

import re
from typing import TypeAlias, TypeVar

from lading import _values
from lading._patterns import lazy_pattern
from lading._text import SHOWN
from lading.errors import InvalidReferenceError, InvalidTagError

# The limit of many clients on HOST[:PORT]/NAME (distribution-spec, Pulling manifests).
LONGEST_NAME = 255
_LONGEST_TAG = 128

# The specification's expression for <name>: runs of letters and digits between separators, of which "/" is one.
_SEPARATORS = r"\.|__?|-+|/"
_SEPARATOR = lazy_pattern(_SEPARATORS, re.ASCII)
_NAME = lazy_pattern(rf"[a-z0-9]+(?:(?:{_SEPARATORS})[a-z0-9]+)*", re.ASCII)
_TAG = lazy_pattern(r"[a-zA-Z0-9_][a-zA-Z0-9._-]*", re.ASCII)
# As in Docker: no underscore, no dot at the end; an IPv6 address stands in brackets.
_HOST = lazy_pattern(r"[A-Za-z0-9]+(?:(?:\.|-+)[A-Za-z0-9]+)*|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_PORT = lazy_pattern(r"[1-9][0-9]{0,4}", re.ASCII)

NameFault: TypeAlias = tuple[int, str]
_InvalidText = TypeVar("_InvalidText", InvalidReferenceError, InvalidTagError)


def check_name(text: str) -> str:
    """Return the name of a repository inside its registry, such as `acme/app`, unchanged.

    Raises `InvalidReferenceError` for a string outside the grammar of `<name>`, or longer than 255 characters.
    """
    _values.expect(text, str, "repository name")
    check(name_fault(text), text, "repository name")
    return text


def check_tag(text: str) -> str:
    """Return a tag unchanged.

    Raises `InvalidTagError` for a string outside the grammar of tags, or longer than 128 characters.
    """
    _values.expect(text, str, "tag")
    fault = tag_fault(text)
    if fault is not None:
        raise _pointing(InvalidTagError, fault, text, "tag")
    return text


def check(fault: NameFault | None, text: str, what: str, *, offset: int = 0) -> None:
    """Raise `InvalidReferenceError` if the part of the string that starts at `offset` has a fault."""
    if fault is not None:
        position, why = fault
        raise invalid_reference(offset + position, why, text, what)


def invalid_reference(position: int, why: str, text: str, what: str) -> InvalidReferenceError:
    """Return the error for a fault at an index of a string."""
    return _pointing(InvalidReferenceError, (position, why), text, what)


def name_fault(name: str) -> NameFault | None:
    """Return the first fault in the name of a repository, or None."""
    if name == "":
        return 0, "a repository name is missing"
    valid = _NAME.match(name)
    position = 0 if valid is None else valid.end()
    if position == len(name):
        return None if position <= LONGEST_NAME else (LONGEST_NAME, f"a name has {LONGEST_NAME} characters at most")
    separator = None if valid is None else _SEPARATOR.match(name, position)
    if separator is not None:
        position = separator.end()
    if position == len(name):
        return position, f"a repository name ends with a letter or a digit, not {name[-1]!r}"
    character = name[position]
    if "A" <= character <= "Z":
        return position, f"a repository name is in lower case, not {character!r}"
    if character in "._-/":
        return position, f"the repository name needs a letter or a digit before {character!r}"
    return position, f"{character!r} cannot stand in a repository name"


def tag_fault(tag: str) -> NameFault | None:
    """Return the first fault in a tag, or None."""
    valid = _TAG.match(tag)
    position = 0 if valid is None else valid.end()
    if 0 < position == len(tag) <= _LONGEST_TAG:
        return None
    if position > _LONGEST_TAG:
        return _LONGEST_TAG, f"a tag has {_LONGEST_TAG} characters at most"
    if tag == "":
        return 0, "a tag is missing"
    if position == 0:
        return 0, f"a tag starts with a letter, a digit or '_', not {tag[0]!r}"
    return position, f"{tag[position]!r} cannot stand in a tag"


def registry_fault(registry: str) -> NameFault | None:
    """Return the first fault in HOST or HOST:PORT, or None."""
    if len(registry) > LONGEST_NAME:
        return LONGEST_NAME, f"a registry has {LONGEST_NAME} characters at most"
    host = _HOST.match(registry)
    if host is None:
        return 0, "a host name is missing" if registry == "" else f"a host name cannot start with {registry[0]!r}"
    if registry.startswith("[") and not _is_ipv6(host[0][1:-1]):
        return 1, "the brackets hold no IPv6 address"
    position = host.end()
    if position == len(registry):
        return None
    if registry[position] != ":":
        return position, f"{registry[position]!r} cannot stand here in a host name"
    return None if is_port(registry[position + 1 :]) else (position + 1, "a port is a number from 1 to 65535")


def is_port(text: str) -> bool:
    """Return whether a string is a port: decimal, from 1 to 65535, without leading zeros."""
    return _PORT.fullmatch(text) is not None and int(text) < 65536


def _is_ipv6(address: str) -> bool:
    from ipaddress import IPv6Address  # few references have one, and the import takes milliseconds

    try:
        IPv6Address(address)
    except ValueError:
        return False
    return True


def _pointing(kind: type[_InvalidText], fault: NameFault, text: str, what: str) -> _InvalidText:
    position, why = fault
    # A window around the fault, so that neither the message nor the note grows with the text.
    start = max(0, min(position - SHOWN // 2, len(text) - SHOWN))
    window = text[start : start + SHOWN]
    before, after = "…" * (start > 0), "…" * (start + SHOWN < len(text))
    where = f"at character {position + 1}" if position < len(text) else "at its end"
    error = kind(f"invalid {what} {f'{before}{window}{after}'!r} {where}: {why}", text=text, position=position)
    caret = " " * len(before + _escaped(text[start:position]))
    error.add_note(f"  {before}{_escaped(window)}{after}\n  {caret}^")
    return error


def _escaped(text: str) -> str:
    """Return a string in printable ASCII, character by character, so that a caret lines up under it."""
    return text.encode("unicode_escape").decode("ascii")
