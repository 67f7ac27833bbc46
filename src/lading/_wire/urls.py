"""URLs that a server names: parsing, resolution and redaction (RFC 3986).

The gate decides which URLs to follow; here a URL only becomes an origin and a request target, with its path and query
byte for byte as the server wrote them. Any respelling would break a presigned URL, or an upload location with state in
its query.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from lading._patterns import lazy_pattern
from lading._wire.escaping import printable
from lading._wire.messages import Origin
from lading.errors import ForbiddenRedirectError, ProtocolError

_SCHEME = lazy_pattern(r"([A-Za-z][A-Za-z0-9+.\-]*):", re.ASCII)
# Header values arrive as Latin-1, so that each character stands for one byte on the wire.
_NO_BYTE_OF_A_URL = lazy_pattern(r"[\x00-\x1f\x7f]|[^\x00-\xff]", re.ASCII)
_IN_A_URL = bytes(range(0x21, 0x7F))
_URL = lazy_pattern(r"[\x21-\x7e]*", re.ASCII)
# Characters that a value in a query needs no escape for (RFC 3986, sections 2.3 and 3.4).
_PLAIN_VALUE = lazy_pattern(r"[A-Za-z0-9._~/:-]*", re.ASCII)
_AUTHORITY_END = lazy_pattern(r"[/?]", re.ASCII)
_USERINFO = lazy_pattern(r"((?:[A-Za-z0-9+.\-]*:?//)?)[^/?#]*@", re.ASCII)
_NAMED_VALUE = r"([A-Za-z0-9_.\-]+)=[^&\s\"'<>\\]*"
# A semicolon precedes a parameter where a page spells the ampersand `&amp;`.
_PARAMETER = lazy_pattern(rf"(?<=[?&;]){_NAMED_VALUE}", re.ASCII)
# In a header field, a semicolon begins a parameter of the field (RFC 9110, section 5.6.6).
_PARAMETER_IN_FIELD = lazy_pattern(rf"(?<=[?&]){_NAMED_VALUE}", re.ASCII)
# Within a text, from the slashes on; what it may contain ends at the next slash, so that a search takes linear time.
_USERINFO_WITHIN = lazy_pattern(r"(?<=//)[^/?#\s@\"'<>\\]+@", re.ASCII)
# One of them is in every string that has anything to redact.
_MARKS = frozenset("?&;@")
_FIELD_MARKS = frozenset("?&@")
# Query parameters whose values are not secret: those of the endpoint table and of the token protocol.
_SHOWN_VALUES = frozenset({
    "artifactType",
    "digest",
    "digest-algorithm",
    "from",
    "last",
    "mount",
    "n",
    "scope",
    "service",
    "tag",
})  # fmt: skip
_SHOWN_LENGTH = 300


class Query(msgspec.Struct, frozen=True):
    """Parameters of a query, decoded, in order; a name may occur several times."""

    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Query:
        """Parse the text after the question mark as a form: `+` is a space, an invalid escape stands for itself."""
        return cls(tuple(_pair(part) for part in text.split("&") if part))

    def get(self, name: str) -> str | None:
        """Return the first value of a parameter, or None."""
        return next((value for key, value in self.pairs if key == name), None)

    def all(self, name: str) -> tuple[str, ...]:
        """Return all values of a parameter, in order."""
        return tuple(value for key, value in self.pairs if key == name)

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self.pairs)

    def __str__(self) -> str:
        return "&".join(f"{_encoded(key)}={_encoded(value)}" for key, value in self.pairs)


def with_query(target: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Add parameters to a request target; its existing parameters are not respelled."""
    added = str(Query(tuple(pairs)))
    if not added:
        return target
    if "?" not in target:
        return f"{target}?{added}"
    return f"{target}{added}" if target.endswith(("?", "&")) else f"{target}&{added}"


