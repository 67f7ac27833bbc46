"""Remove the blobs of an image layout that nothing refers to, and print the digest and size of each.

Blobs that index.json refers to, directly or through other manifests, stay. So do blobs that were written or used within
the grace period: a copy in progress stores blobs before the manifest that names them.
"""

from __future__ import annotations

import argparse

from lading.cli.options import directory, hours
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("directory", metavar="DIR", help="an image layout")
    parser.add_argument(
        "--grace",
        metavar="HOURS",
        type=hours,
        default=24.0,
        help="keep blobs newer than this; 0 only if nothing else writes (default: 24)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the blobs, and remove none")


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import collect_garbage

    layout = directory(options.directory)
    for removed in collect_garbage(layout, grace=options.grace * 3600, dry_run=options.dry_run):
        output.result(removed.to_dict(), f"{removed.digest}  {removed.size}")
