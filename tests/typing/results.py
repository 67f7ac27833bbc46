"""Every field and method of the results of the verbs, which are the same in both faces."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, assert_type

from lading import (
    BuildStep,
    Copied,
    Descriptor,
    Digest,
    Document,
    Evidence,
    Exported,
    Extension,
    FileChange,
    FileEntry,
    Headers,
    History,
    HistoryChange,
    Image,
    ImageConfig,
    ImageDiff,
    ImageManifest,
    IndexEntry,
    Inspection,
    LadingError,
    Layer,
    LayerChange,
    Manifest,
    PackedLayer,
    Platform,
    Problem,
    Pulled,
    RawResponse,
    Reader,
    ReferrerTree,
    Step,
    ValueChange,
    Verified,
)


def as_json(record: dict[str, object]) -> None:
    """Write a result as JSON."""
    assert json.loads(json.dumps(record)) == record


def of_pull(pulled: Pulled) -> None:
    """Look at a pulled artifact."""
    assert_type(pulled.manifest, Manifest[ImageManifest])
    assert_type(pulled.paths, tuple[Path, ...])
    as_json(pulled.to_dict())


def of_referrers(referrer_tree: ReferrerTree) -> None:
    """Look at a tree of referrers."""
    assert_type(referrer_tree.descriptor, Descriptor)
    assert_type(referrer_tree.referrers, tuple[ReferrerTree, ...])
    as_json(referrer_tree.to_dict())


def of_evidence(evidence: Evidence) -> None:
    """Look at evidence."""
    assert_type(evidence.kind, Literal["sbom", "provenance", "signature", "attestation", "other"])
    assert_type(evidence.found_in, Literal["referrers", "tag", "index"])
    assert_type(evidence.subject, Descriptor)
    assert_type(evidence.manifest, Descriptor)
    assert_type(evidence.content, Descriptor | None)
    assert_type(evidence.predicate_type, str | None)
    assert_type(evidence.tag, str | None)
    as_json(evidence.to_dict())


def of_verification(verified: Verified) -> None:
    """Look at a verification."""
    assert_type(verified.descriptor, Descriptor)
    assert_type(verified.checked, int)
    assert_type(verified.bytes, int)
    assert_type(verified.problems, tuple[Problem, ...])
    assert_type(verified.expanded, int)
    assert_type(verified.unexpanded, int)
    as_json(verified.to_dict())
    for problem in verified.problems:
        of_problem(problem)


def of_problem(problem: Problem) -> None:
    """Look at a problem of a verification or inspection."""
    assert_type(problem.descriptor, Descriptor)
    assert_type(problem.error, LadingError)
    as_json(problem.to_dict())


def of_copy(copied: Copied) -> None:
    """Look at a copy."""
    assert_type(copied.descriptor, Descriptor)
    assert_type(copied.steps, tuple[Step, ...])
    assert_type(copied.moved, int)
    assert_type(copied.mounted, int)
    assert_type(copied.skipped, int)
    assert_type(copied.bytes, int)
    assert_type(copied.tags, tuple[str, ...])
    as_json(copied.to_dict())
    for step in copied.steps:
        assert_type(step.action, Literal["push", "mount", "skip"])
        assert_type(step.descriptor, Descriptor)
        assert_type(step.tags, tuple[str, ...])
        as_json(step.to_dict())


def of_image(image: Image, packed_layer: PackedLayer) -> None:
    """Look at an image, and make others from it."""
    assert_type(image.manifest, Manifest[ImageManifest])
    assert_type(image.config, Manifest[ImageConfig])
    assert_type(image.platform, Platform)
    assert repr(image.place)
    assert_type(image.layers, tuple[Layer, ...])
    for layer in image.layers:
        of_layer(layer)
    assert_type(packed_layer.descriptor, Descriptor)
    assert_type(packed_layer.diff_id, Digest)
    assert_type(packed_layer.size, int)
    reader = packed_layer.open()
    assert_type(reader, Reader)
    reader.close()
    created = datetime(2000, 1, 1, tzinfo=UTC)
    mutated = image.mutated(
        env={"NAME": "value", "OTHER": None},
        labels={"org.example.key": "value"},
        entrypoint=["/hello"],
        cmd=("--help",),
        user="1000",
        working_dir="/",
        stop_signal="SIGINT",
        ports=["80", "53/udp"],
        volumes={"/data"},
        created=created,
    )
    assert_type(mutated, Image)
    assert_type(image.annotated({"org.example.key": "value", "org.example.other": None}), Image)
    assert_type(
        image.appended(packed_layer, created_by="hello", created=created, base="registry.example/base:1"), Image
    )
    assert_type(image.layered(packed_layer, created_by="hello", created=created), Image)
    assert_type(image.rebased(old_base=image, new_base=image, base="registry.example/base:1"), Image)
    assert_type(image.converted("docker"), Image)
    assert_type(Image.scratch(platform="linux/amd64"), Image)


def of_layer(layer: Layer) -> None:
    """Look at a layer."""
    assert_type(layer.descriptor, Descriptor)
    assert_type(layer.diff_id, Digest)
    assert_type(layer.history, History | None)


def of_inspection(inspection: Inspection) -> None:
    """Look at an inspection."""
    assert_type(inspection.manifest, Manifest[Document])
    assert_type(inspection.kind, Literal["image", "index", "artifact", "chart", "unknown"])
    assert_type(inspection.config, Manifest[Document] | None)
    assert_type(inspection.steps, tuple[BuildStep, ...])
    assert_type(inspection.entries, tuple[IndexEntry, ...])
    assert_type(inspection.referrers, tuple[Descriptor, ...] | None)
    assert_type(inspection.problems, tuple[Problem, ...])
    assert_type(inspection.predicate_types, tuple[str, ...])
    assert_type(inspection.total_size, int | None)
    as_json(inspection.to_dict())
    for build_step in inspection.steps:
        assert_type(build_step.history, History | None)
        assert_type(build_step.layer, Descriptor | None)
        as_json(build_step.to_dict())
    for index_entry in inspection.entries:
        assert_type(index_entry.descriptor, Descriptor)
        assert_type(index_entry.inspection, Inspection | None)
        assert_type(index_entry.missing, bool)
        assert_type(index_entry.attests, Digest | None)
        assert_type(index_entry.shared_size, int)
        assert_type(index_entry.shared_with, tuple[Digest, ...])
        as_json(index_entry.to_dict())
        if index_entry.inspection is not None:
            of_inspection(index_entry.inspection)


def of_diff(image_diff: ImageDiff) -> None:
    """Look at the difference of two images."""
    assert_type(image_diff.old, Manifest[ImageManifest])
    assert_type(image_diff.new, Manifest[ImageManifest])
    assert_type(image_diff.config, tuple[ValueChange, ...])
    assert_type(image_diff.layers, tuple[LayerChange, ...])
    assert_type(image_diff.history, tuple[HistoryChange, ...])
    assert_type(image_diff.annotations, tuple[ValueChange, ...])
    assert_type(image_diff.differs, bool)
    as_json(image_diff.to_dict())
    for value_change in image_diff.config:
        assert_type(value_change.name, str)
        assert_type(value_change.key, str | None)
        # JSON of any shape: Any, so that an object is as good as a user's own type.
        old: object = value_change.old  # pyright: ignore[reportAny]
        new: object = value_change.new  # pyright: ignore[reportAny]
        assert old != new
        assert_type(value_change.change, Literal["added", "removed", "changed"])
        as_json(value_change.to_dict())
    for layer_change in image_diff.layers:
        assert_type(layer_change.change, Literal["shared", "recompressed", "added", "removed"])
        assert_type(layer_change.layer, Layer)
        as_json(layer_change.to_dict())
    for history_change in image_diff.history:
        assert_type(history_change.change, Literal["added", "removed"])
        assert_type(history_change.history, History)
        as_json(history_change.to_dict())


def of_files(file_entry: FileEntry) -> None:
    """Look at a file of an image."""
    assert_type(file_entry.path, str)
    assert_type(file_entry.kind, str)
    assert_type(file_entry.size, int)
    assert_type(file_entry.mode, int)
    assert_type(file_entry.owner, int)
    assert_type(file_entry.group, int)
    assert_type(file_entry.modified, int)
    assert_type(file_entry.target, str)
    assert_type(file_entry.layer, Digest | None)
    as_json(file_entry.to_dict())


def of_changes(file_change: FileChange) -> None:
    """Look at a file that differs between two images."""
    assert_type(file_change.path, str)
    assert_type(file_change.change, Literal["added", "removed", "changed"])
    assert_type(file_change.old_size, int | None)
    assert_type(file_change.new_size, int | None)
    assert_type(file_change.what, tuple[str, ...])
    as_json(file_change.to_dict())


def of_export(exported: Exported) -> None:
    """Look at an export."""
    assert_type(exported.descriptor, Descriptor)
    assert_type(exported.entries, int)
    as_json(exported.to_dict())


def of_response(raw_response: RawResponse) -> None:
    """Look at a recorded response."""
    assert_type(raw_response.request, str)
    assert_type(raw_response.sent, Headers)
    assert_type(raw_response.status, int)
    assert_type(raw_response.headers, Headers)
    assert_type(raw_response.body, bytes | None)
    as_json(raw_response.to_dict())


def of_extension(extension: Extension) -> None:
    """Look at an extension of a registry."""
    assert_type(extension.name, str)
    assert_type(extension.url, str)
    assert_type(extension.description, str)
    assert_type(extension.endpoints, tuple[str, ...])
    as_json(extension.to_dict())
