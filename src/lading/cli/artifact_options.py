"""Options that describe an artifact: files with media types, and annotations, some of them from a file.

The file of annotations is that of the ORAS tools: a JSON object with an object of annotations for each file, by its
name on the command line, for the manifest (`$manifest`) and for the config (`$config`).
"""

from __future__ import annotations

import argparse
import os
from typing import Any, TypeAlias

from lading.cli.options import add_annotations, media_type, once
from lading.cli.output import Output, UsageError

Named: TypeAlias = tuple[str, str | None]
"""A path, and a media type if one was given."""

_MANIFEST = "$manifest"
_CONFIG = "$config"
_LIMIT = 4 * 2**20


def add_artifact_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what else there is to an artifact than files."""
    add_annotations(parser, "manifest")
    parser.add_argument(
        "--annotation-file",
        metavar="JSON",
        help='annotate from a file, as oras does: {"$manifest": {…}, "$config": {…}, "FILE": {…}}',
    )
    parser.add_argument(
        "--artifact-config",
        metavar="FILE[:MEDIATYPE]",
        type=named_file,
        help="push this file as the config (default: an empty one)",
    )


def named_file(text: str) -> Named:
    """Read `FILE[:MEDIATYPE]`, unless a file has just that name."""
    path, colon, kind = text.rpartition(":")
    if not colon or "/" not in kind or os.path.lexists(text):
        return text, None
    return path, media_type(kind)


def packed(options: argparse.Namespace, output: Output, artifact_type: str | None) -> Any:
    """Return the `Artifact` that a command line describes.

    Raises `UsageError`, `DocumentError` for a file of annotations that is none, and `StorageError`.
    """
    from lading._core.artifacts.artifact import Artifact, Blob, File
    from lading.annotations import TITLE
    from lading.media_types import OCI_EMPTY

    told = _annotation_file(options.annotation_file)
    files = []
    for path, kind in options.files:
        own = told.pop(path, {})
        files.append(File(path, kind, own.get(TITLE), own))
    manifest = once([*told.pop(_MANIFEST, {}).items(), *options.annotations], "annotation")
    own = told.pop(_CONFIG, {})
    config: Blob | File | None = Blob(b"{}", OCI_EMPTY, annotations=own) if own else None
    if options.artifact_config is not None:
        path, kind = options.artifact_config
        config = File(path, kind, annotations=own)
    for name in told:
        output.warning(f"{options.annotation_file}: there is no file {name!r} to annotate")
    return Artifact.pack(artifact_type, files, annotations=manifest, config=config)


def _annotation_file(name: str | None) -> dict[str, dict[str, str]]:
    if name is None:
        return {}
    from lading import strict_json
    from lading.cli.file_arguments import read

    tree = strict_json.parse(read(name, _LIMIT, "a file of annotations"), name)
    return strict_json.typed(tree, dict[str, dict[str, str]], name)


def check_any_content(options: argparse.Namespace) -> None:
    """Raise `UsageError` for an artifact that would say nothing."""
    if not (options.files or options.annotations or options.annotation_file or options.artifact_config):
        raise UsageError("there is nothing to attach: give a FILE, or an --annotation")
