"""Spellings of places that are not references here: transports of other programs, and bare paths.

Docker would read most of them as names of Docker Hub: `dir:x` as `docker.io/library/dir:x`. Those that a user can have
meant as nothing else are refused, with what to write instead (containers-transports(5), regctl's `ocidir://`).
"""

from __future__ import annotations

import re

from lading._patterns import lazy_pattern

_LAYOUTS = frozenset({"dir", "file", "oci-dir", "oci-layout", "ocidir"})
_STORAGES = {"containers-storage": "podman save", "docker-daemon": "docker save"}
_OTHERS = frozenset({"ostree", "sif", "tarball"})
_PATH = lazy_pattern(r"(?:\.{0,2}[/\\]|~|[A-Za-z]:[/\\]|\.{1,2}\Z)", re.ASCII)
_ARCHIVE = lazy_pattern(r"\.(?:tar|tgz|tar\.[a-z0-9]+)(?::|\Z)", re.ASCII)


def advice(text: str) -> str | None:
    """Return what to write in place of a text that is spelled for another program; None for any other text."""
    text = text if text.isprintable() else repr(text)[1:-1]  # a message is one line
    transport, colon, place = text.partition(":")
    if colon and transport in _LAYOUTS:
        return f"the transport {transport!r} is not supported: use oci:{place.removeprefix('//') or 'DIR'}"
    if colon and transport in _STORAGES:
        return f"the transport {transport!r} is not supported: use {_STORAGES[transport]}, and docker-archive:FILE"
    if colon and transport in _OTHERS:
        return f"the transport {transport!r} is not supported: use oci:DIR, oci-archive:FILE or docker-archive:FILE"
    first, slash, _ = text.partition("/")
    is_path = _PATH.match(text) is not None
    on_hub = not slash or not ("." in first or ":" in first or first == "localhost")
    if (is_path or on_hub) and _ARCHIVE.search(text):
        return f"for a file, did you mean oci-archive:{text} or docker-archive:{text}?"
    return f"for a directory, did you mean oci:{text}?" if is_path else None
