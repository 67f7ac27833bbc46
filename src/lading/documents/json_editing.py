"""Edits of JSON documents that keep everything else byte for byte.

Only the differences between two typed views are rewritten. Everything else keeps its position and its spelling: unknown
members, of the document and of the descriptors that stay, the order, nulls and numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from lading import strict_json
from lading.descriptor import Descriptor

S = TypeVar("S", bound=msgspec.Struct)


def changed(document: S, changes: Mapping[str, Any]) -> S:
    """Return the document with new values for some fields; None stands for the default.

    Raises `TypeError` for a name that is not a field.
    """
    factories = {field.name: field.default_factory for field in msgspec.structs.fields(document)}
    values = dict(changes)
    for name, value in changes.items():
        factory = factories.get(name, msgspec.NODEFAULT)
        if value is None and factory is not msgspec.NODEFAULT:
            values[name] = factory()
    return msgspec.structs.replace(document, **values)


def rewritten(raw: bytes, before: msgspec.Struct, after: msgspec.Struct) -> bytes:
    """Change the JSON object `raw`, whose view is `before`, to compact JSON whose view is `after`."""
    members = strict_json.parse_verbatim(raw)
    _write(members, before, after)
    return strict_json.encode(members)


def _write(members: dict[str, Any], before: msgspec.Struct, after: msgspec.Struct) -> None:
    encoded = strict_json.builtins(after)
    for field in msgspec.structs.fields(after):
        old, new = getattr(before, field.name), getattr(after, field.name)
        name = field.encode_name
        if old == new:
            continue
        if encoded.get(name) is None:
            members.pop(name, None)
        else:
            members[name] = _merged(members.get(name), old, new, encoded[name])


def _merged(raw: Any, old: Any, new: Any, encoded: Any) -> Any:
    """Return the JSON of a new value, with the members of the old value's raw JSON that its typed view lacks."""
    if old == new:
        return raw
    if isinstance(raw, dict) and _continues(old, new):
        _write(raw, old, new)
        return raw
    if isinstance(raw, list) and isinstance(old, tuple) and isinstance(new, tuple | list):
        return _merged_list(raw, old, new, encoded)
    return encoded


def _merged_list(
    raw: list[Any], old: tuple[Any, ...], new: tuple[Any, ...] | list[Any], encoded: list[Any]
) -> list[Any]:
    # Elements are matched by digest. A digest may occur for several platforms: an equal descriptor is the better match,
    # then the first one.
    waiting: defaultdict[str, list[tuple[Any, Any]]] = defaultdict(list)
    for element, value in zip(raw, old, strict=True):
        if isinstance(value, Descriptor):
            waiting[value.digest].append((element, value))
    merged: list[Any] = []
    for value, fresh in zip(new, encoded, strict=True):
        same = waiting[value.digest] if isinstance(value, Descriptor) else []
        if not same:
            merged.append(fresh)
            continue
        position = next((index for index, (_, known) in enumerate(same) if known == value), 0)
        element, known = same.pop(position)
        merged.append(_merged(element, known, value, fresh))
    return merged


def _continues(old: Any, new: Any) -> bool:
    """Return whether a new value is the old one with changes, rather than a replacement."""
    if isinstance(old, Descriptor) and isinstance(new, Descriptor):
        return old.digest == new.digest
    return isinstance(old, msgspec.Struct) and type(old) is type(new)
