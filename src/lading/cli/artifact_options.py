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
    """Add the options of an artifact other than its files."""
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
        help="push this file as the config (default: an empty config)",
    )


def named_file(text: str) -> Named:
    """Read `FILE[:MEDIATYPE]`, or a FILE of exactly that name."""
    path, colon, kind = text.rpartition(":")
    # The colon may be that of a drive: C:/FILE.
    if not colon or "/" not in kind or kind.startswith(("/", "\\")) or os.path.lexists(text):
        return text, None
    return path, media_type(kind)


def packed(options: argparse.Namespace, output: Output, artifact_type: str | None) -> Any:
    """Return the `Artifact` that a command line describes.

    Raises `UsageError`, `DocumentError` for an invalid file of annotations, and `StorageError`.
    """
    from lading import Artifact, Blob, File
    from lading.annotations import TITLE
    from lading.media_types import OCI_EMPTY

    if any(path == "-" for path, _ in options.files):
        raise UsageError("stdin cannot be a file of an artifact: name a FILE, or use `lading blob push REPOSITORY -`")
    annotations = _annotation_file(options.annotation_file)
    files = []
    for path, kind in options.files:
        own = annotations.pop(path, {})
        files.append(File(path, kind, own.get(TITLE), own))
    manifest = once([*annotations.pop(_MANIFEST, {}).items(), *options.annotations], "annotation")
    own = annotations.pop(_CONFIG, {})
    config: Blob | File | None = Blob(b"{}", OCI_EMPTY, annotations=own) if own else None
    if options.artifact_config is not None:
        path, kind = options.artifact_config
        config = File(path, kind, annotations=own)
    for name in annotations:
        output.warning(f"{options.annotation_file}: annotates {name!r}, which is not among the files")
    return Artifact.pack(artifact_type, files, annotations=manifest, config=config)


def _annotation_file(name: str | None) -> dict[str, dict[str, str]]:
    if name is None:
        return {}
    import json

    import msgspec

    from lading import DocumentError
    from lading.cli.file_arguments import read

    content = read(name, _LIMIT, "a file of annotations")
    try:
        tree = json.loads(content, object_pairs_hook=_members)
        return msgspec.convert(tree, dict[str, dict[str, str]])
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"cannot read {name!r} as annotations: {error}") from error


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object; parsers differ on which one counts of two with the same name."""
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"the name {name!r} is there twice")
        members[name] = value
    return members


def check_any_content(options: argparse.Namespace) -> None:
    """Raise `UsageError` for an artifact without files, annotations and config."""
    if not (options.files or options.annotations or options.annotation_file or options.artifact_config):
        raise UsageError("nothing to attach: give a FILE or an --annotation")
