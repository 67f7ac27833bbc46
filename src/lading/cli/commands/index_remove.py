"""Remove entries from an index, and print its new digest.

An entry is named by its digest, by a tag of the same repository, or by its platform. Attestations about it are removed
as well. The manifests stay in the repository: `lading delete` deletes one.
"""

from __future__ import annotations

import argparse
from typing import Any

from lading.cli.edit_options import add_destination
from lading.cli.options import add_connection_options, add_platforms, platform
from lading.cli.output import Output, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="the index, such as ghcr.io/acme/app:v1")
    parser.add_argument(
        "entries",
        metavar="ENTRY",
        nargs="*",
        type=_entry,
        help="a digest, a tag of the same repository, or a platform such as linux/arm64",
    )
    add_platforms(parser, "remove the image")
    add_destination(parser, optional=True)
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected
    from lading.cli.copy_output import destination_of, registries_beside, show

    manifests = [entry for entry in options.entries if isinstance(entry, str)]
    platforms = [*options.platforms, *(entry for entry in options.entries if not isinstance(entry, str))]
    if not manifests and not platforms:
        raise UsageError("nothing to remove: name an ENTRY, such as linux/arm64")
    destination = destination_of(options)
    with connected(options, output, *registries_beside(options.reference, [destination])) as client:
        removed = client.indexes.remove(options.reference, manifests, platforms=platforms, to=destination)
    show(removed, output)


def _entry(text: str) -> Any:
    """Read a digest or a tag, as it is, or a platform: that has a slash, and the others have none."""
    return platform(text) if "/" in text else text
