"""Output and destination of a copy, or of the push of an edited image."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from lading._core.copying.plan import Copied, Step
from lading.cli.client import described, registries_of
from lading.cli.output import Output, UsageError
from lading.reference import parse


def record(copied: Copied, *, steps: bool = False) -> dict[str, Any]:
    """Return what `--json` prints of a copy; `steps` are what was done, or would be, one by one."""
    outcome: dict[str, Any] = {
        **described(copied.descriptor),
        "tags": [tag for step in copied.steps for tag in step.tags],
        "moved": copied.moved,
        "mounted": copied.mounted,
        "skipped": copied.skipped,
        "bytes": copied.bytes,
    }
    return {**outcome, "steps": [_step(step) for step in copied.steps]} if steps else outcome


def _step(step: Step) -> dict[str, Any]:
    return {"action": step.action, **described(step.descriptor), "tags": list(step.tags)}


def show(copied: Copied, output: Output) -> None:
    """Print the digest of the manifest that was pushed."""
    output.result(record(copied), copied.descriptor.digest)


def registries_beside(references: Iterable[str], manifests: Iterable[str]) -> tuple[str, ...]:
    """Return the registries of references, and of those manifests that are not named by a tag or digest alone."""
    from lading._core.images.index_entries import selected

    wholes = [manifest for manifest in manifests if selected(manifest)[1] is not None]
    return registries_of(*references, *wholes)


def destination_of(options: argparse.Namespace) -> str:
    """Return where a manifest goes that was changed: to `--to`, else where it was. Raises `UsageError`."""
    if options.to is None and parse(options.reference).digest is not None:
        raise UsageError("what a digest names cannot change: say with --to where the new manifest goes")
    return str(options.reference if options.to is None else options.to)
