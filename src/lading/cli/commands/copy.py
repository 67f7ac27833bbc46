"""Copy a manifest with everything that it names, byte for byte, and print its digest.

Both sides are a repository (REGISTRY/NAME:TAG), an image layout (oci:DIR:TAG) or an archive (oci-archive:FILE:TAG,
docker-archive:FILE:NAME). An archive is replaced if that loses no image; as the FILE - it goes to stdout. Content that
the destination has is not transferred. Tags are set last. With --all-tags, a line has a digest and its tag. A tag that
cannot be copied does not keep the others from it; the exit code is that of the error, or 1 for errors of several kinds.

Of an index, one --platform copies the image for it, and several a new index of only their images.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lading.cli.options import add_connection_options, add_platforms, count
from lading.cli.output import Output, UsageError

if TYPE_CHECKING:
    from lading import Client, Copied, LadingError

_ALL = "*"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("source", metavar="SOURCE", help="such as ghcr.io/acme/app:v1")
    parser.add_argument("destination", metavar="DESTINATION", help="such as localhost:5000/app:v1, or oci:backup:v1")
    add_platforms(parser, "copy the image")
    parser.add_argument(
        "--index",
        choices=("rewritten", "sparse"),
        help="with --platform: push a new index of the chosen entries (default for several), or the old one unchanged",
    )
    parser.add_argument(
        "--all-tags",
        metavar="PATTERN",
        nargs="?",
        const=_ALL,
        help="copy every tag, or those that match a pattern such as 'v1.*'; SOURCE and DESTINATION have no tag",
    )
    parser.add_argument("--referrers", action="store_true", help="copy its referrers as well, such as signatures")
    parser.add_argument("--depth", metavar="N", type=count, default=8, help="levels of referrers (default: 8)")
    parser.add_argument(
        "--digest-tags", action="store_true", help="copy the tags of cosign as well, such as sha256-….sig"
    )
    parser.add_argument(
        "--fail-fast", action="store_true", help="with --all-tags: stop at the first tag that cannot be copied"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the plan, and write nothing")
    add_connection_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """Run the verb."""
    from lading.cli.client import connected, registries_of

    if options.fail_fast and options.all_tags is None:
        raise UsageError("--fail-fast needs --all-tags")
    if options.index is not None and not options.platforms:
        raise UsageError(f"--index {options.index} needs --platform, which chooses the entries")
    choices: dict[str, Any] = {
        "platforms": options.platforms,
        "index": options.index,
        "referrers": options.referrers,
        "depth": options.depth,
        "digest_tags": options.digest_tags,
        "dry_run": options.dry_run,
    }
    with connected(options, output, *registries_of(options.source, options.destination)) as client:
        if options.all_tags is not None:
            return _copy_tags(client, options, output, choices)
        copied = client.copy(options.source, options.destination, **choices)
    _print(copied, options, output)
    return 0


def _copy_tags(client: Client, options: argparse.Namespace, output: Output, choices: dict[str, Any]) -> int:
    """Copy the tags, print each result as soon as there is one, and return the exit code."""
    from lading import LadingError
    from lading.cli.exit_codes import common, record, tell

    codes: list[int] = []

    def show(tag: str, result: Copied | LadingError) -> None:
        if isinstance(result, LadingError):
            codes.append(tell(result, output, about=f"tag {tag}"))
            output.failure({"tags": [tag], **record(result)})
        else:
            codes.append(0)
            _print(result, options, output)
        output.flush()  # an interrupt may end the process at once

    try:
        client.copy_tags(
            options.source,
            options.destination,
            options.all_tags,
            **choices,
            fail_fast=options.fail_fast,
            on_result=show,
        )
    except KeyboardInterrupt:
        output.notice(f"{codes.count(0)} tags were copied before the interrupt")
        raise
    return common(codes)


def _print(copied: Copied, options: argparse.Namespace, output: Output) -> None:
    if options.dry_run and not output.json:
        _print_plan(copied, output)
    output.result(copied.to_dict(), *_lines(copied, options))


def _print_plan(copied: Copied, output: Output) -> None:
    for step in copied.steps:
        row = (f"{step.action:5}", step.descriptor.digest, str(step.descriptor.size), *step.tags)
        output.result({}, "  ".join(row))


def _lines(copied: Copied, options: argparse.Namespace) -> list[str]:
    if not options.dry_run and options.all_tags is None:
        return [copied.descriptor.digest]
    if not options.dry_run:
        return [f"{copied.descriptor.digest}  {tag}" for tag in copied.tags]
    return [f"{copied.moved} to push ({copied.bytes} bytes), {copied.mounted} to mount, {copied.skipped} exist already"]
