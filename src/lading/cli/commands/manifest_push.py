"""Push a manifest, byte for byte, and print its digest (end-7a, end-7b).

The repository must have everything that it names. If the reference has a digest, the content must have it too. The
manifest may also be pushed to an image layout, oci:DIR:TAG.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, media_type
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    parser.add_argument("file", metavar="FILE", help="the manifest; - is stdin")
    parser.add_argument(
        "--media-type", metavar="TYPE", type=media_type, help="media type of a manifest without mediaType"
    )
    parser.add_argument("--tag", action="append", default=[], dest="tags", help="a further tag; may be repeated")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading import (
        Budgets,
        DocumentError,
        LocalReference,
        Manifest,
        VerificationError,
        check_tag,
        parse_reference,
    )
    from lading.cli.client import connected, registries_of
    from lading.cli.file_arguments import read

    reference = parse_reference(options.reference)
    first = reference.name if isinstance(reference, LocalReference) else reference.tag
    tags = list(dict.fromkeys((*filter(None, [first]), *map(check_tag, options.tags))))
    raw = read(options.file, Budgets().pushed_manifest, "a manifest")
    try:
        manifest = Manifest.parse(raw, options.media_type, digest=reference.digest)
    except (DocumentError, VerificationError) as error:
        raise type(error)(f"cannot push {options.file!r}: {error}") from error
    with connected(options, output, *registries_of(options.reference)) as client:
        pushed = client.push_manifest(reference, manifest, options.tags)
    output.result({"reference": str(reference), **pushed.to_dict(), "tags": tags}, pushed.digest)
