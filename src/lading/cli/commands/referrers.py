"""List the manifests that refer to a manifest, such as its signatures: the digest and the type of each (end-12a).

Where the registry has no referrers API, these are the ones that clients keep a list of, under a tag. With --tree, also
what refers to those, and so on; each is pulled then, and passed over if it does not name what it is listed for. REF may
also be oci:DIR:TAG, an image layout.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lading import strict_json
from lading._wire.escaping import shown
from lading.cli.options import add_connection_options, count, media_type, platform
from lading.cli.output import Output, UsageError

if TYPE_CHECKING:
    from lading._blocking import Client
    from lading._core.graph.predecessors import ReferrerTree
    from lading.descriptor import Descriptor

_DEEPEST = 32
_LONGEST = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what may follow the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    parser.add_argument("--tree", action="store_true", help="also what refers to the referrers, and so on")
    parser.add_argument(
        "--artifact-type",
        metavar="TYPE",
        type=media_type,
        help="those of this type only; in a tree, with what they are about",
    )
    parser.add_argument(
        "--annotation",
        metavar="KEY[=VALUE]",
        type=_filter,
        action="append",
        default=[],
        dest="annotations",
        help="those with this annotation only; may be repeated",
    )
    parser.add_argument("--depth", metavar="N", type=count, help=f"levels of the tree (1 to {_DEEPEST}, the default)")
    parser.add_argument(
        "--platform", metavar="OS/ARCH", type=platform, help="of an index, look at the manifest for this platform"
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of

    if options.depth is not None and not options.tree:
        raise UsageError("--depth is about a tree: add --tree")
    if options.depth is not None and options.depth > _DEEPEST:
        raise UsageError(f"--depth is from 1 to {_DEEPEST}, not {options.depth}")
    registries = registries_of(options.reference)
    with connected(options, output, *registries) as client:
        if registries and not options.tree:
            for found in _listed(client, options):
                output.result(strict_json.builtins(found), _line(found))
            return
        tree = client.referrers_tree(
            options.reference,
            platform=options.platform,
            artifact_type=options.artifact_type,
            annotations=dict(options.annotations),
            depth=(options.depth or _DEEPEST) if options.tree else 1,
        )
    if options.tree:
        record = {"reference": options.reference, **_record(tree)}
        output.result(record, f"{options.reference}  {tree.descriptor.digest}", *_branches(tree))
        return
    for branch in tree.referrers:
        output.result(strict_json.builtins(branch.descriptor), _line(branch.descriptor))


def _listed(client: Client, options: argparse.Namespace) -> Iterator[Descriptor]:
    """Give what the registry lists, as far as it is wanted."""
    from lading._core.graph.predecessors import ReferrerFilter
    from lading.cli.client import manifest_reference

    reference = manifest_reference(options.reference)
    repository = client.repository(str(replace(reference, tag=None, digest=None)))
    if options.platform is not None:
        subject = repository.manifests.pull(str(reference.tag_or_digest), platform=options.platform).digest
    else:
        subject = reference.digest or repository.manifests.resolve(str(reference.tag)).digest
    wanted = ReferrerFilter(options.artifact_type, dict(options.annotations))
    listed = repository.referrers.list(subject, artifact_type=options.artifact_type)
    return (found for found in listed if wanted.fits(found))


def _record(tree: ReferrerTree) -> dict[str, Any]:
    return {**strict_json.builtins(tree.descriptor), "referrers": [_record(branch) for branch in tree.referrers]}


def _branches(tree: ReferrerTree, margin: str = "") -> Iterator[str]:
    """Draw what is below a manifest."""
    last = len(tree.referrers) - 1
    for number, branch in enumerate(tree.referrers):
        fork, below = ("└── ", "    ") if number == last else ("├── ", "│   ")
        yield f"{margin}{fork}{_line(branch.descriptor)}"
        yield from _branches(branch, margin + below)


def _line(found: Descriptor) -> str:
    return f"{found.digest} {shown(found.artifact_type or found.media_type, _LONGEST)}"


def _filter(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    if key:
        return key, value if equals else None
    raise argparse.ArgumentTypeError(f"{text!r} is not KEY or KEY=VALUE")