def resolve(origin: Origin, target: str, text: str) -> tuple[Origin, str]:
    """Resolve a `Location` or `Link` against the request of its response (RFC 3986, section 5.2).

    Return the origin and the target of the next request. The fragment is dropped; blanks and bytes that are not allowed
    in a URL are percent-encoded; everything else is kept byte for byte.

    Raises `ForbiddenRedirectError` for user information and for schemes other than http and https, `ProtocolError` for
    an invalid URL.
    """
    if _NO_BYTE_OF_A_URL.search(text):
        raise ProtocolError(f"{origin} named '{printable(redact(text))}', which has a character not allowed in a URL")
    url = text.strip(" ").partition("#")[0]
    if not _URL.fullmatch(url):
        from urllib.parse import quote  # with ipaddress: few short commands see a URL

        url = quote(url, safe=_IN_A_URL, encoding="latin-1")
    scheme = _SCHEME.match(url)
    if scheme is None:
        return _relative(origin, target, url)
    name = scheme[1].lower()
    if name not in {"http", "https"}:
        raise ForbiddenRedirectError(f"{origin} named '{printable(redact(text))}', not http or https: not followed")
    rest = url[scheme.end() :]
    if not rest.startswith("//"):
        raise ProtocolError(f"{origin} named '{printable(redact(text))}', a URL without a host")
    return _absolute(origin, name, rest)


def redact(text: str) -> str:
    """Return a URL for messages and logs, without user information, fragment and possibly secret query values."""
    path, mark, query = _without_userinfo(text.partition("#")[0]).partition("?")
    if mark:
        query = "&".join(_redacted(part) for part in query.split("&"))
    return printable(path, _SHOWN_LENGTH) + mark + printable(query, _SHOWN_LENGTH)


def redact_within(text: str) -> str:
    """Return a string in which user information and the values of possibly secret query parameters are redacted."""
    if _MARKS.isdisjoint(text):  # as most are
        return text
    return _PARAMETER.sub(_redacted_parameter, _USERINFO_WITHIN.sub("REDACTED@", text))


def redact_field(value: str) -> str:
    """Return the value of a header field as `redact_within` returns a string."""
    if _FIELD_MARKS.isdisjoint(value):
        return value
    return _PARAMETER_IN_FIELD.sub(_redacted_parameter, _USERINFO_WITHIN.sub("REDACTED@", value))


def secret_values(target: str) -> Iterator[str]:
    """Yield the values of possibly secret query parameters of a request target, as they were sent and decoded."""
    from urllib.parse import unquote_plus

    query = target.partition("?")[2]
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        if name not in _SHOWN_VALUES:
            yield value
            yield unquote_plus(value)


def _absolute(named_by: Origin, scheme: str, text: str) -> tuple[Origin, str]:
    """Parse `//host[:port][/path][?query]`."""
    end = _AUTHORITY_END.search(text, 2)
    authority = text[2 : end.start()] if end else text[2:]
    if "@" in authority:
        raise ForbiddenRedirectError(f"{named_by} named a URL with user information: not followed")
    try:
        # A colon without a port means the default port of the scheme (RFC 3986, section 6.2.3).
        origin = Origin.of(scheme, authority.removesuffix(":"))
    except ValueError as error:
        raise ProtocolError(f"{named_by} named a URL with an invalid host: {error}") from None
    path, mark, query = text[2 + len(authority) :].partition("?")
    return origin, _without_dots(path or "/") + mark + query


def _relative(origin: Origin, target: str, text: str) -> tuple[Origin, str]:
    if text.startswith("//"):
        return _absolute(origin, origin.scheme, text)
    base = target.partition("?")[0]
    path, mark, query = text.partition("?")
    if path.startswith("/"):
        return origin, _without_dots(path) + mark + query
    if path:
        return origin, _without_dots(base[: base.rindex("/") + 1] + path) + mark + query
    return (origin, base + mark + query) if mark else (origin, target)


def _without_dots(path: str) -> str:
    """Remove `.` and `..` segments (RFC 3986, section 5.2.4)."""
    if "/." not in path:
        return path
    parts = path.split("/")[1:]
    kept: list[str] = []
    for part in parts:
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(part)
    if parts[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def _pair(part: str) -> tuple[str, str]:
    from urllib.parse import unquote_plus

    name, _, value = part.partition("=")
    return unquote_plus(name), unquote_plus(value)


def _encoded(text: str) -> str:
    # RFC 3986, section 3.4, allows `/` and `:` in a query; digests and media types stay readable.
    if _PLAIN_VALUE.fullmatch(text):
        return text
    from urllib.parse import quote

    return quote(text, safe="/:", errors="replace")


def _without_userinfo(text: str) -> str:
    match = _USERINFO.match(text)
    return match[1] + text[match.end() :] if match else text


def _redacted_parameter(match: re.Match[str]) -> str:
    return match[0] if match[1] in _SHOWN_VALUES else f"{match[1]}=REDACTED"


def _redacted(part: str) -> str:
    name, equals, _ = part.partition("=")
    if not equals:
        return "REDACTED" if part else ""
    return part if name in _SHOWN_VALUES else f"{name}=REDACTED"
