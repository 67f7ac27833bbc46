"""Push a manifest, byte for byte, and print its digest (end-7a, end-7b).

What it names must be in the repository already. A reference with a digest is taken as a promise about the content.
"""

from __future__ import annotations

import argparse

from lading.cli.options import add_connection_options, media_type
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    parser.add_argument("file", metavar="FILE", help="the manifest; - is stdin")
    parser.add_argument(
        "--media-type", metavar="TYPE", type=media_type, help="of a manifest that does not say so itself (mediaType)"
    )
    parser.add_argument("--tag", action="append", default=[], dest="tags", help="a further tag; may be repeated")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading._core.exchange.settings import Budgets
    from lading.cli.client import connected_to, described, manifest_reference
    from lading.cli.file_arguments import read
    from lading.documents import Manifest
    from lading.names import check_tag

    reference = manifest_reference(options.reference)
    first = () if reference.tag is None else (reference.tag,)
    tags = list(dict.fromkeys((*first, *map(check_tag, options.tags))))
    raw = read(options.file, Budgets().pushed_manifest, "a manifest")
    manifest = Manifest.parse(raw, options.media_type, digest=reference.digest)
    with connected_to(options, output, reference) as repository:
        pushed = repository.manifests.push(manifest, tags)
    output.result({"reference": str(reference), **described(pushed), "tags": tags}, pushed.digest)
