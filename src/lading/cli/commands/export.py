"""Write the files of a container image, as a container sees them, to a tar archive or a directory.

-o with a name that ends in .tar, or of an existing file or pipe, writes an archive, the same for the same image. Any
other name is a directory, which must be empty or not exist. Without -o the archive goes to stdout. Nothing is written
before all layers are read and verified.

Symbolic links are never followed. In a directory the files are yours, with the permissions of the image less the umask;
devices are left out. With --privileged root also restores owners, set-user-ID bits, capabilities and devices.
On Windows only archives are written.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lading.cli.options import add_connection_options, platform
from lading.cli.output import Output, UsageError, is_terminal

_OTHER_FORMS = (".tgz", ".gz", ".zst", ".zip", ".bz2", ".xz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1, or oci:backup:v1")
    parser.add_argument(
        "-o", "--output", metavar="FILE.tar|DIR", default="-", help="write to this (default: -, an archive on stdout)"
    )
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of an index, export the image for this platform"
    )
    parser.add_argument("--privileged", action="store_true", help="restore owners and devices in a directory; as root")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of
    from lading.cli.file_arguments import destination, stdout

    to_directory = _names_directory(options.output)
    if options.privileged and not to_directory:
        raise UsageError("--privileged is for a directory: an archive always has owners and devices")
    path = Path(options.output) if to_directory else destination(options)
    if path is None and is_terminal(sys.stdout):
        raise UsageError("stdout is a terminal: use -o FILE.tar, -o DIR or a pipe")
    with connected(options, output, *registries_of(options.reference)) as client:
        if to_directory:
            exported = client.export_directory(
                options.reference, options.output, platform=options.platform, privileged=options.privileged
            )
        else:
            exported = client.export_tar(options.reference, path or stdout(output), platform=options.platform)
    if path is not None:
        output.result({"path": str(path), **exported.to_dict()}, str(path))


def _names_directory(name: str) -> bool:
    if name == "-" or (Path(name).exists() and not Path(name).is_dir()):
        return False
    if name.endswith(_OTHER_FORMS):
        raise UsageError(f"cannot write {name!r}: archives are not compressed: end the name in .tar, or use a pipe")
    return Path(name).is_dir() or not name.endswith(".tar")
