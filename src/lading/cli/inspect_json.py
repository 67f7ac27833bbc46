"""JSON output of `lading inspect`: a record with the names of image-spec, and a few of its own.

`kind`, `totalSize` (bytes, each content once), `content` (the config, opened), `history` with the `layer` of each step,
`referrers`, `problems`; and in entries of `manifests` also `layers`, `missing`, `sharedSize`, `sharedWith` (digests of
manifests with a layer in common) and `predicateTypes` (of attestations).
"""

from __future__ import annotations

from typing import Any

from lading import strict_json
from lading._core.graph.verify import Problem
from lading._core.images.inspection_types import BuildStep, IndexEntry, Inspection
from lading.documents import ImageIndex, ImageManifest
from lading.reference import LocalReference, Reference


def description(reference: Reference | LocalReference, inspection: Inspection) -> dict[str, Any]:
    """Return the record."""
    manifest = inspection.manifest
    record = {"reference": str(reference), "kind": inspection.kind, **_plain(manifest.descriptor), **_named(inspection)}
    document = manifest.document
    if isinstance(document, ImageManifest):
        record["config"] = _plain(document.config)
        if inspection.config is not None:
            record["content"] = _plain(inspection.config.document)
        if inspection.steps:
            record["history"] = [_step(step) for step in inspection.steps]
    if isinstance(document, ImageManifest | ImageIndex):
        if document.artifact_type is not None:
            record["artifactType"] = document.artifact_type
        if document.subject is not None:
            record["subject"] = _plain(document.subject)
        record["annotations"] = dict(document.annotations)
    if inspection.referrers is not None:
        record["referrers"] = [_plain(referrer) for referrer in inspection.referrers]
    if inspection.problems:
        record["problems"] = [_problem(problem) for problem in inspection.problems]
    return record


def _named(inspection: Inspection) -> dict[str, Any]:
    """Return what an inspection says of a manifest wherever that is, in an index too."""
    named: dict[str, Any] = {}
    document = inspection.manifest.document
    if isinstance(document, ImageIndex):
        named["manifests"] = [_entry(entry) for entry in inspection.entries]
    elif isinstance(document, ImageManifest):
        named["layers"] = [_plain(layer) for layer in document.layers]
    if inspection.total_size is not None:
        named["totalSize"] = inspection.total_size
    return named


def _entry(entry: IndexEntry) -> dict[str, Any]:
    record = _plain(entry.descriptor)
    if entry.missing:
        record["missing"] = True
    if entry.inspection is None:
        return record
    record |= {"kind": entry.inspection.kind, **_named(entry.inspection)}
    if entry.shared_with:
        record |= {"sharedSize": entry.shared_size, "sharedWith": list(entry.shared_with)}
    if entry.inspection.predicate_types:
        record["predicateTypes"] = list(entry.inspection.predicate_types)
    return record


def _step(step: BuildStep) -> dict[str, Any]:
    record = {} if step.history is None else _plain(step.history)
    return record if step.layer is None else {**record, "layer": _plain(step.layer)}


def _problem(problem: Problem) -> dict[str, Any]:
    return {**_plain(problem.descriptor), "problem": str(problem.error)}


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = strict_json.builtins(value)
    return plain
