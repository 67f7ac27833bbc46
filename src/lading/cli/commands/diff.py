"""Compare two container images, in registries or on disk: their configs, layers, history and annotations.

With --files, the files that containers see are compared as well: their kinds, contents, permissions and owners. Layers
that both images have are read once.

Each line begins with a mark: + added, - removed, ~ changed, = the same layer, % the same layer in another compression.
The exit code is 0 whether or not the images differ; with --exit-code it is 1 if they do.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, platform
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("old", metavar="OLD", help="such as ghcr.io/acme/app:v1, oci:DIR:v1 or docker-archive:FILE")
    parser.add_argument("new", metavar="NEW", help="the same, or a tag or digest next to OLD")
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of indexes, compare the images for this platform"
    )
    parser.add_argument("--files", action="store_true", help="compare the files as well")
    parser.add_argument("--exit-code", action="store_true", help="exit with 1 if the images differ")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the verb."""
    from lading.cli.client import connected
    from lading.cli.copy_output import registries_beside
    from lading.cli.diff_output import comparison, lines

    with connected(options, output, *registries_beside(options.old, [options.new])) as client:
        diff = client.diff(options.old, options.new, platform=options.platform)
        files = client.diff_files(options.old, options.new, platform=options.platform) if options.files else None
    record = comparison(options.old, options.new, diff, files)
    output.result(record, *([] if output.json else lines(record)))
    return int(diff.differs and options.exit_code)
