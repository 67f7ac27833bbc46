"""What there is to say of a manifest, as a record and as lines for a reader.

The record has the names of image-spec and is what `--json` prints; the lines are made from it, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lading import annotations as keys, media_types, strict_json
from lading._blocking import Repository
from lading._wire.display import shown
from lading.cli.output import Output
from lading.descriptor import Descriptor
from lading.documents import CONFIG_LIMIT, HelmConfig, ImageConfig, ImageIndex, ImageManifest, Manifest, open_document
from lading.errors import DocumentError
from lading.platform import Platform
from lading.reference import Reference

_CONFIGS = frozenset({media_types.OCI_CONFIG, media_types.DOCKER_CONFIG, media_types.HELM_CONFIG})
_LONGEST = 200
_UNITS = ("KiB", "MiB", "GiB", "TiB")
_CONTENT_FACTS = ("name", "version", "appVersion", "description", "created", "author")
# What is said of how an image runs: texts, command lines, and lists or sets, by the key of image-spec, config.md.
_RUN_TEXTS = (("user", "User"), ("directory", "WorkingDir"), ("stop signal", "StopSignal"))
_RUN_COMMANDS = (("entrypoint", "Entrypoint"), ("command", "Cmd"))
_RUN_LISTS = (("env", "Env"), ("port", "ExposedPorts"), ("volume", "Volumes"))


def description(
    reference: Reference, manifest: Manifest[Any], repository: Repository, output: Output
) -> dict[str, Any]:
    """Describe a manifest; its config is pulled if it is of a known kind. What cannot be read is a warning."""
    record: dict[str, Any] = {"reference": str(reference), "kind": "unknown", **_plain(manifest.descriptor)}
    document = manifest.document
    if isinstance(document, ImageIndex):
        record["kind"] = "index"
        record["manifests"] = [_plain(entry) for entry in document.manifests]
    elif isinstance(document, ImageManifest):
        config = _config(document.config, repository, output)
        record["kind"] = _kind(document, config)
        record["totalSize"] = len(manifest.raw) + sum(each.size for each in _distinct(document))
        record["config"] = _plain(document.config)
        if config is not None:
            record["content"] = strict_json.builtins(config)
        record["layers"] = [_plain(layer) for layer in document.layers]
    else:
        return record
    if document.artifact_type is not None:
        record["artifactType"] = document.artifact_type
    if document.subject is not None:
        record["subject"] = _plain(document.subject)
    record["annotations"] = dict(document.annotations)
    return record


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """Write a description for a reader, foreign text cut and escaped."""
    yield record["reference"]
    yield from _facts(_heading(record))
    yield from _section("manifests", [_manifest_row(entry) for entry in record.get("manifests", ())])
    if "content" in record:
        yield "config"
        yield from _facts(_config_facts(record["content"]), "  ")
    yield from _section("layers", [_layer_row(layer) for layer in record.get("layers", ())])
    annotations = record.get("annotations") or {}
    yield from _section("annotations", [(key, str(value)) for key, value in sorted(annotations.items())])


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = strict_json.builtins(value)
    return plain


def _distinct(document: ImageManifest) -> list[Descriptor]:
    return list({each.digest: each for each in (document.config, *document.layers)}.values())


def _config(descriptor: Descriptor, repository: Repository, output: Output) -> Any:
    if descriptor.media_type not in _CONFIGS:
        return None
    if descriptor.size > CONFIG_LIMIT:
        output.warning(f"the config {descriptor.digest} is not shown: it has more than {CONFIG_LIMIT} bytes")
        return None
    try:
        raw = descriptor.embedded
        return open_document(repository.blobs.pull(descriptor) if raw is None else raw, descriptor.media_type)
    except DocumentError as error:
        output.warning(f"the config {descriptor.digest} cannot be read: {error}")
        return None


def _kind(document: ImageManifest, config: Any) -> str:
    if isinstance(config, HelmConfig):
        return "chart"
    layered = bool(document.layers) and media_types.is_layer(document.layers[0].media_type)
    is_image = document.artifact_type is None and (isinstance(config, ImageConfig) or layered)
    return "image" if is_image else "artifact"


def _heading(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "kind", record["kind"]
    yield "media type", record["mediaType"]
    if "artifactType" in record:
        yield "artifact type", record["artifactType"]
    yield "digest", record["digest"]
    yield "size", _bytes(record["size"])
    if "totalSize" in record:
        yield "total size", _bytes(record["totalSize"])
    if "subject" in record:
        yield "subject", record["subject"]["digest"]


def _manifest_row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    platform = entry.get("platform")
    name = str(_platform(platform)) if platform else "-"
    return name, entry["digest"], _bytes(entry["size"]), entry.get("artifactType") or entry["mediaType"]


def _layer_row(layer: Mapping[str, Any]) -> tuple[str, ...]:
    title = layer.get("annotations", {}).get(keys.TITLE, "")
    return layer["digest"], _bytes(layer["size"]), layer["mediaType"], title


def _platform(plain: Mapping[str, Any]) -> Platform:
    return Platform(
        architecture=plain.get("architecture", ""),
        os=plain.get("os", ""),
        os_version=plain.get("os.version", ""),
        os_features=tuple(plain.get("os.features", ())),
        variant=plain.get("variant", ""),
    )


def _config_facts(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Give what a reader wants of an image's config, or of a chart's metadata."""
    if "rootfs" in content:
        yield "platform", str(_platform(content))
    for name in _CONTENT_FACTS:
        if content.get(name):
            yield name, str(content[name])
    run = content.get("config", {})
    yield from ((name, run[key]) for name, key in _RUN_TEXTS if key in run)
    yield from ((name, " ".join(map(repr, run[key]))) for name, key in _RUN_COMMANDS if key in run)
    yield from ((name, each) for name, key in _RUN_LISTS for each in run.get(key, ()))
    yield from (("label", f"{key}={value}") for key, value in run.get("Labels", {}).items())


def _facts(pairs: Iterator[tuple[str, str]], indent: str = "") -> Iterator[str]:
    for name, value in pairs:
        yield f"{indent}{name:13} {shown(value, _LONGEST)}"


def _section(title: str, rows: list[tuple[str, ...]]) -> Iterator[str]:
    if not rows:
        return
    yield title
    cells = [tuple(shown(cell, _LONGEST) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _bytes(size: int) -> str:
    power = min((size.bit_length() - 1) // 10, len(_UNITS))
    return f"{size} bytes" if power < 1 else f"{size / 1024**power:.1f} {_UNITS[power - 1]}"
