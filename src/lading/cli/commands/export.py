"""Write the files of a container image, as a container sees them, as a tar archive or a directory.

-o with a name that ends with .tar, or of a file that is there, writes an archive, which is the same for the same image.
Any other name is that of a directory, which must be empty or not there yet. Without -o the archive goes to stdout.
Nothing is written before all layers are read and verified.

Symbolic links are never followed. In a directory the files are yours, with the permissions of the image less the umask;
devices are left out. With --privileged root also gets owners, set-user-ID bits, capabilities and devices.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lading.cli.options import add_connection_options, platform
from lading.cli.output import Output, UsageError

_OTHER_FORMS = (".tgz", ".gz", ".zst", ".zip", ".bz2", ".xz")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
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
        raise UsageError("--privileged is for a directory: an archive has owners and devices in any case")
    path = Path(options.output) if to_directory else destination(options)
    if path is None and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("an archive is not for a terminal: use -o FILE.tar, -o DIR or a pipe")
    with connected(options, output, *registries_of(options.reference)) as client:
        if to_directory:
            exported = client.export_directory(
                options.reference, options.output, platform=options.platform, privileged=options.privileged
            )
        else:
            exported = client.export_tar(options.reference, path or stdout(output), platform=options.platform)
    if path is not None:
        digest = exported.descriptor.digest
        output.result({"path": str(path), "digest": digest, "entries": exported.entries}, str(path))


def _names_directory(name: str) -> bool:
    if name == "-" or Path(name).is_file():
        return False
    if name.endswith(_OTHER_FORMS):
        raise UsageError(f"{name!r}: the archive is not compressed: end its name with .tar, or use a pipe")
    return Path(name).is_dir() or not name.endswith(".tar")
