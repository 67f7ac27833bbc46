"""Output and destination of a copy, or of the push of an edited image."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from lading import Copied, parse_reference
from lading.cli.client import registries_of
from lading.cli.output import Output, UsageError

# Algorithms of digests (image-spec, descriptor.md, Registered algorithms).
_ALGORITHMS = frozenset({"sha256", "sha512", "blake3"})


def show(copied: Copied, output: Output) -> None:
    """Print the digest of the manifest that was pushed."""
    output.result(copied.to_dict(), copied.descriptor.digest)


def registries_beside(references: Iterable[str], manifests: Iterable[str]) -> tuple[str, ...]:
    """Return the registries of references, and of the manifests that are not a tag or digest next to them."""
    wholes = [name for name in manifests if {":", "/"} & {*name} and name.partition(":")[0] not in _ALGORITHMS]
    return registries_of(*references, *wholes)


def destination_of(options: argparse.Namespace) -> str:
    """Return the destination of a changed manifest: `--to`, else its source. Raises `UsageError`."""
    if options.to is None and parse_reference(options.reference).digest is not None:
        raise UsageError("a digest cannot change what it names: give the destination of the new manifest with --to")
    return str(options.reference if options.to is None else options.to)
