"""Text output of `lading inspect`, made from its JSON record alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lading import Platform, annotations as keys
from lading.cli.text_formatting import facts, readable_size, section, short_digest

_CONTENT_FACTS = ("name", "version", "appVersion", "description", "created", "author")
# How an image runs: strings, command lines, and lists or sets, by the key of image-spec, config.md.
_RUN_TEXTS = (("user", "User"), ("directory", "WorkingDir"), ("stop signal", "StopSignal"))
_RUN_COMMANDS = (("entrypoint", "Entrypoint"), ("command", "Cmd"))
_RUN_LISTS = (("env", "Env"), ("port", "ExposedPorts"), ("volume", "Volumes"))
_SHARING_SHOWN = 3

Record = Mapping[str, Any]


def lines(record: Record) -> Iterator[str]:
    """Write `Inspection.to_dict()` with the `reference`."""
    yield record["reference"]
    yield from facts(_heading(record))
    yield from section("manifests", list(_manifest_rows(record.get("manifests", ()))))
    if "content" in record:
        yield "config"
        yield from facts(_config_facts(record["content"]), "  ")
    yield from section("layers", [_layer_row(layer) for layer in record.get("layers", ())])
    yield from section("history", _history_rows(record.get("history", ())))
    annotations = record.get("annotations") or {}
    yield from section("annotations", [(key, str(value)) for key, value in sorted(annotations.items())])
    yield from section("referrers", [_referrer_row(referrer) for referrer in record.get("referrers", ())])


def _heading(record: Record) -> Iterator[tuple[str, str]]:
    yield "kind", record["kind"]
    yield "media type", record["mediaType"]
    if "artifactType" in record:
        yield "artifact type", record["artifactType"]
    yield "digest", record["digest"]
    yield "size", readable_size(record["size"])
    if "totalSize" in record:
        yield "total size", readable_size(record["totalSize"])
    if "subject" in record:
        yield "subject", record["subject"]["digest"]


def _manifest_rows(entries: Iterable[Record], indent: str = "") -> Iterator[tuple[str, ...]]:
    """Return the entries of an index as a tree: below each its attestations, and the entries of a nested index."""
    entries = list(entries)
    names: defaultdict[str, list[str]] = defaultdict(list)
    for entry in entries:
        names[entry["digest"]].append(_name(entry))
    attestations: defaultdict[str, list[Record]] = defaultdict(list)
    for entry in entries:
        attestations[_attested(entry)].append(entry)
    for entry in entries:
        if _attested(entry) in names:
            continue
        yield indent + _name(entry), *_manifest_cells(entry, names)
        yield from _manifest_rows(entry.get("manifests", ()), f"{indent}  ")
        # Once, where the same image stands for several platforms.
        for about in attestations.pop(entry["digest"], ()):
            yield f"{indent}  attestation", *_manifest_cells(about, names)


def _manifest_cells(entry: Record, names: Mapping[str, Sequence[str]]) -> tuple[str, str, str]:
    size = readable_size(entry["totalSize"]) if "totalSize" in entry else "-"
    return entry["digest"], size, ", ".join(_remarks(entry, names))


def _remarks(entry: Record, names: Mapping[str, Sequence[str]]) -> Iterator[str]:
    if "predicateTypes" in entry:
        yield from entry["predicateTypes"]
    elif entry.get("kind") == "image":
        yield _counted(len(entry["layers"]), "layer")
    else:
        yield entry.get("artifactType") or entry["mediaType"]
    if entry.get("missing"):
        yield "not here"
    if "sharedWith" in entry:
        shown = [name for digest in entry["sharedWith"] for name in names[digest]]
        more = [f"{len(shown) - _SHARING_SHOWN} more"] if len(shown) > _SHARING_SHOWN else []
        others = " and ".join([", ".join(shown[:_SHARING_SHOWN]), *more])
        yield f"{readable_size(entry['sharedSize'])} shared with {others}"


def _name(entry: Record) -> str:
    if "platform" in entry:
        return str(_platform(entry["platform"]))
    return "index" if entry.get("kind") == "index" else "-"


def _attested(entry: Record) -> str:
    """Return the digest of the image that an attestation of BuildKit is about, or an empty string."""
    about: str = entry.get("attests", "")
    return "" if about == entry["digest"] else about


def _layer_row(layer: Record) -> tuple[str, ...]:
    title = layer.get("annotations", {}).get(keys.TITLE, "")
    return layer["digest"], readable_size(layer["size"]), layer["mediaType"], title


def _history_rows(steps: Iterable[Record]) -> list[tuple[str, ...]]:
    """Return a row for each step of the history, none if only the layers are known."""
    steps = list(steps)
    return [_history_row(step) for step in steps] if any(step.keys() - {"layer"} for step in steps) else []


def _history_row(step: Record) -> tuple[str, ...]:
    said = step.get("created_by") or step.get("comment") or "-"
    layer = step.get("layer")
    if layer is None:
        return "empty" if step.get("empty_layer") else "no layer", "-", said
    return readable_size(layer["size"]), short_digest(layer["digest"]), said


def _referrer_row(referrer: Record) -> tuple[str, ...]:
    created = referrer.get("annotations", {}).get(keys.CREATED, "")
    return referrer["digest"], referrer.get("artifactType") or referrer["mediaType"], created


def _config_facts(content: Record) -> Iterator[tuple[str, str]]:
    """Return the main facts of an image's config, or of a chart's metadata."""
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


def _platform(plain: Record) -> Platform:
    return Platform(
        architecture=plain.get("architecture", ""),
        os=plain.get("os", ""),
        os_version=plain.get("os.version", ""),
        os_features=tuple(plain.get("os.features", ())),
        variant=plain.get("variant", ""),
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
