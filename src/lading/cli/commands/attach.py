"""Attach files to a manifest, such as its SBOM: push an artifact whose subject it is, without a tag.

Prints the digest of the artifact; `lading referrers REF` lists it. Files are as for `lading push`. Without files, the
annotations are attached. REF may also be oci:DIR:TAG, an image layout.
"""

from __future__ import annotations

import argparse

from lading.cli.artifact_options import add_artifact_options, check_any_content, named_file, packed
from lading.cli.options import add_connection_options, media_type, platform
from lading.cli.output import Output


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="the subject, such as ghcr.io/acme/app:v1")
    parser.add_argument("files", metavar="FILE[:MEDIATYPE]", nargs="*", type=named_file, help="a file or a directory")
    parser.add_argument(
        "--artifact-type",
        metavar="TYPE",
        type=media_type,
        required=True,
        help="type of the artifact, such as application/spdx+json",
    )
    add_artifact_options(parser)
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of an index, attach to the manifest for this platform"
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of, with_digest

    check_any_content(options)
    artifact = packed(options, output, options.artifact_type)
    with connected(options, output, *registries_of(options.reference)) as client:
        attached = client.attach(options.reference, artifact, platform=options.platform)
    whole = with_digest(options.reference, attached.digest, tagged=False)
    output.result({"reference": whole, **attached.to_dict()}, attached.digest)
    if not output.json:
        output.notice(f"attached {whole}")
