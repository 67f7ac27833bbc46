"""Output and destination of a copy, or of the push of an edited image."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from lading import Copied, parse_reference
from lading.cli.client import registries_of
from lading.cli.output import Output, UsageError


def show(copied: Copied, output: Output) -> None:
    """Print the digest of the manifest that was pushed."""
    output.result(copied.to_dict(), copied.descriptor.digest)


def registries_beside(reference: str, others: Iterable[str | None]) -> tuple[str, ...]:
    """Return the registries of a reference, and of others that may be a tag or a digest next to it, or not given."""
    first = parse_reference(reference)
    wholes = [str(parse_reference(other, beside=first)) for other in others if other is not None]
    return registries_of(reference, *wholes)


def destination_of(options: argparse.Namespace) -> str:
    """Return the destination of a changed manifest: `--to`, else its source. Raises `UsageError`."""
    if options.to is None and parse_reference(options.reference).digest is not None:
        raise UsageError("a digest cannot change what it names: give the destination of the new manifest with --to")
    return str(options.reference if options.to is None else options.to)
