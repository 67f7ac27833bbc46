"""Output of `lading diff`: the differences as JSON, and text made from that.

The JSON is `ImageDiff.to_dict()`, with the `reference` of each image in `old` and `new`. If files are compared, it also
has `files`, each as `FileChange.to_dict()`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lading import FileChange, ImageDiff
from lading.cli.text_formatting import facts, readable_size, section

_MARKS = {"added": "+", "removed": "-", "changed": "~", "shared": "=", "recompressed": "%"}


def comparison(old: str, new: str, diff: ImageDiff, files: Iterable[FileChange] | None) -> dict[str, Any]:
    """Return the record."""
    record = diff.to_dict()
    record["old"] = {"reference": old, **record["old"]}
    record["new"] = {"reference": new, **record["new"]}
    return record if files is None else {**record, "files": [change.to_dict() for change in files]}


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """Write a record as text, foreign strings cut and escaped."""
    yield from facts((side, f"{record[side]['reference']}  {record[side]['digest']}") for side in ("old", "new"))
    yield from section("config", [_value_row(change) for change in record["config"]])
    yield from section("layers", [_layer_row(change) for change in record["layers"]])
    yield from section("history", [_step_row(change) for change in record["history"]])
    yield from section("annotations", [_value_row(change) for change in record["annotations"]])
    yield from section("files", [_file_row(change) for change in record.get("files", ())])


def _value_row(change: Mapping[str, Any]) -> tuple[str, ...]:
    name = " ".join(each for each in (_title(change["name"]), change.get("key")) if each)
    # Ports and volumes have empty objects as values.
    values = [_text(change[side]) for side in ("old", "new") if change.get(side, {}) != {}]
    return _MARKS[change["change"]], name, " -> ".join(values)


def _title(name: str) -> str:
    """Return the name of a value, without that of its section."""
    return "" if name == "annotations" else name


def _text(value: Any) -> str:
    if isinstance(value, str):
        return repr(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _layer_row(change: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        _MARKS[change["change"]],
        change["digest"],
        readable_size(change["size"]),
        change.get("history", {}).get("created_by", ""),
    )


def _step_row(change: Mapping[str, Any]) -> tuple[str, ...]:
    said = change.get("created_by") or change.get("comment") or "-"
    return _MARKS[change["change"]], said


def _file_row(change: Mapping[str, Any]) -> tuple[str, ...]:
    sizes = dict.fromkeys(readable_size(change[side]) for side in ("oldSize", "newSize") if side in change)
    return _MARKS[change["change"]], change["path"], " -> ".join(sizes), ", ".join(change.get("what", ()))
