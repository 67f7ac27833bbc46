"""Read a manifest and everything that it names, and compare each content with its digest and size.

The layers of images are also expanded, and compared with the digests in their configs. Prints a line for each missing
or damaged content; the exit code is then 5. Signatures are not verified.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lading.cli.options import add_connection_options
from lading.cli.output import Output, UsageError

if TYPE_CHECKING:
    from lading import Verified


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1, oci:DIR:v1 or oci-archive:FILE")
    parser.add_argument("--shallow", action="store_true", help="do not expand the layers of images")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the verb."""
    from lading.cli.client import connected, registries_of
    from lading.cli.exit_codes import UNVERIFIED

    if options.key and not options.cert:
        error = UsageError("verify compares content with digests, not with signatures: --key is the key of --cert")
        error.add_note(f"cosign verify --key {options.key} {options.reference}")
        raise error
    with connected(options, output, *registries_of(options.reference)) as client:
        verified = client.verify(options.reference, shallow=options.shallow)
    if verified.problems:
        output.result(verified.to_dict(), *(f"{each.descriptor.digest}: {each.error}" for each in verified.problems))
        output.problem(f"{len(verified.problems)} of {verified.checked} contents are missing or damaged")
        return UNVERIFIED
    summary = f"{verified.descriptor.digest}: {verified.checked} contents of {verified.bytes} bytes are correct"
    output.result(verified.to_dict(), summary + _of_layers(verified))
    return 0


def _of_layers(verified: Verified) -> str:
    """Return what the line on a verification says of the layers of images."""
    layers = verified.expanded + verified.unexpanded
    return f"; layers expanded and compared with their diff_ids: {verified.expanded} of {layers}" if layers else ""
