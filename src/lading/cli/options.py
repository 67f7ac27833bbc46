"""Options that the verbs share, and the parsers of their values.

The functions that take a string serve as `type` of an argparse argument: they raise `ArgumentTypeError`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from lading.cli.output import UsageError

N = TypeVar("N", int, float)


def add_connection_options(parser: argparse.ArgumentParser, *, account: bool = True) -> None:
    """Add the options of a verb that contacts a registry; with `account` also `--user` and `--password-stdin`."""
    options = parser.add_argument_group("connection")
    if account:
        options.add_argument("--user", metavar="NAME", default="", help="log in as this user; needs --password-stdin")
        options.add_argument("--password-stdin", action="store_true", help="read the password of --user from stdin")
    options.add_argument("--config", metavar="DIR", help="read logins from DIR/config.json, as with DOCKER_CONFIG")
    options.add_argument("--plain-http", action="store_true", help="use HTTP without TLS for the registry")
    options.add_argument("--insecure", action="store_true", help="do not verify the certificate of the registry")
    options.add_argument("--ca-file", metavar="FILE", help="trust only the certificates in this file (PEM)")
    options.add_argument("--cert", metavar="FILE", help="client certificate for the registry (PEM)")
    options.add_argument("--key", metavar="FILE", help="private key of --cert (PEM), if that file does not have it")
    options.add_argument(
        "--header",
        metavar="'NAME: VALUE'",
        type=header,
        action="append",
        default=[],
        dest="headers",
        help="send this header field to the registry; may be repeated",
    )
    options.add_argument(
        "--timeout", metavar="SECONDS", type=seconds, default=60.0, help="longest time without a byte (default: 60)"
    )
    options.add_argument(
        "--min-rate",
        metavar="BYTES",
        type=rate,
        default=None,
        help="lowest bytes a second of content, over 60 s of waiting for it; 0 for no limit (default: 10240)",
    )
    options.add_argument(
        "--retries", metavar="N", type=times, default=4, help="retries after a temporary failure (default: 4)"
    )
    options.add_argument(
        "--floor",
        metavar="N",
        type=times,
        default=0,
        help="leave so many of the pulls that the registry has left (default: 0)",
    )
    options.add_argument(
        "--concurrency", metavar="N", type=count, help="blobs at once (default: 4, and more small ones)"
    )
    options.add_argument(
        "--ranges",
        metavar="N",
        type=ranges,
        default=None,
        help="most connections for each large blob that is pulled, 1 to 16; opened only while each adds to the rate "
        "(default: 8)",
    )
    options.add_argument(
        "--links-below", metavar="DIR", help="read files of an image layout through symbolic links to below DIR"
    )


def add_annotations(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--annotation`, whose pairs `once` makes a mapping of."""
    parser.add_argument(
        "--annotation",
        metavar="KEY=VALUE",
        type=annotation,
        action="append",
        default=[],
        dest="annotations",
        help=f"annotate the {what}; may be repeated",
    )


def add_platforms(parser: argparse.ArgumentParser, what: str = "change the image") -> None:
    """Add `--platform`, which selects manifests of an index."""
    parser.add_argument(
        "--platform",
        metavar="OS/ARCH",
        type=platform,
        action="append",
        default=[],
        dest="platforms",
        help=f"of an index, {what} for this platform only; may be repeated",
    )


def seconds(text: str) -> float:
    """Read a time in seconds, more than 0."""
    return _above_zero(text, float, "is not a number of seconds above 0")


def rate(text: str) -> float:
    """Read a number of bytes a second, 0 or more."""
    return 0.0 if text == "0" else _above_zero(text, float, "is not a number of bytes a second, 0 or more")


def hours(text: str) -> float:
    """Read a time in hours, 0 or more."""
    return 0.0 if text == "0" else _above_zero(text, float, "is not a number of hours, 0 or more")


def count(text: str) -> int:
    """Read a whole number, 1 or more."""
    return _above_zero(text, int, "is not a whole number above 0")


def ranges(text: str) -> int:
    """Read the number of connections for one blob, 1 to 16."""
    from lading import MOST_RANGES

    number = count(text)
    if number > MOST_RANGES:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {MOST_RANGES}")
    return number


def times(text: str) -> int:
    """Read a whole number, 0 or more."""
    return 0 if text == "0" else _above_zero(text, int, "is not a whole number, 0 or more")


def port(text: str) -> int:
    """Read a port; 0 leaves the choice to the system."""
    if text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port")


def directory(text: str) -> str:
    """Return the name of a directory. Raises `UsageError` for a reference to a layout, such as `oci:DIR`."""
    from lading import LocalReference

    if text.startswith("oci:"):
        raise UsageError(f"a directory is expected: write {LocalReference.parse(text).path}")
    return text


def header(text: str) -> tuple[str, str]:
    """Read `NAME: VALUE`."""
    from lading import TRANSPORT_FIELDS, Headers

    name, colon, value = text.partition(":")
    if not colon:
        # The string may be a secret without its name: it is not repeated.
        raise argparse.ArgumentTypeError("write NAME: VALUE")
    try:
        Headers([(name, value.strip())])
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if name.lower() in TRANSPORT_FIELDS:
        raise argparse.ArgumentTypeError(f"header {name} is set by lading itself")
    return name, value.strip()


def annotation(text: str) -> tuple[str, str]:
    """Read `KEY=VALUE`."""
    key, equals, value = text.partition("=")
    if key and equals:
        return key, value
    raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")


def platform(text: str) -> Any:
    """Read a platform, such as `linux/arm64`."""
    from lading import InvalidPlatformError, Platform

    if text == "all":
        raise argparse.ArgumentTypeError("'all' is not a platform: leave --platform out for all of an index")
    if "," in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not one platform: give --platform once for each")
    try:
        return Platform.parse(text)
    except InvalidPlatformError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def media_type(text: str) -> str:
    """Read a media type."""
    from lading import check_media_type

    try:
        return check_media_type(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def once(pairs: Iterable[tuple[str, str]], what: str) -> Mapping[str, str]:
    """Return pairs of the command line as a mapping. Raises `UsageError` for a name that is given twice."""
    mapping: dict[str, str] = {}
    for name, value in pairs:
        if name in mapping:
            raise UsageError(f"the {what} {name!r} is given twice")
        mapping[name] = value
    return mapping


def _above_zero(text: str, read: Callable[[str], N], fault: str) -> N:
    with suppress(ValueError):
        number = read(text)
        if 0 < number < math.inf:
            return number
    raise argparse.ArgumentTypeError(f"{text!r} {fault}")
