"""List the manifests that refer to a manifest, such as its signatures: the digest and type of each (end-12a).

If the registry has no referrers API, they are read from the tag under which clients keep a list. With --tree, referrers
of referrers are listed as well; each is pulled, and skipped if its subject is another one. REF may also be oci:DIR:TAG,
an image layout.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lading import printable
from lading.cli.options import add_connection_options, count, media_type, platform
from lading.cli.output import Output, UsageError, drawn

if TYPE_CHECKING:
    from lading import Client, Descriptor, ReferrerTree

_DEEPEST = 32
_LONGEST = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("reference", metavar="REF", help="such as ghcr.io/acme/app:v1")
    parser.add_argument("--tree", action="store_true", help="list referrers of referrers as well")
    parser.add_argument(
        "--artifact-type",
        metavar="TYPE",
        type=media_type,
        help="list this type only; in a tree, with the manifests above",
    )
    parser.add_argument(
        "--annotation",
        metavar="KEY[=VALUE]",
        type=_filter,
        action="append",
        default=[],
        dest="annotations",
        help="list those with this annotation only; may be repeated",
    )
    parser.add_argument("--depth", metavar="N", type=count, help=f"levels of the tree (1 to {_DEEPEST}, the default)")
    parser.add_argument(
        "--platform",
        metavar="OS/ARCH",
        type=platform,
        help="of an index, list referrers of the manifest for this platform",
    )
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> None:
    """Run the verb."""
    from lading.cli.client import connected, registries_of

    if options.depth is not None and not options.tree:
        raise UsageError("--depth needs --tree")
    if options.depth is not None and options.depth > _DEEPEST:
        raise UsageError(f"--depth is a number from 1 to {_DEEPEST}, not {options.depth}")
    registries = registries_of(options.reference)
    with connected(options, output, *registries) as client:
        if registries and not options.tree:
            for found in _listed(client, options):
                output.result(found.to_dict(), _line(found))
            return
        tree = client.referrers_tree(
            options.reference,
            platform=options.platform,
            artifact_type=options.artifact_type,
            annotations=dict(options.annotations),
            depth=(options.depth or _DEEPEST) if options.tree else 1,
        )
    if options.tree:
        record = {"reference": options.reference, **tree.to_dict()}
        output.result(record, f"{options.reference}  {tree.descriptor.digest}", *_branches(tree))
        return
    for branch in tree.referrers:
        output.result(branch.descriptor.to_dict(), _line(branch.descriptor))


def _listed(client: Client, options: argparse.Namespace) -> Iterator[Descriptor]:
    """Return the referrers that the registry lists and the filters select."""
    from lading.cli.client import manifest_reference

    reference = manifest_reference(options.reference)
    repository = client.repository(str(replace(reference, tag=None, digest=None)))
    if options.platform is not None:
        subject = repository.manifests.pull(str(reference.tag_or_digest), platform=options.platform).digest
    else:
        subject = reference.digest or repository.manifests.resolve(str(reference.tag)).digest
    for found in repository.referrers.list(subject, artifact_type=options.artifact_type):
        expected = dict(options.annotations).items()
        if all(key in found.annotations and value in {None, found.annotations[key]} for key, value in expected):
            yield found


def _branches(tree: ReferrerTree, margin: str = "") -> Iterator[str]:
    """Draw the tree below a manifest."""
    last = len(tree.referrers) - 1
    for number, branch in enumerate(tree.referrers):
        fork, below = ("└── ", "    ") if number == last else ("├── ", "│   ")
        yield f"{margin}{drawn(fork)}{_line(branch.descriptor)}"
        yield from _branches(branch, margin + drawn(below))


def _line(found: Descriptor) -> str:
    return f"{found.digest} {printable(found.artifact_type or found.media_type, _LONGEST)}"


def _filter(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    if key:
        return key, value if equals else None
    raise argparse.ArgumentTypeError(f"{text!r} is not KEY or KEY=VALUE")
