"""Find SBOMs, provenance, signatures and attestations of a manifest, wherever they are kept.

These are its referrers, the tags that cosign makes of its digest, and the index that it is an entry of, as BuildKit has
it; of an index, also those of every entry. Printed are the kind, where it was found, the platform that it is about, the
digest of its content (of its manifest, if it has none), and its type. It is found, not checked: nothing here verifies a
signature. `lading blob pull NAME@DIGEST` writes the content.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, get_args

from lading._core.graph.evidence_kinds import EvidenceKind
from lading.cli.options import add_connection_options, platform
from lading.cli.output import Output

if TYPE_CHECKING:
    from lading._core.graph.evidence import Evidence

_LONGEST = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1, or oci:DIR:TAG")
    parser.add_argument("--platform", metavar="OS/ARCH", type=platform, help="of an index, that of this platform only")
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
            output.result(_record(evidence), _line(evidence))


def _record(evidence: Evidence) -> dict[str, Any]:
    from lading import strict_json

    record = {
        "kind": evidence.kind,
        "foundIn": evidence.found_in,
        "tag": evidence.tag,
        "predicateType": evidence.predicate_type,
        "subject": strict_json.builtins(evidence.subject),
        "manifest": strict_json.builtins(evidence.manifest),
        "content": strict_json.builtins(evidence.content),
    }
    return {name: value for name, value in record.items() if value is not None}


def _line(evidence: Evidence) -> str:
    from lading._wire.escaping import shown

    content = evidence.content or evidence.manifest
    about = "-" if evidence.subject.platform is None else str(evidence.subject.platform)
    kind = evidence.predicate_type or evidence.manifest.artifact_type or content.media_type
    fields = (f"{evidence.kind:11}", f"{evidence.found_in:9}", shown(about), content.digest, shown(kind, _LONGEST))
    return "  ".join(fields)
