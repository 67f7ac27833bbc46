"""Push files and directories as one artifact; print the digest of its manifest, and its whole reference.

Each file becomes a layer, titled with its path. FILE:MEDIATYPE gives a layer a media type, unless a file has just that
name. A directory is packed, the same content always to the same bytes.
"""

from __future__ import annotations

import argparse
import os

from lading.cli.options import add_connection_options, annotation, media_type, once
from lading.cli.output import Output

_UNKNOWN_ARTIFACT = "application/vnd.unknown.artifact.v1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/report:1")
    parser.add_argument("files", metavar="FILE[:MEDIATYPE]", nargs="+", type=_file, help="a file or a directory")
    parser.add_argument(
        "--artifact-type",
        metavar="TYPE",
        type=media_type,
        default=_UNKNOWN_ARTIFACT,
        help=f"media type of the whole (default: {_UNKNOWN_ARTIFACT})",
    )
    parser.add_argument(
        "--annotation",
        metavar="KEY=VALUE",
        type=annotation,
        action="append",
        default=[],
        dest="annotations",
        help="annotate the manifest; may be repeated",
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from dataclasses import replace

    from lading._core.artifact import Artifact, File
    from lading.cli.client import connected, described, manifest_reference

    reference = manifest_reference(options.reference)
    files = [File(path, kind) for path, kind in options.files]
    artifact = Artifact.pack(options.artifact_type, files, annotations=once(options.annotations, "annotation"))
    with connected(options, output, reference.registry) as client:
        pushed = client.push(reference, artifact)
    whole = str(replace(reference, digest=pushed.digest))
    output.result({"reference": whole, **described(pushed)}, pushed.digest, whole)


def _file(text: str) -> tuple[str, str | None]:
    path, colon, kind = text.rpartition(":")
    if not colon or "/" not in kind or os.path.lexists(text):
        return text, None
    return path, media_type(kind)
