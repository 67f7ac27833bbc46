"""Request patterns: method and target, in which `*` matches anything."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from lading import _values
from lading._patterns import lazy_pattern
from lading._wire.messages import Request

Matcher: TypeAlias = Callable[[Request], bool]

_EXAMPLE = "write METHOD TARGET, such as 'GET /v2/*/tags/list'"
# Methods are case-sensitive (RFC 9110, 9.1). OPTIONS is what browsers ask before a request to another origin.
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Characters of a path and query (RFC 3986, 3.3 and 3.4) as a request has them: others are percent-encoded.
_TARGET = lazy_pattern(r"[/*][!$%&'()*+,\-./0-9:;=?@A-Z_a-z~]*", re.ASCII)


def matcher(pattern: str) -> Matcher:
    """Return a function that returns whether a request matches a pattern.

    A pattern without a question mark ignores the query. Raises `ValueError` for a pattern that no request can match.
    """
    _values.expect(pattern, str, "requests", _EXAMPLE)
    method, blank, target = pattern.partition(" ")
    if not blank:
        raise ValueError(f"{pattern!r} is not a request pattern: {_EXAMPLE}")
    methods, targets = _compiled(method), _compiled(target)
    if not any(map(methods.fullmatch, _METHODS)):
        raise ValueError(f"{pattern!r} matches no request: the method is *, or one of {', '.join(_METHODS)}")
    if not _TARGET.fullmatch(target):
        raise ValueError(
            f"{pattern!r} matches no request: the target is a path that begins with / or *, percent-encoded, such as "
            "/v2/*/tags/list"
        )
    with_query = "?" in target

    def matches(request: Request) -> bool:
        compared = request.target if with_query else request.target.partition("?")[0]
        return bool(methods.fullmatch(request.method) and targets.fullmatch(compared))

    return matches


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, re.split(r"\*+", pattern))), re.ASCII)
