"""Remove the blobs that nothing in an image layout needs, and print the digest and size of each.

Needed is what index.json names, and what is named by that. What somebody has written or counted on within the time of
grace stays: a copy that is under way stores blobs before the manifest that names them.
"""

from __future__ import annotations

import argparse

from lading.cli.options import hours
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("directory", metavar="DIR", help="an image layout")
    parser.add_argument(
        "--grace",
        metavar="HOURS",
        type=hours,
        default=24.0,
        help="keep what is newer; 0 only where nobody writes (default: 24)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would be removed, and remove nothing")


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from pathlib import Path

    from lading.stores.garbage_collection import collect
    from lading.stores.layout import Layout

    layout = Layout.open(Path(options.directory))
    for removed in collect(layout, grace=options.grace * 3600, dry_run=options.dry_run):
        output.result({"digest": removed.digest, "size": removed.size}, f"{removed.digest}  {removed.size}")
