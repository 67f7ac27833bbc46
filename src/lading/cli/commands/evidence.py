"""Find SBOMs, provenance, signatures and attestations of a manifest.

They are searched among its referrers, in the tags of cosign, and in the index that lists it, as BuildKit does; for an
index, also those of every entry. A line has the kind, where it was found, the platform, the digest of its content (of
its manifest, if it has none), and its type. Nothing is verified. `lading blob pull NAME@DIGEST` writes the content.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, get_args

from lading import EvidenceKind
from lading.cli.options import add_connection_options, platform
from lading.cli.output import Output

if TYPE_CHECKING:
    from lading import Evidence

_LONGEST = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1, or oci:DIR:TAG")
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of an index, search for this platform only"
    )
    parser.add_argument(
        "--kind",
        choices=get_args(EvidenceKind),
        action="append",
        default=[],
        dest="kinds",
        help="print evidence of this kind only; may be repeated",
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of

    with connected(options, output, *registries_of(options.reference)) as client:
        found = client.evidence(options.reference, platform=options.platform)
    for evidence in found:
        if not options.kinds or evidence.kind in options.kinds:
            output.result(evidence.to_dict(), _line(evidence))


def _line(evidence: Evidence) -> str:
    from lading import printable

    content = evidence.content or evidence.manifest
    about = "-" if evidence.subject.platform is None else str(evidence.subject.platform)
    kind = evidence.predicate_type or evidence.manifest.artifact_type or content.media_type
    fields = (
        f"{evidence.kind:11}",
        f"{evidence.found_in:9}",
        printable(about),
        content.digest,
        printable(kind, _LONGEST),
    )
    return "  ".join(fields)
