"""Compare two container images, in any two places: their configs, layers, history and annotations.

With --files the files that containers see are compared, too: their kinds, contents, permissions and owners. For that,
the layers are read, those that both images have once.

In front of each line stands what happened to it: + added, - removed, ~ changed, = the same layer, % the same layer in
another compression. The exit code is 0 whether or not there is a difference, unless --exit-code asks for another.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, platform
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("old", metavar="OLD", help="such as ghcr.io/acme/app:v1, oci:DIR:v1 or docker-archive:FILE")
    parser.add_argument("new", metavar="NEW", help="the same")
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of indexes, compare the images for this platform"
    )
    parser.add_argument("--files", action="store_true", help="compare the files as well")
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 if the images differ")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the verb."""
    from lading.cli.client import connected, registries_of
    from lading.cli.diff_output import comparison, lines

    with connected(options, output, *registries_of(options.old, options.new)) as client:
        diff = client.diff(options.old, options.new, platform=options.platform)
        files = client.diff_files(options.old, options.new, platform=options.platform) if options.files else None
    record = comparison(options.old, options.new, diff, files)
    output.result(record, *([] if output.json else lines(record)))
    return int(diff.differs and options.exit_code)
