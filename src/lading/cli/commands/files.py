"""List the files of a container image, as a container sees them: all of them, or those at PATH and below it.

A line has type and permissions, owner and group, size in bytes, time of modification (UTC) and path; with --json also
the layer of the entry. The exit code is 3 if there is nothing at PATH.
"""

from __future__ import annotations

import argparse
import stat
import time
from typing import TYPE_CHECKING

from lading.cli.options import add_connection_options, platform
from lading.cli.output import Output

if TYPE_CHECKING:
    from lading import FileEntry

_KINDS = {
    "directory": stat.S_IFDIR,
    "symbolic link": stat.S_IFLNK,
    "character device": stat.S_IFCHR,
    "block device": stat.S_IFBLK,
    "FIFO": stat.S_IFIFO,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1, or oci:backup:v1")
    parser.add_argument("path", metavar="PATH", nargs="?", default="/", help="such as /etc (default: /)")
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of an index, list the image for this platform"
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of

    with connected(options, output, *registries_of(options.reference)) as client:
        files = client.files(options.reference, options.path, platform=options.platform)
    owners = max((len(_owners(file)) for file in files), default=0)
    sizes = max((len(str(file.size)) for file in files), default=0)
    for file in files:
        row = f"{_mode(file)}  {_owners(file):>{owners}}  {file.size:>{sizes}}  {_time(file.modified)}  {file.path}"
        output.result(file.to_dict(), f"{row} -> {file.target}" if file.target else row)


def _mode(file: FileEntry) -> str:
    return stat.filemode(_KINDS.get(file.kind, stat.S_IFREG) | file.mode)


def _owners(file: FileEntry) -> str:
    return f"{file.owner}:{file.group}"


def _time(seconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))
    except (OverflowError, OSError, ValueError):
        return str(seconds)
