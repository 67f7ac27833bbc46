"""Output of `lading diff`: a JSON record, and text made from it.

The record has `old` and `new` (`reference`, `mediaType`, `digest`, `size`), `config` and `annotations` (`change`,
`name`, `key`, `old`, `new`), `layers` (`change`, the descriptor, `diffID`) and `history` (`change`, the step). If files
are compared it has `files`, too (`change`, `path`, `oldSize`, `newSize`, and of what changed `what` differs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lading import strict_json
from lading._core.images.image_diff import HistoryChange, ImageDiff, LayerChange, ValueChange
from lading._core.rootfs.file_changes import FileChange
from lading.cli.client import described
from lading.cli.text_formatting import facts, readable_size, section

_MARKS = {"added": "+", "removed": "-", "changed": "~", "shared": "=", "recompressed": "%"}


def comparison(old: str, new: str, diff: ImageDiff, files: Iterable[FileChange] | None) -> dict[str, Any]:
    """Return the record."""
    record = {
        "old": {"reference": old, **described(diff.old.descriptor)},
        "new": {"reference": new, **described(diff.new.descriptor)},
        "config": [_value(change) for change in diff.config],
        "layers": [_layer(change) for change in diff.layers],
        "history": [_step(change) for change in diff.history],
        "annotations": [_value(change) for change in diff.annotations],
    }
    return record if files is None else {**record, "files": [_file(change) for change in files]}


def lines(record: Mapping[str, Any]) -> Iterator[str]:
    """Write a record for a reader, foreign text cut and escaped."""
    yield from facts((side, f"{record[side]['reference']}  {record[side]['digest']}") for side in ("old", "new"))
    yield from section("config", [_value_row(change) for change in record["config"]])
    yield from section("layers", [_layer_row(change) for change in record["layers"]])
    yield from section("history", [_step_row(change) for change in record["history"]])
    yield from section("annotations", [_value_row(change) for change in record["annotations"]])
    yield from section("files", [_file_row(change) for change in record.get("files", ())])


def _value(change: ValueChange) -> dict[str, Any]:
    record = {"change": change.change, "name": change.name}
    values = {"key": change.key, "old": change.old, "new": change.new}
    return record | {name: value for name, value in values.items() if value is not None}


def _layer(change: LayerChange) -> dict[str, Any]:
    descriptor: dict[str, Any] = strict_json.builtins(change.layer.descriptor)
    history = change.layer.history
    said = {} if history is None else {"created_by": history.created_by}
    return {"change": change.change, **descriptor, "diffID": str(change.layer.diff_id), **said}


def _step(change: HistoryChange) -> dict[str, Any]:
    history: dict[str, Any] = strict_json.builtins(change.history)
    return {"change": change.change, **history}


def _file(change: FileChange) -> dict[str, Any]:
    record: dict[str, Any] = {"change": change.change, "path": change.path}
    values = {"oldSize": change.old_size, "newSize": change.new_size, "what": list(change.what) or None}
    return record | {name: value for name, value in values.items() if value is not None}


def _value_row(change: Mapping[str, Any]) -> tuple[str, ...]:
    name = " ".join(each for each in (_title(change["name"]), change.get("key")) if each)
    # Ports and volumes have empty objects as values.
    values = [_text(change[side]) for side in ("old", "new") if change.get(side, {}) != {}]
    return _MARKS[change["change"]], name, " -> ".join(values)


def _title(name: str) -> str:
    """Leave out the name of the section that the row stands in."""
    return "" if name == "annotations" else name


def _text(value: Any) -> str:
    if isinstance(value, str):
        return repr(value)
    return strict_json.encode(value).decode()


def _layer_row(change: Mapping[str, Any]) -> tuple[str, ...]:
    return _MARKS[change["change"]], change["digest"], readable_size(change["size"]), change.get("created_by", "")


def _step_row(change: Mapping[str, Any]) -> tuple[str, ...]:
    said = change.get("created_by") or change.get("comment") or "-"
    return _MARKS[change["change"]], said


def _file_row(change: Mapping[str, Any]) -> tuple[str, ...]:
    sizes = dict.fromkeys(readable_size(change[side]) for side in ("oldSize", "newSize") if side in change)
    return _MARKS[change["change"]], change["path"], " -> ".join(sizes), ", ".join(change.get("what", ()))
